"""What goes with a render, made fit for use: pixels that are no numbers, albedo, normals."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CELL = 8
_DARK = 0.03  # of the mean light; added, so that what is black has a logarithm
_FLAT = 0.05  # changes of the albedo's logarithm below this tell nothing
_FEW = 1000  # changes of three channels: some hundred pixels a side
_LEAST_SLOPE = 0.25
_SURE = 5  # standard errors

PREFILTERS = {"fast": 1, "accurate": 3}
"""Reach in pixels of a prefilter."""


def repaired(image: Tensor) -> tuple[Tensor, int]:
    """(the image with numbers everywhere, how many pixels had none).

    A pixel with NaN or infinity takes the mean of its finite neighbours, as far away as there are
    any; 0 in a picture without a single finite pixel. Finite light is left as it is.
    """
    if bool(image.sum().isfinite()):  # far cheaper than to look at each
        return image, 0
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
    least, greatest = (float(bound) for bound in normal.aminmax())
    if least >= 0:
        shifted = normal * 2 - 1
        length = shifted[..., ::4, ::4].square().sum(1).sqrt()  # a sixteenth of the pixels tells
        if float((length - 1).abs().median()) < 0.1:
            return shifted, "normals in [0, 1] were decoded to [-1, 1]"
    return normal if least >= -1 and greatest <= 1 else normal.clamp(-1, 1), ""


def checked_albedo(albedo: Tensor) -> tuple[Tensor, str]:
    """(albedo in [0, 1], a word on what was wrong)."""
    least, greatest = (float(bound) for bound in albedo.aminmax())
    if least >= 0 and greatest <= 1:
        return albedo, ""
    outside = {"above 1": albedo > 1.001, "below 0": albedo < -0.001}
    shares = {where: float(pixels.any(1).float().mean()) for where, pixels in outside.items()}
    notes = [
        f"albedo {where} in {share:.1%} of the pixels was cut off"
        for where, share in shares.items()
        if share > 0.001
    ]
    return albedo.clamp(0, 1), "; ".join(notes)


def belongs(divisor: Tensor, light: Tensor) -> bool:
    """Whether an albedo, as what light is divided by, is of the picture: light changes where it does.

    Where light is albedo times what falls on it, the logarithms of their 8 × 8 means change alike: a
    slope of 1, and of .3 to .9 in scenes of glass, metal and gloss at 1 to 16 samples a pixel. The
    albedo of another view has one of 0 ± .1. Where gloss and lights outweigh the albedo, its edges are
    still those of the light, pixel by pixel, which those of another view are not: a slope that is small
    but sure. An albedo that hardly changes fits everything, and of a picture smaller than 100 × 100
    nothing is said.
    """
    factor = F.avg_pool2d(divisor, _CELL, ceil_mode=True)
    changes = _changes(factor.log())
    if len(changes) < _FEW or not changes.square().sum() > _FLAT**2 * len(changes):
        return True
    slope, error = _slope(changes, F.avg_pool2d(light.clamp_min(0), _CELL, ceil_mode=True))
    if slope + error > _LEAST_SLOPE:
        return True
    slope, error = _slope(_changes(divisor.log()), light)
    return bool(slope >= _SURE * error)  # 0 and 0 where there is no light to tell by


def _changes(values: Tensor) -> Tensor:
    """From each pixel to the next in its row and in its column."""
    return torch.cat([values.diff(dim=d).flatten() for d in (2, 3)])


def _slope(changes: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
    """(slope, its standard error) of the changes of the light's logarithm over others; errors may have
    any spread (White 1980)."""
    light = light.clamp_min(0)
    answer = _changes((light + _DARK * light.mean()).clamp_min(1e-30).log())
    energy = changes.square().sum()
    slope = changes @ answer / energy
    error = (changes * (answer - slope * changes)).square().sum().sqrt() / energy
    return slope, error


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
