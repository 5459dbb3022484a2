"""The coarse fill that the path starts from."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk
from restorekit_inpaint.holes import eroded

REACH = 40  # pixels from the known ones up to which the smooth fill is a good start
RATIO = 4  # a stage's reduction


def is_large(hole: Tensor) -> bool:
    """Whether some pixel is farther from everything known than the smooth fill is good for."""
    return bool(eroded(hole, REACH).any())


def smooth(image: Tensor, hole: Tensor) -> Tensor:
    """Images (N, C, H, W) with the hole filled from around it (pull–push; Gortler 1996, 5.3).

    Known pixels are averaged into ever coarser grids until there is no hole; on the way back each
    grid's holes take the coarser one's values, bilinearly. 0 where nothing is known.
    """
    known = 1 - hole
    if not hole.any() or max(image.shape[-2:]) == 1:
        return image * known
    coarse, share = _pulled(image, known)
    coarse = smooth(coarse, (share == 0).float())
    size = (coarse.shape[-2] * 2, coarse.shape[-1] * 2)
    pushed = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return torch.where(hole > 0.5, pushed[..., : image.shape[-2], : image.shape[-1]], image)


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
