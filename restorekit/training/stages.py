"""Stages of other tasks before a picture that is trained on: those tasks as they are installed."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit import plugins
from restorekit.api import task_function
from restorekit.errors import UsageError
from restorekit.task import Stage, Task


def restored(stage: Stage, task: Task, *, sharp: bool) -> Tensor:
    """(N, 3, h, w): what another task makes of a stage's pictures, in the look that is trained.

    UsageError for a stage of the task itself, whose weights are not there yet.
    """
    if stage.task in ("", task.name):
        raise UsageError(f"recipe: {task.name} cannot learn from stages of its own; draw others")
    options = dict(stage.options)
    if "sharp" in plugins.load(stage.task).task.looks:
        options["fidelity"] = 0.0 if sharp else 1.0
    restore = task_function(stage.task)
    pictures = (stage.inputs["image"] + 1).div_(2).clamp_(0, 1)
    return torch.stack([restore(picture, **options) for picture in pictures]).mul_(2).sub_(1)
