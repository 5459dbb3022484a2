"""MATLAB's imresize with the bicubic kernel: how the field makes its low-resolution pictures."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restorekit.errors import UsageError
from restorekit.metrics.checks import Picture, check_layout

Border = Literal["mirror", "clamp"]


def matlab_imresize(
    image: Picture,
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    border: Border = "mirror",
    antialias: bool = True,
    round_passes: bool | None = None,
) -> Picture:
    """`image` resized as MATLAB's imresize(image, scale or size, "bicubic") does it.

    Two passes in float64, one along each axis, the more reducing one first and rows first
    among equals. The kernel is Keys' cubic with a = -0.5 (IEEE TASSP 29, 1981, eq. 15),
    widened by 1/scale where an axis is reduced, its weights normalised to 1.

    Args:
        image: (H, W, 3) or (H, W), uint8 or float of any range.
        scale: factor for both axes; the result has ceil(scale * H) rows.
        size: (rows, columns) of the result, instead of `scale`.
        border: "mirror" repeats the picture reversed (today's MATLAB), "clamp" repeats the
            edge pixel (older MATLAB; made Set14's published low-resolution files).
        antialias: widen the kernel when reducing.
        round_passes: round and clip to 0..255 after each pass, as MATLAB does for uint8.
            By default true for uint8 and false for floats.

    Returns:
        uint8 if the input is uint8, else float64, which may overshoot the input's range.

    Raises:
        UsageError: a wrong layout, not exactly one of `scale` and `size`, or one below 0.
    """
    check_layout(image)
    if border not in ("mirror", "clamp"):
        raise UsageError(f'border is {border!r}; give "mirror" or "clamp"')
    scales, sizes = _targets(image.shape[:2], scale, size)
    integer = image.dtype == np.uint8
    rounds = integer if round_passes is None else round_passes
    values = image.astype(np.float64)
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):
        values = _resize_axis(values, axis, sizes[axis], scales[axis], border, antialias)
        values = _to_levels(values) if rounds else values
    return _to_levels(values).astype(np.uint8) if integer else values


def _cubic(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Keys' cubic convolution kernel with a = -0.5, zero from |x| = 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _targets(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[float, float], tuple[int, int]]:
    """(scales, sizes) of the two axes, from whichever of the two was given."""
    height, width = shape
    if scale is not None and size is None and scale > 0:
        return (scale, scale), (math.ceil(scale * height), math.ceil(scale * width))
    if size is not None and scale is None and len(size) == 2 and min(size) > 0:
        return (size[0] / height, size[1] / width), (int(size[0]), int(size[1]))
    raise UsageError(
        f"scale is {scale} and size is {size}; give either a scale above 0 or a size "
        "(rows, columns) of at least 1 pixel each"
    )


def _resize_axis(
    values: NDArray[np.float64], axis: int, size: int, scale: float, border: Border, antialias: bool
) -> NDArray[np.float64]:
    indices, weights = _contributions(values.shape[axis], size, scale, border, antialias)
    shape = [1] * values.ndim
    shape[axis] = size
    result = np.zeros(())
    for tap in range(indices.shape[1]):
        result = result + values.take(indices[:, tap], axis) * weights[:, tap].reshape(shape)
    return result


def _contributions(
    length: int, size: int, scale: float, border: Border, antialias: bool
) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """For each of `size` places, the source indices and weights, each (size, taps)."""
    shrink = min(scale, 1.0) if antialias else 1.0
    # Places count from 0 at the centre of the first pixel, on both grids.
    centre = (np.arange(size) + 0.5) / scale - 0.5
    taps = math.ceil(4 / shrink) + 2
    places = np.floor(centre - 2 / shrink)[:, None] + np.arange(taps)
    weights = _cubic(shrink * (centre[:, None] - places))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return _inside(places[:, used].astype(np.intp), length, border), weights[:, used]


def _inside(places: NDArray[np.intp], length: int, border: Border) -> NDArray[np.intp]:
    if border == "clamp":
        return places.clip(0, length - 1)
    phase = places % (2 * length)
    return np.where(phase < length, phase, 2 * length - 1 - phase)


def _to_levels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded half up and clipped to 0..255, still float64."""
    return np.floor(values.clip(0, 255) + 0.5)
