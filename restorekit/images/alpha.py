"""Transparency: what lies hidden beneath it must not reach the colours that show.

`Picture.color` is what the file says, also where nothing shows. Whoever restores a picture with
alpha lets the colours that show go on beneath the rest first, and whoever filters or resizes one may
as well multiply them by alpha and divide again after.
"""

from __future__ import annotations

import numpy as np

from restorekit.images.picture import Picture, Planes, unit

# Half a step of 16 bits: below it a pixel is written with alpha 0.
_INVISIBLE = 0.5 / 65535
# From this alpha on a colour is wholly believed: of 8 bits, divided by less, it is rough.
_TRUSTED = 8 / 255


def premultiply(color: Planes, alpha: Planes) -> Planes:
    """Colour times alpha: (H, W, C), from (H, W, C) and (H, W), all in [0, 1]."""
    return unit(color) * unit(alpha)[..., None]


def unpremultiply(color: Planes, alpha: Planes) -> Planes:
    """The inverse of `premultiply`, clipped to [0, 1]; 0 where alpha is too small to show."""
    visible = alpha > _INVISIBLE
    divisor = np.where(visible, alpha, 1)[..., None]
    return np.clip(color / divisor, 0, 1) * visible[..., None]


def continued(color: Planes, alpha: Planes) -> Planes:
    """Colours that go on where little or nothing shows: (H, W, C), from (H, W, C) and (H, W).

    Pull–push (Gortler 1996): means of what shows, from ever coarser grids. An even colour stays even,
    so what is done to the result cannot bring a fringe to an edge. Floats in [0, 1].
    """
    return _pulled_and_pushed(unit(color), np.minimum(unit(alpha) / np.float32(_TRUSTED), 1))


def _pulled_and_pushed(color: Planes, weight: Planes) -> Planes:
    import cv2  # which most pictures, without transparency, need not wait for

    height, width = weight.shape
    if weight.min() == 1 or height * width == 1:
        return color
    kept = color * weight[..., None]
    half = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    sums = cv2.resize(kept, half, interpolation=cv2.INTER_AREA).reshape(*share.shape, -1)
    means = sums / np.maximum(share, _INVISIBLE**2)[..., None]
    coarse = _pulled_and_pushed(means, np.minimum(4 * share, 1))
    around = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    kept += around.reshape(color.shape) * (1 - weight)[..., None]
    return kept


def visible(picture: Picture) -> Planes:
    """A picture's colour planes, black where nothing shows: what lies hidden there means nothing."""
    if picture.alpha is None:
        return picture.color
    return picture.color * (picture.alpha > 0)[..., None]


def over(color: Planes, alpha: Planes, background: float) -> Planes:
    """Colour laid over an even background in [0, 1]: (H, W, C)."""
    return background + (unit(color) - background) * unit(alpha)[..., None]
