"""All that decides a result's bytes beside its inputs, as one JSON record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import restorekit
from restorekit.jobs.restorer import Restorer


def recipe(restorer: Restorer, **saving: Any) -> Mapping[str, Any]:
    """What a restorer does, and `saving`: how its results are written.

    Device and tile are left out: they say where and in what pieces, so that a run may be finished on
    another machine, where the last bit of a result may differ. So are the weights of other tasks that do
    a stage: those of this version, or of the plugin that brings them.
    """
    settings, card = restorer.settings, restorer.model.card
    hooks = vars(restorer.hooks).values()
    plugins = {found.plugin_name for hook in hooks for found in hook.get_hookimpls()}
    record = {
        "restorekit": restorekit.__version__,
        "task": restorer.task.name,
        "plugins": sorted(plugins),
        "options": dict(restorer.options),
        "fidelity": settings.fidelity,
        "strength": settings.strength,
        "steps": settings.steps,
        "seed": settings.seed,
        "model": card.name,
        "model_sha256": card.tensors_sha256,
        "looks": {name: dict(vars(look)) for name, look in card.looks.items()},
        **saving,
    }
    return json.loads(json.dumps(record, default=str))
