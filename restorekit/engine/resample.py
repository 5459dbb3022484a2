"""Separable resampling, window by window: any window equals the crop of the whole, bit for bit.

Every output sample is a sum over a few input samples with weights computed in float64 from its own
position, taken in a fixed order; nothing depends on the window asked for.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import UsageError


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = −1/2 (Keys 1981), the one of MATLAB and Pillow."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def lanczos(x: Tensor) -> Tensor:
    """Lanczos' windowed sinc with three lobes."""
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))


KERNELS = {"bicubic": (cubic, 2.0), "lanczos": (lanczos, 3.0)}


@lru_cache(maxsize=32)
def taps(
    size_in: int, size_out: int, start: int, length: int, kernel: str = "bicubic"
) -> tuple[Tensor, Tensor]:
    """(indices, weights), each (length, taps), of output samples start … start + length − 1.

    Samples sit at half-integers and the two extents coincide; the kernel widens when reducing
    (antialiased, as MATLAB's imresize does); indices are clamped to the input (its edge repeats).
    UsageError for a kernel that is none of `KERNELS`.
    """
    if kernel not in KERNELS:
        raise UsageError(f"kernel {kernel!r} is none of {', '.join(KERNELS)}")
    function, support = KERNELS[kernel]
    ratio = size_in / size_out
    widened = max(ratio, 1.0)
    centre = (torch.arange(start, start + length, dtype=torch.float64) + 0.5) * ratio - 0.5
    count = 2 * math.ceil(support * widened)
    first = (centre - support * widened).floor().to(torch.int64) + 1
    index = first[:, None] + torch.arange(count)
    weight = function((index - centre[:, None]) / widened)
    weight = weight / weight.sum(1, keepdim=True)
    return index.clamp(0, size_in - 1), weight.to(torch.float32)


def resample(
    image: Tensor,
    size: tuple[int, int],
    window: tuple[int, int, int, int] | None = None,
    kernel: str = "bicubic",
) -> Tensor:
    """An image (N, C, H, W) resampled to size (height, width), or one window of it, by `KERNELS`.

    window: (top, left, height, width) in output samples, inside `size`.
    """
    top, left, height, width = window or (0, 0, *size)
    rows, row_weights = taps(image.shape[-2], size[0], top, height, kernel)
    columns, column_weights = taps(image.shape[-1], size[1], left, width, kernel)
    above, before = int(rows.min()), int(columns.min())
    part = image[..., above : int(rows.max()) + 1, before : int(columns.max()) + 1]
    # Rows are gathered many times faster than columns, so the first pass works on the transpose.
    wide = _weigh_rows(part.transpose(-1, -2).contiguous(), columns - before, column_weights)
    return _weigh_rows(wide.transpose(-1, -2).contiguous(), rows - above, row_weights)


def _weigh_rows(image: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Rows Σ_k weight[i, k] · image[index[i, k]], (N, C, len(index), W), summed in the order of k."""
    index, weight = index.to(image.device), weight.to(image.device)
    count, channels, height, width = image.shape
    total = image.new_empty(count, channels, len(index), width)
    # Whole vectors only: what is left over at the end of a row is rounded by other instructions.
    planes = F.pad(image, (0, -width % _VECTOR)).reshape(-1, height, width + -width % _VECTOR)
    for plane, target in zip(planes, total.reshape(-1, len(index), width), strict=True):
        rows = F.embedding_bag(index, plane, mode="sum", per_sample_weights=weight)
        target.copy_(rows[:, :width])
    return total


_VECTOR = 64
"""Columns: a multiple of what any processor computes at once."""


def resampling_matrix(size_in: int, size_out: int, kernel: str = "bicubic") -> Tensor:
    """The (size_out, size_in) matrix of `taps`, for batches of small images."""
    index, weight = taps(size_in, size_out, 0, size_out, kernel)
    matrix = torch.zeros(size_out, size_in)
    return matrix.scatter_add_(1, index, weight)
