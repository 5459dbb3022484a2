"""Kernels of blur: (k, l) float32, none negative, their sum 1.

The middle, [k // 2, l // 2], is where the point was that became what the kernel shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk

_FINE = 9  # samples a pixel's side is cut into, so that edges are as soft as a lens makes them


def of_shape(shape: str, extent: float, angle: float) -> Tensor:
    """ "gaussian" of a deviation, "disc" of a radius, "motion" of a length and an angle in degrees."""
    return _SHAPES[shape](extent, angle)


def of_picture(image: Tensor) -> Tensor:
    """The kernel that a picture (1, C, k, l) in [−1, 1] shows; UsageError for a black one."""
    kernel = (image[0].mean(0) + 1) / 2
    if float(kernel.sum()) <= 0:
        raise rk.UsageError(
            "the picture of the kernel is black; it must show what one point became"
        )
    return kernel / kernel.sum()


def convolved(images: Tensor, kernel: Tensor) -> Tensor:
    """Images (N, C, H, W) blurred; beyond their edges these are repeated."""
    k, l = kernel.shape  # noqa: E741 (the letters of the module's first line)
    before, after = (k // 2, l // 2), ((k - 1) // 2, (l - 1) // 2)
    framed = F.pad(images, (after[1], before[1], after[0], before[0]), mode="replicate")
    flipped = kernel.flip(0, 1).to(images)[None, None]  # conv2d is a correlation
    planes = framed.flatten(0, 1)[:, None]
    return F.conv2d(planes, flipped).reshape(images.shape)


def _gaussian(deviation: float, angle: float) -> Tensor:  # noqa: ARG001
    reach = math.ceil(4 * deviation)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    return _normal(line[:, None] * line)


def _disc(radius: float, angle: float) -> Tensor:  # noqa: ARG001
    rows, columns = _fine_grid(math.ceil(radius))
    return _coarse((rows**2 + columns**2 <= radius**2).float())


def _motion(length: float, angle: float) -> Tensor:
    """A line a pixel wide, so that its shortest is one pixel."""
    turn = math.radians(angle)
    rows, columns = _fine_grid(math.ceil(length / 2 + 1))
    along = columns * math.cos(turn) - rows * math.sin(turn)
    across = columns * math.sin(turn) + rows * math.cos(turn)
    inside = (along.abs() <= max(length, 1) / 2) & (across.abs() <= 0.5)
    return _coarse(inside.float())


def _fine_grid(reach: int) -> tuple[Tensor, Tensor]:
    """(rows, columns) of samples, `_FINE` to a pixel, in pixels from the middle."""
    count = (2 * reach + 1) * _FINE
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / _FINE - (reach + 0.5)
    return places[:, None], places[None, :]


def _coarse(samples: Tensor) -> Tensor:
    return _normal(F.avg_pool2d(samples[None, None], _FINE)[0, 0])


def _normal(kernel: Tensor) -> Tensor:
    return (kernel / kernel.sum()).float()


_SHAPES: Mapping[str, Callable[[float, float], Tensor]] = {
    "gaussian": _gaussian,
    "disc": _disc,
    "motion": _motion,
}
