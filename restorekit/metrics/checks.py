"""The one kind of picture that scores accept, its checks, and its luma."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from restorekit.errors import UsageError

Picture: TypeAlias = NDArray[Any]
"""(H, W, 3) or (H, W); uint8, or floats in [0, 1]."""

Channels: TypeAlias = Literal["rgb", "y"]

# ITU-R BT.601 in studio range, the first row of MATLAB's rgb2ycbcr: Y in 8-bit levels for
# R, G, B in [0, 1].
_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966])
_LUMA_OFFSET = 16.0


def check_layout(image: Picture, name: str = "the image") -> None:
    """Raise `UsageError` unless `image` is (H, W, 3) or (H, W), uint8 or float, not empty."""
    if not isinstance(image, np.ndarray):
        raise UsageError(
            f"{name} is a {type(image).__name__}; give a numpy array of shape (H, W, 3) or (H, W)"
        )
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise UsageError(f"{name} has dtype {image.dtype}; give uint8, or floats in [0, 1]")
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or image.size == 0:
        raise UsageError(f"{name} has shape {image.shape}; give (H, W, 3) or (H, W)")


def check_picture(image: Picture, name: str = "the image") -> None:
    """Raise `UsageError` unless `image` is a `Picture`: layout, dtype and range."""
    check_layout(image, name)
    if image.dtype == np.uint8:
        return
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):  # also catches NaN, which compares false
        raise UsageError(
            f"{name} holds floats from {low:g} to {high:g}; give floats in [0, 1], or uint8"
        )


def check_pair(a: Picture, b: Picture) -> None:
    """Raise `UsageError` unless `a` and `b` are pictures of one shape."""
    check_picture(a, "the first image")
    check_picture(b, "the second image")
    if a.shape != b.shape:
        raise UsageError(
            f"the first image has shape {a.shape} but the second has {b.shape}; "
            "only pictures of the same shape can be compared"
        )


def check_channels(channels: str) -> None:
    """Raise `UsageError` unless `channels` is "rgb" or "y"."""
    if channels not in ("rgb", "y"):
        raise UsageError(f'channels is {channels!r}; give "rgb" or "y"')


def as_unit(image: Picture) -> NDArray[np.float64]:
    """The picture as float64 in [0, 1], same shape; `image` has been checked."""
    if image.dtype == np.uint8:
        return image / 255.0
    return image.astype(np.float64)


def as_rgb(image: Picture) -> Picture:
    """The picture as (H, W, 3), grey repeated; no copy of what is RGB already."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def shave(image: Picture, border: int) -> Picture:
    """`image` without `border` pixels on each side, a view.

    Raises `UsageError` if `border` is negative or leaves nothing.
    """
    height, width = image.shape[:2]
    if border < 0 or 2 * border >= min(height, width):
        raise UsageError(
            f"border is {border} pixels for a picture of {width}x{height}; "
            f"give 0 to {(min(height, width) - 1) // 2}"
        )
    return image[border : height - border, border : width - border]


def luma(image: Picture) -> NDArray[np.float64]:
    """Y of BT.601 in studio range as MATLAB's rgb2ycbcr computes it, not rounded.

    Returns (H, W) float64 as a fraction of 255: black is 16/255, white 235/255. A grey
    (H, W) picture is taken as R = G = B, so it scores the same whether a file stores it as
    grey or as RGB. (Older tables take grey values as Y unchanged; for that habit compare
    the grey arrays with `channels="rgb"`.)

    Raises `UsageError` if `image` is not a picture.
    """
    check_picture(image)
    unit = as_unit(image)
    weighted = unit @ _LUMA_WEIGHTS if unit.ndim == 3 else unit * _LUMA_WEIGHTS.sum()
    return (weighted + _LUMA_OFFSET) / 255.0
