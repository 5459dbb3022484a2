"""What a run may begin with: another run's checkpoint, or a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from restorekit.engine.unet import UNetConfig
from restorekit.errors import ModelError
from restorekit.models import store
from restorekit.training import checkpoint
from restorekit.training.recipe import Recipe

INHERITED = ("network", "path", "path_parameters", "deviation")
"""The entries of a recipe without which weights mean something else."""


@dataclass(frozen=True)
class Start:
    """Weights and what they were made by.

    weights: averaged, float32. recipe: `INHERITED`, as a recipe has them. phases, data: the runs that
    made them and on what, for the card. judge: the perceptual phase's tensors, of a checkpoint that had
    one.
    """

    path: Path
    weights: Mapping[str, Tensor]
    recipe: Mapping[str, Any]
    phases: tuple[dict[str, Any], ...] = ()
    data: tuple[Mapping[str, Any], ...] = ()
    judge: Mapping[str, Tensor] | None = None

    @property
    def network(self) -> UNetConfig:
        """What the weights are of."""
        return UNetConfig.from_dict(self.recipe["network"])

    def other(self, recipe: Recipe) -> list[str]:
        """Of what weights mean, what a recipe says otherwise, but the network, which may grow."""
        mine = {name: getattr(recipe, name) for name in INHERITED if name != "network"}
        return [name for name, value in mine.items() if value != self.recipe[name]]


def read(path: Path) -> Start:
    """A checkpoint or a model file as a beginning; ModelError where it is neither."""
    try:
        tensors, record = checkpoint.load(path)
    except ModelError:
        model = store.load(path)
        weights = {key: value.float() for key, value in model.tensors.items()}
        recipe = {name: getattr(model.card, name) for name in INHERITED}
        phases = tuple(model.card.training.get("phases", ()))
        return Start(path, weights, recipe, phases, model.card.data)
    return Start(
        path,
        checkpoint.part("average", tensors),
        {name: record["recipe"][name] for name in INHERITED},
        tuple(record.get("phases", ())),
        tuple(record.get("data", ())),
        checkpoint.part("perceptual", tensors),
    )
