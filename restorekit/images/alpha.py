"""Transparency: what lies hidden beneath it must not reach the colours that show.

`Picture.color` is what the file says, also where nothing shows. Whoever filters or resizes a picture
with alpha premultiplies first and divides again after, or lets the colours that show go on beneath.
"""

from __future__ import annotations

import numpy as np

from restorekit.images.picture import Picture, Planes, unit

# Half a step of 16 bits: below it a pixel is written with alpha 0.
_INVISIBLE = 0.5 / 65535


def premultiply(color: Planes, alpha: Planes) -> Planes:
    """Colour times alpha: (H, W, C), from (H, W, C) and (H, W), all in [0, 1]."""
    return unit(color) * unit(alpha)[..., None]


def unpremultiply(color: Planes, alpha: Planes) -> Planes:
    """The inverse of `premultiply`, clipped to [0, 1]; 0 where alpha is too small to show."""
    visible = alpha > _INVISIBLE
    divisor = np.where(visible, alpha, 1)[..., None]
    return np.clip(color / divisor, 0, 1) * visible[..., None]


def visible(picture: Picture) -> Planes:
    """A picture's colour planes, black where nothing shows: what lies hidden there means nothing."""
    if picture.alpha is None:
        return picture.color
    return picture.color * (picture.alpha > 0)[..., None]


def over(color: Planes, alpha: Planes, background: float) -> Planes:
    """Colour laid over an even background in [0, 1]: (H, W, C)."""
    return background + (unit(color) - background) * unit(alpha)[..., None]
