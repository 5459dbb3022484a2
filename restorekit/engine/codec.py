"""Space-to-depth: the exact, invertible codec between pixels and a network's coarser grid."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def encode(image: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) to (N, C·factor², H/factor, W/factor); H and W are multiples of factor."""
    return F.pixel_unshuffle(image, factor) if factor > 1 else image


def decode(latent: Tensor, factor: int) -> Tensor:
    """The inverse of `encode`: (N, C·factor², h, w) to (N, C, h·factor, w·factor)."""
    return F.pixel_shuffle(latent, factor) if factor > 1 else latent
