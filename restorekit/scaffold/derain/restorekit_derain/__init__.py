"""Take thin bright streaks, as of rain, out of photographs.

Streaks are found as what is brighter than its surroundings to both sides, over some height. Every other
pixel is known and stays as it is; the streaks are filled from beside them, and restorekit's denoiser is
the prior that makes the fill look like a photograph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:  # importing torch here would make --help slow
    from torch import Tensor

TASK = rk.Task(
    name="derain",
    summary="Take thin bright streaks, as of rain, out of photographs",
    options=(
        rk.Option(
            "threshold",
            float,
            40.0,
            "How much brighter than beside it a streak is, of 255.",
            minimum=1.0,
            maximum=255.0,
        ),
    ),
    model="denoise",  # restorekit's own weights; name yours here once you have trained some
    degradations=(
        rk.Degradation(
            "streaks",
            "Thin bright streaks, steep and translucent.",
            (rk.Option("count", int, 300, "Streaks in 100,000 pixels.", minimum=0),),
        ),
    ),
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit derain`."""
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> rk.Plan:
    """Once a picture: where streaks are, and what was behind them at a first guess."""
    image = inputs["image"]
    streak = streaks(image, options["threshold"] / 127.5)
    filled = filled_from_beside(image, streak)
    size = (image.shape[-2], image.shape[-1])
    return rk.Plan(size, {"streaks": round(float(streak.mean()), 4)}, (filled, streak))


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """For a window: the first guess is the source, and all but the streaks is known."""
    rows, columns = box.slices()
    filled, streak = (image[..., rows, columns] for image in plan.state)
    return rk.replace(rk.Condition(filled, concat=filled), filled, 1 - streak)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Clean images (N, C, H, W) with streaks; for `restorekit evaluate`, training and the tests."""
    return {"image": rk.to_levels(rained_on(clean, options["count"], seed))}


TALL = 15  # rows over which a streak must be seen
SLANT = 0.15  # columns that it may lean in each of them
REACH = 2  # columns that it leans over all of them, at most
SIDE = 3  # columns away, what it is compared with


def streaks(image: Tensor, threshold: float) -> Tensor:
    """(N, 1, H, W), 1 where a streak is: along it the picture is brighter than along both its sides."""
    import torch
    import torch.nn.functional as F

    grey = image.amin(1, keepdim=True)  # rain is colourless, so every channel is brighter
    framed = F.pad(grey, (REACH + SIDE, REACH + SIDE, TALL // 2, TALL // 2), mode="replicate")
    along = F.conv2d(framed, lines(torch.linspace(-SLANT, SLANT, 7)).to(image))
    width = image.shape[-1]
    left, middle, right = (along[..., i : i + width] for i in (0, SIDE, 2 * SIDE))
    ridge = (middle - torch.maximum(left, right)).amax(1, keepdim=True)
    return F.max_pool2d((ridge > threshold).float(), (7, 3), 1, (3, 1))


def lines(slants: Tensor) -> Tensor:
    """(S, 1, TALL, 2 REACH + 1): means along lines that lean by so many columns a row."""
    import torch

    rows = torch.arange(TALL) - TALL // 2
    columns = torch.arange(-REACH, REACH + 1)
    weights = (1 - (columns - slants[:, None, None] * rows[:, None]).abs()).clamp(min=0)
    return weights[:, None] / TALL


def filled_from_beside(image: Tensor, streak: Tensor) -> Tensor:
    """The image with the streaks filled from the nearest other pixels around them."""
    filled, known = image * (1 - streak), 1 - streak
    for reach in (1, 2, 4, 8, 16):  # as far as there is nothing known nearer
        values, weights = blurred(filled, reach), blurred(known, reach)
        new = (known == 0) & (weights > 0)
        filled = (values / weights.clamp(min=1e-6)).where(new, filled)
        known = known.where(~new, 1.0)
    return image.where(known == 0, filled)


def blurred(image: Tensor, reach: int) -> Tensor:
    """The mean over 2 reach + 1 pixels across, with nothing beyond the edge."""
    import torch.nn.functional as F

    return F.avg_pool2d(image, (1, 2 * reach + 1), 1, (0, reach))


def rained_on(clean: Tensor, count: int, seed: int) -> Tensor:
    """Images with `count` streaks to 100,000 pixels, each image its own; the same for a seed."""
    import torch

    draw = torch.Generator(clean.device).manual_seed(seed)
    height, width = clean.shape[-2:]
    layer = torch.zeros_like(clean[:, :1])
    rows = torch.arange(height, device=clean.device)
    columns = torch.arange(width, device=clean.device)
    number = -(-count * height * width // 100_000)
    for _ in range(number):
        place = torch.rand(5, len(clean), generator=draw, device=clean.device)[..., None]
        top, length = place[0] * height * 1.2 - 0.1 * height, 15 + 30 * place[1]
        slant, light = 0.2 * (place[2] - 0.5), 0.3 + 0.4 * place[3]
        along = ((rows - top) / length).clamp(0, 1)
        strength = light * (4 * along * (1 - along)) ** 0.5  # (N, H), fading at both ends
        left = place[4] * width + slant * (rows - top)
        across = (1 - (columns - left[..., None]).abs() / 1.2).clamp(min=0)
        layer = torch.maximum(layer, (strength[..., None] * across)[:, None])
    return clean + layer * (1 - clean)
