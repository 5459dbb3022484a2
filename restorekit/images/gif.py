"""GIF: a walk over its blocks, and the way from many colours to 256."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import Image

from restorekit.images.picture import Planes
from restorekit.images.survey import LONGEST_BLOCK, Survey

_XMP, _C2PA = b"XMP DataXMP", b"C2PA_GIF"


def survey(file: BinaryIO, length: int) -> Survey:
    """Walk the blocks of a GIF (GIF89a, sections 17 to 27) without decoding any pixel.

    A file that ends between two blocks is only `cut`: many programs leave the end mark out.
    """
    file.seek(0)
    head = file.read(13)
    manifest, xmp, width, height = False, None, 0, 0
    if len(head) == 13:
        width, height = (int.from_bytes(head[n : n + 2], "little") for n in (6, 8))
        file.seek(_table(head[10]), 1)
    mark = file.read(1)
    while mark and mark != b";":
        if mark not in (b"!", b","):  # Pillow goes on to what begins a block, so it must be seen
            mark = file.read(1)
            continue
        if mark == b",":
            place = file.read(9)
            if len(place) < 9:
                break
            left, top, wide, high = (
                int.from_bytes(place[n : n + 2], "little") for n in (0, 2, 4, 6)
            )
            width, height = max(width, left + wide), max(height, top + high)
            file.seek(_table(place[8]) + 1, 1)
            whole = _skip(file, length)
        else:
            label, size = file.read(1), file.read(1)
            name = file.read(size[0]) if size else b""
            manifest |= name.startswith(_C2PA)
            if label == b"\xff" and name == _XMP:
                xmp = xmp or _packet(file)
            whole = _skip(file, length) if name else bool(size)
        if not whole:
            return Survey((width, height), -1, manifest=manifest, xmp=xmp)
        mark = file.read(1)
    cut = mark != b";"
    return Survey((width, height), manifest=manifest, xmp=xmp, cut=cut)


def _table(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 128 else 0


def _skip(file: BinaryIO, length: int) -> bool:
    """Go past the sub-blocks; False where the file ends within them."""
    while size := file.read(1):
        if size == b"\0":
            return True
        if file.seek(size[0], 1) > length:
            return False
    return False


def _packet(file: BinaryIO) -> bytes | None:
    """XMP stands there as it is, not in sub-blocks; 257 bytes behind it lead a reader that does
    not know that to the end (XMP specification, part 3, section 1.1.2)."""
    start = file.tell()
    data = file.read(LONGEST_BLOCK)
    end = data.find(b"\1\xff\xfe")
    file.seek(start)
    return data[:end] if end > 0 else None


def palette_image(samples: Planes) -> Image.Image:
    """A palette image of (H, W, C) uint8 samples, grey or RGB, with alpha or not.

    Exact where there are few enough colours; otherwise the 256 that fit best, and errors handed on
    to the neighbours (Floyd and Steinberg 1976), so that local means stay. Alpha is on or off.
    """
    color, clear = samples, np.zeros(samples.shape[:2], bool)
    if samples.shape[2] in (2, 4):
        color, clear = samples[..., :-1], samples[..., -1] < 128
    if color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
    color = np.where(clear[..., None], np.uint8(0), color)
    has_clear = bool(clear.any())
    most = 255 if has_clear else 256
    indices, palette = _exact(color, most) or _nearest(color, most)
    image = Image.fromarray(np.where(clear, np.uint8(len(palette) % 256), indices))
    image.putpalette(palette.tobytes())
    if has_clear:
        image.info["transparency"] = len(palette)
    return image


def _exact(color: Planes, most: int) -> tuple[Planes, Planes] | None:
    """Indices (H, W) and palette (N, 3) of a picture of at most so many colours, else None."""
    packed = color.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    values, indices = np.unique(packed, return_inverse=True)
    if len(values) > most:
        return None
    palette = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    return indices.reshape(packed.shape).astype(np.uint8), palette.astype(np.uint8)


def _nearest(color: Planes, most: int) -> tuple[Planes, Planes]:
    image = Image.fromarray(color)
    best = image.quantize(most, Image.Quantize.MEDIANCUT)
    dithered = image.quantize(palette=best, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.array(best.getpalette(), np.uint8).reshape(-1, 3)[:most]
    return np.asarray(dithered), palette
