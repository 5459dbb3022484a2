"""Space-to-depth: the exact, invertible codec between pixels and a network's coarser grid.

The grid is laid out channels_last, as convolutions like it, and pixels plane by plane; each direction
is one copy.
"""

from __future__ import annotations

from torch import Tensor


def encode(image: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) to (N, C·factor², H/factor, W/factor); H and W are multiples of factor."""
    count, channels, height, width = image.shape
    rows, columns = height // factor, width // factor
    cells = image.reshape(count, channels, rows, factor, columns, factor).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(count, rows, columns, channels * factor**2).permute(0, 3, 1, 2)


def decode(grid: Tensor, factor: int) -> Tensor:
    """The inverse of `encode`: (N, C·factor², h, w) to (N, C, h·factor, w·factor)."""
    count, depth, rows, columns = grid.shape
    channels = depth // factor**2
    cells = grid.permute(0, 2, 3, 1).reshape(count, rows, columns, channels, factor, factor)
    pixels = cells.permute(0, 3, 1, 4, 2, 5)
    return pixels.reshape(count, channels, rows * factor, columns * factor)
