"""restorekit: image restoration with one diffusion engine and pluggable tasks.

`restorekit.upscale(image, scale=4)` — and one such call for every installed task — takes a PIL
image, a numpy array or a torch tensor and gives back the same kind. Everything a task plugin needs
is exported here; anything else may change. Names are imported when first used, so that
`import restorekit` is quick and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from restorekit.errors import (
    DeviceError,
    ImageError,
    ModelError,
    PluginError,
    RestoreError,
    UsageError,
)

if TYPE_CHECKING:
    from restorekit.degradations import blur, jpeg, reduce, sensor_noise, to_levels
    from restorekit.engine.conditioning import Condition, concatenate, replace, start_from
    from restorekit.engine.loop import StepEvent
    from restorekit.engine.noise import noise_at
    from restorekit.engine.path import PATHS, Path
    from restorekit.engine.resample import resample
    from restorekit.engine.samplers import SAMPLERS, Sampler
    from restorekit.engine.tiles import Box
    from restorekit.hookspecs import hookimpl
    from restorekit.metrics.added import Metric
    from restorekit.task import SPEC_VERSION, Degradation, Input, Option, Plan, Stage, Task

_HOMES = {
    "Box": "engine.tiles",
    "Condition": "engine.conditioning",
    "Degradation": "task",
    "Input": "task",
    "Metric": "metrics.added",
    "Option": "task",
    "PATHS": "engine.path",
    "Path": "engine.path",
    "Plan": "task",
    "SAMPLERS": "engine.samplers",
    "SPEC_VERSION": "task",
    "Sampler": "engine.samplers",
    "Stage": "task",
    "StepEvent": "engine.loop",
    "Task": "task",
    "blur": "degradations",
    "concatenate": "engine.conditioning",
    "hookimpl": "hookspecs",
    "jpeg": "degradations",
    "noise_at": "engine.noise",
    "reduce": "degradations",
    "replace": "engine.conditioning",
    "resample": "engine.resample",
    "sensor_noise": "degradations",
    "start_from": "engine.conditioning",
    "to_levels": "degradations",
}

__all__ = [
    "PATHS",
    "SAMPLERS",
    "SPEC_VERSION",
    "Box",
    "Condition",
    "Degradation",
    "DeviceError",
    "ImageError",
    "Input",
    "Metric",
    "ModelError",
    "Option",
    "Path",
    "Plan",
    "PluginError",
    "RestoreError",
    "Sampler",
    "Stage",
    "StepEvent",
    "Task",
    "UsageError",
    "__version__",
    "blur",
    "concatenate",
    "hookimpl",
    "jpeg",
    "noise_at",
    "reduce",
    "replace",
    "resample",
    "sensor_noise",
    "start_from",
    "to_levels",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"restorekit.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name == "__version__":
        from importlib.metadata import version

        return version("restorekit")
    if name.startswith("_"):
        raise AttributeError(f"module 'restorekit' has no attribute {name!r}")
    from restorekit.plugins import tasks

    command = name.replace("_", "-")
    if command not in tasks():
        raise AttributeError(
            f"module 'restorekit' has no attribute {name!r}, and no task is named so"
        )
    from restorekit.api import task_function

    return task_function(command)


def __dir__() -> list[str]:
    from restorekit.plugins import tasks

    return sorted({*__all__, *(name.replace("-", "_") for name in tasks())})
