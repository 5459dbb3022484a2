"""What goes with a render, made fit for use: pixels that are no numbers, albedo, normals."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PREFILTERS = {"fast": 1, "accurate": 3}
"""Reach in pixels of a prefilter."""


def repaired(image: Tensor) -> tuple[Tensor, int]:
    """(the image with numbers everywhere, how many pixels had none).

    A pixel with NaN or infinity takes the mean of its finite neighbours, as far away as there are
    any; 0 in a picture without a single finite pixel. Finite light is left as it is.
    """
    bad = ~image.isfinite().all(1, keepdim=True)
    count = int(bad.sum())
    if not count:
        return image, 0
    known = (~bad).to(image.dtype)
    values, weight = torch.where(bad, 0.0, image), known
    filled = values
    while bool((weight == 0).any()) and bool((weight > 0).any()):
        values, weight = (
            F.avg_pool2d(part, 3, 1, 1, divisor_override=1) for part in (values, weight)
        )
        mean = values / weight.clamp_min(1e-12)
        found = bad & (weight > 0)
        filled = torch.where(found, mean, filled)
        bad = bad & ~found
        values, weight = filled, (~bad).to(image.dtype)
    return filled, count


def checked_normal(normal: Tensor) -> tuple[Tensor, str]:
    """(normals in [−1, 1], a word on what was wrong).

    Normals that were stored as colours, (n + 1)/2, are told by having nothing below 0 while 2n − 1 has
    about unit length.
    """
    if normal.min() >= 0:
        shifted = normal * 2 - 1
        length = shifted.square().sum(1).sqrt()
        if float((length - 1).abs().median()) < 0.1:
            return shifted, "normals in [0, 1] were decoded to [-1, 1]"
    return normal.clamp(-1, 1), ""


def checked_albedo(albedo: Tensor) -> tuple[Tensor, str]:
    """(albedo in [0, 1], a word on what was wrong)."""
    share = float((albedo > 1.001).any(1).float().mean())
    note = f"albedo above 1 in {share:.1%} of the pixels was cut off" if share > 0.001 else ""
    return albedo.clamp(0, 1), note


def prefiltered(guide: Tensor, reach: int) -> Tensor:
    """A guide with its noise smoothed and its edges kept (bilateral, Tomasi 1998).

    Weights fall with the distance of 3×3 means, which tell an edge from a grain; deviation .1.
    """
    smooth = F.avg_pool2d(F.pad(guide, (1, 1, 1, 1), mode="replicate"), 3, 1)
    padded, padded_smooth = (
        F.pad(part, (reach,) * 4, mode="replicate") for part in (guide, smooth)
    )
    height, width = guide.shape[-2:]
    total, weights = torch.zeros_like(guide), torch.zeros_like(guide[:, :1])
    for top in range(2 * reach + 1):
        for left in range(2 * reach + 1):
            window = (..., slice(top, top + height), slice(left, left + width))
            distance = (padded_smooth[window] - smooth).square().sum(1, keepdim=True)
            weight = torch.exp(-distance / (2 * 0.1**2))
            total += weight * padded[window]
            weights += weight
    return total / weights
