"""Enlarge photographs.

The low-res image, resampled to the output's grid, is both the source of the path and the image that
is concatenated to the network's input (low-res concatenation); the scale and the input's noise level
are numbers of the condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:
    from torch import Tensor

TASK = rk.Task(
    name="upscale",
    summary="Enlarge photographs",
    options=(
        rk.Option(
            "scale",
            float,
            4.0,
            "How much larger each side becomes.",
            minimum=0.0,
            maximum=16.0,
            open_minimum=True,
        ),
        rk.Option("size", "size", None, "Exact output size, WIDTHxHEIGHT; instead of --scale."),
        rk.Option(
            "noise",
            float,
            0.0,
            "Noise in the input: its deviation, 0 (clean) to 0.2 of the full range.",
            minimum=0.0,
            maximum=0.2,
        ),
    ),
    model="upscale",
    looks=("faithful", "sharp"),
    degradations=(
        rk.Degradation("clean", "Antialiased bicubic reduction."),
        rk.Degradation("real", "Blur, reduction, sensor noise and JPEG, mild to hard."),
    ),
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit upscale`."""
    return TASK


@rk.hookimpl
def restorekit_models() -> Mapping[str, Path]:
    """The weights in this package."""
    return {"upscale": Path(__file__).parent / "weights" / "upscale.safetensors"}


def rescaled(height: int, width: int, factor: float) -> tuple[int, int]:
    """(height, width) times a factor: halves are rounded up, and at least 1."""
    return max(1, math.floor(height * factor + 0.5)), max(1, math.floor(width * factor + 0.5))


@rk.hookimpl
def restorekit_prepare(inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> rk.Plan:
    """Output size: round(scale × input), or the size asked for."""
    image = inputs["image"]
    height, width = image.shape[-2:]
    if options["size"] is not None:
        size = (options["size"][1], options["size"][0])
    else:
        size = rescaled(height, width, options["scale"])
    ratio = math.sqrt(size[0] * size[1] / (height * width))
    # The network knows scales of 1 to 4; beyond them it restores as much as at the nearest one.
    known = min(max(ratio, 1.0), 4.0)
    numbers = {"scale": math.log2(known), "noise": 10 * options["noise"]}
    return rk.Plan(size, {"scale": ratio}, (image, numbers))


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """The input resampled to the window: source and concatenated image in one."""
    image, numbers = plan.state
    source = rk.resample(image, plan.size, box)
    return rk.Condition(source, concat=source, numbers=numbers)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Low-res images: "clean" by antialiased bicubic reduction, "real" with blur, noise and JPEG."""
    from restorekit_upscale.degrade import degrade

    return {"image": degrade(clean, options, seed)}
