"""The eight ways a camera may lie, undone; and the same statement inside XMP."""

from __future__ import annotations

import re

import numpy as np

from restorekit.images.picture import Planes

_IN_XMP = re.compile(rb"""(tiff:Orientation(?:=["']|>)\s*)([1-8])""")

_SIZES_IN_XMP = re.compile(
    rb"""((?:tiff:Image|exif:Pixel)(Width|Length|XDimension|YDimension)(?:=["']|>)\s*)\d+"""
)


def orient(planes: Planes, orientation: int) -> Planes:
    """Upright planes: (H, W, ...) as stored becomes (H, W, ...) or (W, H, ...)."""
    if orientation in (5, 6, 7, 8):
        planes = np.swapaxes(planes, 0, 1)
    if orientation in (3, 4, 7, 8):
        planes = planes[::-1]
    if orientation in (2, 3, 6, 7):
        planes = planes[:, ::-1]
    return np.ascontiguousarray(planes)


def turned(orientation: int) -> bool:
    """True when the stored rows are the upright picture's columns."""
    return orientation in (5, 6, 7, 8)


def in_xmp(xmp: bytes | None) -> int:
    """The orientation an XMP packet states; 1 when it states none."""
    found = _IN_XMP.search(xmp or b"")
    return int(found[2]) if found else 1


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """The packet with its orientation, where it states one, set to 1."""
    return None if xmp is None else _IN_XMP.sub(rb"\g<1>1", xmp)


def sized_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """The packet with its pixel dimensions, where it states them, set to these."""
    sizes = {b"Width": width, b"XDimension": width, b"Length": height, b"YDimension": height}
    return _SIZES_IN_XMP.sub(lambda found: found[1] + str(sizes[found[2]]).encode(), xmp)
