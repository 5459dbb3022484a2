"""Fill holes in photographs: what a mask marks is made anew, everything else stays bit for bit.

Known pixels replace the estimate at every step and at the end (masked replacement). The path starts
from a coarse fill: smooth for small holes, and for large ones the same task's result on a picture of a
quarter of the size (a cascade), so that holes of any size are filled by a network that sees a little
around each pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restorekit as rk
from restorekit_inpaint.forms import Formed, jump, margins

if TYPE_CHECKING:
    from torch import Tensor

TASK = rk.Task(
    name="inpaint",
    summary="Fill what a mask marks; every other pixel stays as it is",
    options=(
        rk.Option("grow", int, 0, "Pixels by which the mask is grown.", minimum=0, maximum=256),
        rk.Option(
            "feather",
            int,
            0,
            "Pixels inside the mask over which the fill fades in.",
            minimum=0,
            maximum=64,
        ),
        rk.Option(
            "grain",
            float,
            1.0,
            "Share of the grain around a hole that its fill is given.",
            minimum=0,
            maximum=1,
        ),
        Formed("expand", str, "", "Grow the picture: left=N,right=N,top=N,bottom=N.", read=margins),
        Formed(
            "jump",
            str,
            "",
            "N,M: after every N of the --steps go N back with new noise, M times over the same stretch "
            "(RePaint), for models of pictures as such.",
            read=jump,
        ),
        rk.Option("mask_fit", bool, False, "Resize a mask that is not of the picture's size."),
        rk.Option("save_mask", bool, False, "Write the mask, grown, and not the filled picture."),
    ),
    companions=(
        rk.Input(
            "mask",
            "Where to fill, white: one file for all, a folder with a mask for each picture by its "
            "name, alpha (what is transparent), #rrggbb (what has this colour), or scratches.",
            words="alpha|scratches|#[0-9a-fA-F]{6}",
        ),
    ),
    needed=(("mask", "expand"),),
    model="inpaint",
    looks=("faithful", "sharp"),
    degradations=(
        rk.Degradation("mixed", "Each picture its own: strokes, boxes, thin lines or dust."),
        rk.Degradation("thin", "Lines, a tenth to a third of the picture."),
        rk.Degradation("medium", "Strokes and boxes, a tenth to a third of the picture."),
        rk.Degradation("wide", "Holes of more than 128 pixels, about half of the picture."),
    ),
    exact=True,
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit inpaint`."""
    return TASK


@rk.hookimpl
def restorekit_models() -> Mapping[str, Path]:
    """The weights in this package, once they are trained."""
    weights = Path(__file__).parent / "weights" / "inpaint.safetensors"
    return {"inpaint": weights} if weights.exists() else {}


@rk.hookimpl
def restorekit_prepare(
    inputs: Mapping[str, Tensor], options: Mapping[str, Any]
) -> rk.Plan | rk.Stage:
    """Hole and coarse fill; a stage of a quarter of the size first, where a hole is large."""
    import torch

    from restorekit_inpaint import fill, grain, holes

    edges, walk = margins(options["expand"]), jump(options["jump"])
    image, hole = holes.find(inputs, options, anyway=any(edges))
    if not hole.any() and not any(edges) and not options["save_mask"]:
        size = (image.shape[-2], image.shape[-1])
        return rk.Plan(size, {"filled": 0.0}, areas=())
    _, added = holes.expand(image, torch.zeros_like(hole), edges)
    image, hole = holes.expand(image, hole, edges)
    hole = holes.grow(hole, options["grow"])
    if not (hole < 0.5).any():
        raise rk.UsageError("all of the picture is to be filled; some of it must be known")
    if options["save_mask"]:
        return mask_alone(hole)
    weight = None
    if options["feather"]:  # what is added has nothing in it that a fill could fade in from
        weight = torch.maximum(holes.feathered(hole, options["feather"]), added)
    if "stage" in inputs:
        coarse = fill.enlarged(inputs["stage"], (hole.shape[-2], hole.shape[-1]))
    elif fill.is_large(hole):
        smaller, smaller_hole = fill.reduced(image, hole)
        plain = {**options, "expand": "", "grow": 0, "feather": 0, "grain": 0, "mask": None}
        return rk.Stage({"image": smaller, "mask": smaller_hole * 2 - 1}, plain)
    else:
        coarse = fill.smooth(image, hole)
    source = coarse.where(hole > 0.5, image)
    return rk.Plan(
        (source.shape[-2], source.shape[-1]),
        {"filled": round(float(hole.mean()), 4)},
        {
            "image": image,
            "hole": hole,
            "source": source,
            "weight": weight,
            "grainy": options["grain"] > 0,
            # Only finished pictures have grain: training never asks for it.
            "grain": cache(lambda: options["grain"] * grain.deviations(image, hole)),
            "numbers": {"stage": float("stage" in inputs)},
        },
        areas=holes.areas(hole),
        place=(edges[0], edges[2]),
        opaque=options["mask"] == "alpha",
        jump=walk,
    )


def mask_alone(hole: Tensor) -> rk.Plan:
    """The plan whose result is the hole, white on black: all of it is known and no network is asked."""
    import torch

    image = (hole * 2 - 1).expand(-1, 3, -1, -1)
    known = torch.zeros_like(hole)
    return rk.Plan(
        (hole.shape[-2], hole.shape[-1]),
        {"filled": round(float(hole.mean()), 4)},
        {
            "image": image,
            "hole": known,
            "source": image,
            "weight": None,
            "grainy": False,
            "numbers": {"stage": 0.0},
        },
        opaque=True,
    )


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """The coarse fill and the hole, concatenated; what is known replaces every estimate."""
    import torch

    rows, columns = box.slices()
    source, hole = (plan.state[name][..., rows, columns] for name in ("source", "hole"))
    condition = rk.Condition(
        source, concat=torch.cat([source, hole * 2 - 1], 1), numbers=plan.state["numbers"]
    )
    return rk.replace(condition, source, 1 - hole)


@rk.hookimpl
def restorekit_finish(plan: rk.Plan, box: rk.Box, x0: Tensor) -> Tensor:
    """The fill, given grain; fading into what was there where a feather is asked for."""
    from restorekit_inpaint import grain

    rows, columns = box.slices()
    if plan.state["grainy"]:
        grainy = (x0 + grain.drawn(plan.state["grain"](), box)).clamp(-1, 1)
        x0 = grainy.where(plan.state["hole"][..., rows, columns] > 0.5, x0)
    weight = plan.state["weight"]
    if weight is None:
        return x0
    before = plan.state["image"][..., rows, columns]
    return before + weight[..., rows, columns] * (x0.clamp(-1, 1) - before)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Pictures with holes, their masks and, for large holes or half of the batches, a stage."""
    from restorekit_inpaint.degrade import degrade

    return degrade(clean, options, seed)
