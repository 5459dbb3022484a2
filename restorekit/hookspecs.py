"""The contract between restorekit and its plugins: version 1.

A plugin is a module (or object) whose functions carry `@restorekit.hookimpl`. For one run, the plugin
manager holds the task's plugin and the add-ons and nothing else, so each hook is a plain call that an
add-on may wrap (`@restorekit.hookimpl(wrapper=True)`). Images are float32 tensors (N, C, H, W) in
[−1, 1], on the processor where nothing else is said; N is 1 when a picture is restored, the batch in
training. Hooks are pure: the same arguments give the same answer, they draw no randomness but from the
seeds they are given, and they write nothing, their arguments neither.

An implementation may leave arguments out, and must not give one a default value: pluggy never fills
such an argument, so registration refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from restorekit.task import Plan, Stage, Task

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.engine.conditioning import Condition
    from restorekit.engine.loop import StepEvent
    from restorekit.engine.samplers import Sampler
    from restorekit.engine.tiles import Box
    from restorekit.metrics.added import Metric

hookspec = pluggy.HookspecMarker("restorekit")
hookimpl = pluggy.HookimplMarker("restorekit")
"""Marks a plugin's function as the implementation of the hook of its name."""


@hookspec(firstresult=True)
def restorekit_task() -> Task:
    """The task's declaration. Called when its command or Python call is built; must be cheap."""
    ...


@hookspec(firstresult=True)
def restorekit_prepare(
    inputs: Mapping[str, Tensor], options: Mapping[str, Any], file: Mapping[str, Any]
) -> Plan | Stage:
    """What can only be known from the whole picture: output size, scale, noise level, exposure.

    Called once a picture, before anything else. inputs: the task's images by name — the picture as
    "image", "alpha" where the task is exact and the picture has one, the companions given. options:
    every option of the task, checked. file: what the picture's file says of it, "jpeg_quality" (1 to
    100) of a JPEG; nothing of an array, nor in training. Answers with a Plan, or with the Stage to run
    before it, whose result is then inputs["stage"]. Raises UsageError for a picture the task cannot
    take.
    """
    ...


@hookspec(firstresult=True)
def restorekit_condition(plan: Plan, box: Box) -> Condition:
    """What is known in a window of the output, which lies inside plan.size.

    Promise: the condition of a window equals the crop of the condition of the whole, bit for bit.
    Called once a window, of any size and in any order; the engine grows windows by the margin it needs
    and puts the answer on the run's device. Its channels and numbers are those the model takes.
    """
    ...


@hookspec(firstresult=True)
def restorekit_correct(plan: Plan, box: Box, x0_hat: Tensor, t: float) -> Tensor:
    """The estimate of x0 made to agree with what is measured; by default it is left as it is.

    Called at each step for each window, after the network; x0_hat is on the run's device, and t falls
    from 1. Known pixels of the condition are overwritten after it, exactly. Promise: an answer of
    x0_hat's shape and device, a pixel of which depends on that pixel alone (and on plan), since windows
    are of any size. What needs the whole picture belongs in a Stage.
    """
    ...


@hookspec(firstresult=True)
def restorekit_finish(plan: Plan, box: Box, x0: Tensor) -> Tensor:
    """The window in the picture's own encoding, still in [−1, 1]; by default x0 itself.

    Called once a window, after its last step; known pixels are in x0 already, and are what this makes
    of them. Promise: x0's shape; pixel by pixel, as `correct`.
    """
    ...


@hookspec(firstresult=True)
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """The task's inputs made from clean images (N, C, H, W): training pairs, benchmark inputs.

    options: as for prepare, and "degradation", the name of one of `Task.degradations`, with its options.
    Runs on clean's device; the same seed gives the same result. Promise: of "image", and of each further
    input, as many images as there are clean ones, each made from its own clean image alone; in [−1, 1]
    but for noise.
    """
    ...


@hookspec
def restorekit_step(event: StepEvent) -> None:
    """Tells of a step made. Observers must not change the event's tensors."""


@hookspec
def restorekit_models() -> Mapping[str, Path]:
    """Weights this plugin brings: safetensors files by name."""
    ...


@hookspec
def restorekit_metrics() -> Iterable[Metric]:
    """Metrics this plugin adds to `restorekit evaluate` and `compare`, which ask for them by name."""
    ...


@hookspec
def restorekit_samplers() -> Mapping[str, Sampler]:
    """Samplers this plugin adds to the table."""
    ...
