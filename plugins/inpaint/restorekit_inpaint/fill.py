"""The coarse fill that the path starts from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk
from restorekit_inpaint.holes import eroded, windows

AROUND = 64  # pixels: more than the farthest that a hole which is not large has to what is known
REACH = 40  # pixels from the known ones up to which the smooth fill is a good start
RATIO = 4  # a stage's reduction
MEMBRANE, PLATE = 8, 16  # rounds of relaxation on each grid


def is_large(hole: Tensor) -> bool:
    """Whether some pixel is farther from everything known than the smooth fill is good for."""
    return any(
        bool(eroded(hole[window], REACH)[inside].any())
        for window, _, inside in windows(hole, REACH)
    )


def smooth(image: Tensor, hole: Tensor) -> Tensor:
    """Images (N, C, H, W) with the hole filled from around it, as smoothly as a bent plate.

    Each hole goes by what is known within AROUND pixels; 0 where nothing is. Images lie in [−1, 1].
    The plate is bent around the plane through what is known, so that a slope goes on to the
    picture's edge.
    """
    filled = image * (1 - hole)
    for window, area, inside in windows(hole, AROUND):
        plane = _plane(image[window], 1 - hole[window])
        bent = _bent(image[window] - plane, hole[window]) + plane
        whole = bent.clamp(-1, 1).where(hole[window] > 0.5, image[window])
        filled[area] = whole[inside]  # plates go on beyond black and white
    return filled


def _plane(image: Tensor, known: Tensor) -> Tensor:
    """The plane nearest to an image's known pixels, channel by channel; (N, C, h, w) as the image.

    Its slope is multiplied by the square of the share that it explains of the variance of 4 × 4 means:
    all of it in a sky, little where there is much else, whose trend says little of what lies beyond.
    """
    means, share = _pulled(image, known, RATIO)
    weight = share / share.sum((2, 3), keepdim=True).clamp(min=1e-6)
    middle = (means * weight).sum((2, 3), keepdim=True)
    grid = _axes(means)
    origin = (grid * weight).sum((2, 3), keepdim=True)
    axes, centred = grid - origin, (means - middle) * weight
    moments = torch.einsum("nchw,nihw->nci", centred, axes)
    gram = torch.einsum("njhw,nihw->nji", axes * weight, axes)
    # Known pixels in one row or column tell of no slope across it: the least one is taken.
    inverse = torch.linalg.pinv(gram.cpu().double(), rtol=1e-6, hermitian=True)
    slopes = moments @ inverse.to(moments)
    total = (centred * (means - middle)).sum((1, 2, 3)).clamp(min=1e-12)
    explained = (slopes * moments).sum((1, 2)) / total
    pixels = (_axes(image) - (RATIO - 1) / 2) / RATIO - origin
    planes = torch.einsum("nci,nihw->nchw", slopes * explained[:, None, None] ** 2, pixels)
    return planes + middle


def _axes(like: Tensor) -> Tensor:
    """(1, 2, h, w): the row and column of each pixel of an image."""
    lines = (torch.arange(n, dtype=like.dtype, device=like.device) for n in like.shape[-2:])
    return torch.stack(torch.meshgrid(*lines, indexing="ij"))[None]


def _bent(image: Tensor, hole: Tensor) -> Tensor:
    """A window's holes filled, from coarse to fine.

    Known pixels are averaged into ever coarser grids until there is no hole; on the way back each
    grid's holes take the coarser one's values, bilinearly (pull–push; Gortler 1996, 5.3), and a few
    rounds of relaxation towards ∇²u = 0 (a membrane) and ∇⁴u = 0 (a plate, which goes on with slopes).
    """
    known = 1 - hole
    if not hole.any() or max(image.shape[-2:]) == 1:
        return image * known
    coarse, share = _pulled(image, known)
    coarse = _bent(coarse, (share == 0).float())
    size = (coarse.shape[-2] * 2, coarse.shape[-1] * 2)
    pushed = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    filled = torch.where(hole > 0.5, pushed[..., : image.shape[-2], : image.shape[-1]], image)
    return _relaxed(filled, hole)


def _relaxed(image: Tensor, hole: Tensor) -> Tensor:
    """The image, its hole bent smooth; only windows around the holes are worked on, in place."""
    for window, area, inner in windows(hole, 2):
        values, inside = image[window].clone(), hole[window]
        for _ in range(MEMBRANE):
            values += inside * _laplacian(values) / 4
        for _ in range(PLATE):  # stable below 2/64, as ∇⁴ has no eigenvalue above 64
            values -= inside * _laplacian(_laplacian(values)) * 0.03
        image[area] = values[inner]
    return image


def _laplacian(values: Tensor) -> Tensor:
    """∇² on the grid; slopes across the border are 0."""
    wide = F.pad(values, (1, 1, 1, 1), mode="replicate")
    across = wide[..., 1:-1, :-2] + wide[..., 1:-1, 2:]
    return across + wide[..., :-2, 1:-1] + wide[..., 2:, 1:-1] - 4 * values


def _pulled(image: Tensor, known: Tensor, ratio: int = 2) -> tuple[Tensor, Tensor]:
    """(mean of each cell's known pixels, 0 without any; their share), on a grid `ratio` coarser."""
    below = (0, -image.shape[-1] % ratio, 0, -image.shape[-2] % ratio)
    share = F.avg_pool2d(F.pad(known, below), ratio)
    total = F.avg_pool2d(F.pad(image * known, below), ratio)
    return total / share.clamp(min=1e-6), share


def reduced(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """(image, hole) of a quarter of the size: a cell is hole where nothing of it is known."""
    smaller, share = _pulled(image, 1 - hole, RATIO)
    return smaller, (share == 0).float()


def enlarged(stage: Tensor, size: tuple[int, int]) -> Tensor:
    """A stage's result (N, C, h, w) on the grid that `reduced` came from, of size (H, W)."""
    whole = (stage.shape[-2] * RATIO, stage.shape[-1] * RATIO)
    return rk.resample(stage, whole, (0, 0, *size))
