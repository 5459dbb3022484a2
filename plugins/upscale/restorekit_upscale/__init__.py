"""Enlarge photographs.

The low-res image, resampled to the output's grid, is both the source of the path and the image that
is concatenated to the network's input (low-res concatenation); the network works on cells of about
one of its pixels; the scale and the input's noise level are numbers of the condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 4.0
"""The network's largest scale; beyond it, its result is enlarged once more (a cascade)."""

_CLEANED = "JPEG's traces show: they and noise were taken out first (--clean never leaves them)"

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
            "long_edge",
            int,
            None,
            "The longer side's pixels; instead of --scale.",
            minimum=1,
            maximum=2**31 - 1,
        ),
        rk.Option("max_size", "area", None, "Make no result larger than this, as 40MP."),
        rk.Option(
            "noise",
            float,
            0.0,
            "Noise in the input: its deviation, 0 (clean) to 0.2 of the full range.",
            minimum=0.0,
            maximum=0.2,
        ),
        rk.Option(
            "clean",
            str,
            "auto",
            "Take out noise and JPEG's traces first, as denoise does; auto: where JPEG's traces show.",
            choices=("auto", "always", "never"),
        ),
    ),
    model="upscale",
    looks=("faithful", "sharp"),
    exclusive=(("scale", "size", "long_edge"), ("size", "max_size"), ("noise", "clean")),
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


def planned_size(height: int, width: int, options: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) of the output: the size asked for, or the input's times a factor."""
    if options["size"] is not None:
        return options["size"][1], options["size"][0]
    factor = options["scale"]
    if options["long_edge"] is not None:
        factor = options["long_edge"] / max(height, width)
    size = rescaled(height, width, factor)
    if options["max_size"] is None or size[0] * size[1] <= options["max_size"]:
        return size
    factor = math.sqrt(options["max_size"] / (height * width))
    rows, columns = (max(1, math.floor(side * factor)) for side in (height, width))
    # Of a thin picture one side is 1 and cannot give its part.
    longest = options["max_size"] // min(rows, columns)
    return min(rows, longest), min(columns, longest)


@rk.hookimpl
def restorekit_prepare(
    inputs: Mapping[str, Tensor], options: Mapping[str, Any], file: Mapping[str, Any]
) -> rk.Plan | rk.Stage:
    """The output's size; before it a stage where that is more than the network's largest scale, or where
    the picture is to be cleaned."""
    image = inputs["image"]
    size = planned_size(image.shape[-2], image.shape[-1], options)
    whole = _ratio(size, image)
    noise = options["noise"]
    if whole > LARGEST and "stage" not in inputs:
        # The largest step first: it meets the input, which is what the network was trained on.
        first = {"scale": LARGEST, "size": None, "long_edge": None, "max_size": None}
        return rk.Stage({"image": image}, {**options, **first})
    cleaned = "stage" in inputs and whole <= LARGEST  # so it was looked at, or not to be
    worn = (
        options["clean"] == "auto" and whole >= 1 and not noise and (cleaned or _worn(image, file))
    )
    if (worn or options["clean"] == "always") and "stage" not in inputs:
        return rk.Stage({"image": image}, {}, task="denoise")
    if "stage" in inputs:
        image, noise = inputs["stage"], 0.0
    # The network knows scales of 1 to 4; below, it restores as much as at 1.
    known = min(max(_ratio(size, image), 1.0), LARGEST)
    numbers = {"scale": math.log2(known), "noise": 10 * noise}
    note = {"scale": whole} | ({"clean": _CLEANED} if worn else {})
    decided = {"clean": "always" if worn else "never"} if options["clean"] == "auto" else {}
    return rk.Plan(size, note, (image, numbers), settled=decided, cell=_cell(known))


def _cell(scale: float) -> int:
    """The side of the network's cells: about one pixel of the input to each, so that it works where the
    picture was measured."""
    return min(max(math.floor(scale + 0.5), 2), 4)


def _worn(image: Tensor, file: Mapping[str, Any]) -> bool:
    """Whether JPEG coded a picture and its traces are worth taking out: as its file says, since smooth
    pictures show little, or as its pixels do."""
    from restorekit_upscale.traces import GOOD, worn

    return file.get("jpeg_quality", 100) <= GOOD or worn(image)


def _ratio(size: tuple[int, int], image: Tensor) -> float:
    """How much longer the sides of an output are than an image's, in the geometric mean."""
    return math.sqrt(size[0] * size[1] / (image.shape[-2] * image.shape[-1]))


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
