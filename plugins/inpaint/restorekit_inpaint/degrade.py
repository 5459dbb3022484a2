"""Pictures with holes from clean ones, for training and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import restorekit as rk
from restorekit_inpaint import fill, masks

STAGED = 0.4  # of the mixed batches are given a stage's result, whatever their holes


def degrade(clean: Tensor, options: Mapping[str, Any], seed: int) -> Mapping[str, Tensor]:
    """{"image": clean with grey holes, "mask": 1 there and −1 elsewhere}, for (N, 3, H, W) in [−1, 1].

    "mixed", the training's own, adds the "stage" that prepare would ask for or, by chance, one that
    it would not: the clean picture reduced, as blurred and noisy as a stage's result may be.
    """
    kind = options["degradation"]
    count, _, height, width = clean.shape
    holes = masks.draw(kind, count, height, width, seed).to(clean.device)
    made = {"image": clean * (1 - holes), "mask": holes * 2 - 1}
    draw = torch.Generator(clean.device).manual_seed(seed)
    chance = float(torch.rand((), generator=draw, device=clean.device))
    if kind == "mixed" and (chance < STAGED or fill.is_large(holes)):
        made["stage"] = _stage(clean, draw)
    return made


def _stage(clean: Tensor, draw: torch.Generator) -> Tensor:
    size = tuple(-(-length // fill.RATIO) for length in clean.shape[-2:])
    smaller = rk.reduce(clean, (size[0], size[1]))
    width, level = torch.rand(2, len(clean), generator=draw, device=clean.device)
    width = 0.2 + 1.2 * width**2
    blurred = rk.blur(smaller, width, width, torch.zeros_like(width))
    noise = torch.randn(blurred.shape, generator=draw, device=clean.device)
    return blurred + 0.08 * level[:, None, None, None] ** 2 * noise
