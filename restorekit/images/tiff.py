"""TIFF for 8 and 16 bits a sample: deflated strips with horizontal differences.

Pillow writes no 16-bit colour; its directory class writes tags well, so only pixels are ours.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from restorekit.images.blocks import in_order, rows_each
from restorekit.images.picture import Metadata, Planes

LEVEL = 2
# Above this the offsets of classic TIFF (32 bits) no longer reach.
_CLASSIC_BYTES = 2**32 - 2**24
_EXIF, _GPS, _INTEROP = 34665, 34853, 40965
# Name, description, make, model, software, date, artist, host, rating, copyright, Windows' own.
_DESCRIPTIVE = (269, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
_STRIP_OFFSETS, _STRIP_BYTES, _LONG, _LONG8 = 273, 279, 4, 16


def write(file: BinaryIO, samples: Planes, metadata: Metadata) -> None:
    """Write (H, W, C) uint8 or uint16 samples, C = 1, 3 or 4, or 2 at 8 bits."""
    rows = rows_each(samples[0].nbytes)
    starts = range(0, len(samples), rows)
    strips = list(in_order(lambda start: _strip(samples[start : start + rows]), starts))
    sizes = [len(strip) for strip in strips]
    big = sum(sizes) > _CLASSIC_BYTES
    directory = _directory(big)
    _describe(directory, samples, rows)
    for tag, value in _ancillary(metadata).items():
        directory[tag] = value
    directory.tagtype[_STRIP_OFFSETS] = _LONG8 if big else _LONG
    # Relative to the pixels: the directory adds its own length when it is saved.
    directory[_STRIP_OFFSETS] = tuple(int(n) for n in np.cumsum([0, *sizes[:-1]]))
    directory.tagtype[_STRIP_BYTES] = _LONG
    directory[_STRIP_BYTES] = tuple(sizes)
    directory.save(file)
    for strip in strips:
        file.write(strip)


def _directory(big: bool) -> ImageFileDirectory_v2:
    """An empty little-endian directory, of BigTIFF or of classic TIFF."""
    big_header = b"II+\0" + struct.pack("<HHQ", 8, 0, 16)
    return ImageFileDirectory_v2(big_header if big else b"II*\0\x08\0\0\0")


def _strip(rows: Planes) -> bytes:
    """Rows as little-endian differences from the pixel to the left, deflated."""
    differences = rows.astype(rows.dtype.newbyteorder("<"))
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.tobytes(), LEVEL)


def _describe(directory: ImageFileDirectory_v2, samples: Planes, rows: int) -> None:
    """The tags that say how the pixels are laid out (TIFF 6.0, sections 3 to 8 and 14)."""
    height, width, channels = samples.shape
    colours = 3 if channels > 2 else 1
    directory[256], directory[257] = width, height
    directory[258] = (8 * samples.dtype.itemsize,) * channels
    directory[259] = 8  # Adobe deflate
    directory[262] = 2 if colours == 3 else 1
    directory[277] = channels
    directory[278] = rows
    directory[317] = 2
    if channels > colours:
        directory[338] = 2  # alpha, not premultiplied


def _ancillary(metadata: Metadata) -> dict[int, Any]:
    """Tags and values for what a picture carries beside its pixels."""
    tags = exif_tags(metadata.exif) if metadata.exif else {}
    if metadata.dpi:
        tags |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    if metadata.icc:
        tags[34675] = metadata.icc
    if metadata.xmp:
        tags[700] = metadata.xmp
    return tags


def exif_tags(blob: bytes) -> dict[int, Any]:
    """The tags of an EXIF blob that TIFF can hold; {} when they cannot be written."""
    try:
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + blob)
        tags = _selected(exif)
        trial = _directory(big=False)
        for tag, value in tags.items():
            trial[tag] = value
        trial.tobytes()
    except Exception:  # a stranger's EXIF may break Pillow's writer in any way
        return {}
    return tags


def exif_blob(exif: Image.Exif) -> bytes | None:
    """The EXIF structure of a TIFF's own tags; None when it has none worth keeping."""
    kept = Image.Exif()
    for tag, value in _selected(exif).items():
        kept[tag] = value
    return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None


def _selected(exif: Image.Exif) -> dict[int, Any]:
    """Descriptive tags, and the EXIF and GPS directories as mappings."""
    tags: dict[int, Any] = {tag: exif[tag] for tag in _DESCRIPTIVE if tag in exif}
    for tag in (_EXIF, _GPS):
        inner: Mapping[int, Any] = exif.get_ifd(tag)
        # The interoperability directory is a bare offset that means nothing elsewhere.
        if kept := {key: value for key, value in inner.items() if key != _INTEROP}:
            tags[tag] = kept
    return tags
