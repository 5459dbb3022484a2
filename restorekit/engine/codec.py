"""Space-to-depth: the exact, invertible codec between pixels and a network's coarser grid.

A grid lies channels_last, as convolutions like it, pixels plane by plane; each direction is one copy.
"""

from __future__ import annotations

import torch
from torch import Tensor


def encode(image: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) to (N, C·factor², H/factor, W/factor); H and W are multiples of factor."""
    count, channels, height, width = image.shape
    rows, columns = height // factor, width // factor
    pixels = image.permute(0, 2, 3, 1)
    # The pixels of one place in every cell, place by place: copied as one permutation, a picture of
    # bfloat16 in cells of 2 x 2 takes up to nine times as long.
    places = [pixels[:, i::factor, j::factor] for i in range(factor) for j in range(factor)]
    cells = torch.stack(places, -1)
    return cells.reshape(count, rows, columns, channels * factor**2).permute(0, 3, 1, 2)


def decode(grid: Tensor, factor: int) -> Tensor:
    """The inverse of `encode`: (N, C·factor², h, w) to (N, C, h·factor, w·factor)."""
    count, depth, rows, columns = grid.shape
    channels = depth // factor**2
    cells = grid.permute(0, 2, 3, 1).reshape(count, rows, columns, channels, factor, factor)
    pixels = cells.permute(0, 3, 1, 4, 2, 5)
    return pixels.reshape(count, channels, rows * factor, columns * factor)
