"""TIFF samples that Pillow has no mode for: 16 bits a colour, floats, planes one after another.

Strips and tiles are decompressed one at a time, the rarer codings by libtiff: Pillow hands it each
block as a small picture of bytes, which fits any kind of samples.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from restorekit.images.picture import Planes, TiffCoding
from restorekit.images.quiet import quiet

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 317, 322, 323, 324, 325
_FILL_ORDER, _EXTRA, _SAMPLE_FORMAT = 266, 338, 339
_DEFLATE = (8, 32946)
_NAMES = {1: "none", 5: "lzw", 32773: "packbits"}
_PREDICTED = (5, *_DEFLATE, 34925, 50000)  # as libtiff has it, others ignore the tag
_READABLE = (1, 32773, *_PREDICTED)


class Tiff(TiffImageFile):
    """Pillow's reader, which also opens what has samples that only `read_samples` knows."""

    def _setup(self) -> None:
        try:
            super()._setup()
        except SyntaxError:
            if layout_of(self.tag_v2) is None:
                raise
            self._mode, self.tile = "F", []
            if icc := self.tag_v2.get(34675):
                self.info["icc_profile"] = icc
            if self.tag_v2.get(296, 2) in (2, 3):
                inch = 2.54 if self.tag_v2.get(296) == 3 else 1
                self.info["dpi"] = tuple(float(self.tag_v2.get(n, 0)) * inch for n in (282, 283))


@dataclass(frozen=True)
class Layout:
    """How the samples of one page lie; `block` is the (height, width) of its strips or tiles, and
    `alpha` "straight", "premultiplied" or ""."""

    height: int
    width: int
    channels: int
    colours: int
    dtype: np.dtype
    alpha: str
    separate: bool
    negative: bool
    compression: int
    predictor: int
    tiled: bool
    block: tuple[int, int]
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def depth(self) -> int:
        """16, or 32 for floats of any size."""
        return 32 if self.dtype.kind == "f" else 16

    @property
    def mode(self) -> str:
        """As in `Picture`."""
        base = ("RGB" if self.colours == 3 else "L") + ("A" if self.alpha else "")
        plain = {("L", 16): "I;16", ("L", 32): "F"}
        return plain.get((base, self.depth), f"{base};{self.depth}")


def layout_of(tags: Any) -> Layout | None:
    """The layout of a page with 16-bit or floating samples, grey or RGB, with or without alpha.

    None for everything else, which is Pillow's to read or to refuse.
    """
    kind, photometric = _only(tags.get(_SAMPLE_FORMAT, 1)), tags.get(_PHOTOMETRIC, 0)
    bits = _only(tags.get(_BITS, 1))
    channels, colours = tags.get(_SAMPLES, 1), 3 if photometric == 2 else 1
    if (kind, bits) not in ((1, 16), (3, 16), (3, 32), (3, 64)) or photometric not in (0, 1, 2):
        return None
    if channels not in (colours, colours + 1) or tags.get(_FILL_ORDER, 1) != 1:
        return None
    if tags.get(_COMPRESSION, 1) not in _READABLE:
        return None
    # Programs that leave the word out mean transparency, as Pillow takes it at 8 bits.
    extra = _only(tags.get(_EXTRA, 2)) if channels > colours else 0
    tiled = _TILE_OFFSETS in tags
    height, width = int(tags[_HEIGHT]), int(tags[_WIDTH])
    rows = min(int(tags.get(_STRIP_ROWS, height)), height)
    block = (int(tags[_TILE_HEIGHT]), int(tags[_TILE_WIDTH])) if tiled else (rows, width)
    return Layout(
        height,
        width,
        channels,
        colours,
        np.dtype(f"{'<' if tags.prefix == b'II' else '>'}{'f' if kind == 3 else 'u'}{bits // 8}"),
        {1: "premultiplied", 2: "straight"}.get(extra, ""),
        tags.get(_PLANAR, 1) == 2 and channels > 1,
        photometric == 0,
        tags.get(_COMPRESSION, 1),
        tags.get(_PREDICTOR, 1) if tags.get(_COMPRESSION, 1) in _PREDICTED else 1,
        tiled,
        (max(block[0], 1), max(block[1], 1)),
        _numbers(tags.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS, ())),
        _numbers(tags.get(_TILE_BYTES if tiled else _STRIP_BYTES, ())),
    )


def coding_of(tags: Any) -> TiffCoding:
    """How a page is coded, as far as it can be written again."""
    compression = _NAMES.get(tags.get(_COMPRESSION, 1), "deflate")
    tile = None
    if _TILE_OFFSETS in tags:
        tile = (int(tags.get(_TILE_HEIGHT, 0)), int(tags.get(_TILE_WIDTH, 0)))
    # A tile's sides are multiples of 16 (TIFF 6.0, section 15); others are not worth keeping.
    fits = tile and all(0 < side <= 4096 and side % 16 == 0 for side in tile)
    return TiffCoding(compression, tile if fits else None, bool(tags._bigtiff))


def _only(value: Any) -> Any:
    """The one value of a tag that may hold one for each channel; None where they differ."""
    values = value if isinstance(value, tuple) else (value,)
    return values[0] if len(set(values)) == 1 else None


def _numbers(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def read_samples(file: BinaryIO, layout: Layout) -> Planes:
    """(H, W, C) uint16 or float32 samples as the rows lie, black at 0.

    Raises EOFError where the file is too short, ValueError or zlib.error where it is damaged.
    """
    native = np.dtype(np.float32 if layout.dtype.kind == "f" else np.uint16)
    out = np.empty((layout.height, layout.width, layout.channels), native)
    length = file.seek(0, 2)
    for number, (plane, top, left) in enumerate(_places(layout)):
        if number >= len(layout.offsets) or number >= len(layout.lengths):
            raise EOFError("truncated: strips are missing")
        start, size = layout.offsets[number], layout.lengths[number]
        if start + size > length:
            raise EOFError("truncated strip")
        file.seek(start)
        block = _block(layout, file.read(size), top)
        rows, columns = (
            slice(top, min(top + layout.block[0], layout.height)),
            slice(left, min(left + layout.block[1], layout.width)),
        )
        shown = block[: rows.stop - top, : columns.stop - left]
        with np.errstate(over="ignore"):
            out[rows, columns, plane] = shown
    if layout.negative:
        colours = out[..., : layout.colours]
        np.subtract(native.type(1 if native.kind == "f" else 65535), colours, out=colours)
    return out


def _places(layout: Layout) -> Iterator[tuple[slice, int, int]]:
    """The channels, first row and first column of each block, in the file's order."""
    planes = [slice(None)]
    if layout.separate:
        planes = [slice(number, number + 1) for number in range(layout.channels)]
    for plane in planes:
        for top in range(0, layout.height, layout.block[0]):
            for left in range(0, layout.width, layout.block[1]):
                yield plane, top, left


def _block(layout: Layout, packed: bytes, top: int) -> Planes:
    """(h, w, c) samples of one block: a tile is whole even where the picture ends, a strip not."""
    rows, columns = layout.block
    if not layout.tiled:
        rows = min(rows, layout.height - top)
    channels = 1 if layout.separate else layout.channels
    row_bytes = columns * channels * layout.dtype.itemsize
    raw = np.frombuffer(_unpacked(packed, layout.compression, row_bytes, rows), np.uint8)
    if layout.predictor == 3:
        return _from_byte_planes(raw.reshape(rows, row_bytes), channels, layout.dtype)
    samples = raw.view(layout.dtype).reshape(rows, columns, channels)
    if layout.predictor == 2:
        integers = samples.view(f"{samples.dtype.byteorder}u{samples.dtype.itemsize}")
        summed = np.cumsum(integers, axis=1, dtype=integers.dtype.newbyteorder("="))
        return summed.view(samples.dtype.newbyteorder("="))
    return samples


def _from_byte_planes(rows: Planes, channels: int, dtype: np.dtype) -> Planes:
    """Floats from differences of bytes, the first bytes of all samples before all the second ones
    (Adobe Photoshop TIFF Technical Note 3)."""
    height, row_bytes = rows.shape
    summed = np.cumsum(rows.reshape(height, -1, channels), axis=1, dtype=np.uint8)
    planes = summed.reshape(height, dtype.itemsize, -1)
    big = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{dtype.itemsize}")
    return big.reshape(height, row_bytes // channels // dtype.itemsize, channels)


def _unpacked(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    wanted = row_bytes * rows
    if compression == 1:
        data = packed[:wanted]
    elif compression in _DEFLATE:
        data = zlib.decompressobj().decompress(packed, wanted)
    else:
        data = _by_libtiff(packed, compression, row_bytes, rows)
    if len(data) < wanted:
        raise EOFError("truncated strip")
    return data


def _by_libtiff(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """The block's bytes, as the pixels of a picture of one strip."""
    directory = ImageFileDirectory_v2()
    tags: Mapping[int, int] = {
        _WIDTH: row_bytes,
        _HEIGHT: rows,
        _BITS: 8,
        _COMPRESSION: compression,
        _PHOTOMETRIC: 1,
        _STRIP_OFFSETS: 0,
        _SAMPLES: 1,
        _STRIP_ROWS: rows,
        _STRIP_BYTES: len(packed),
    }
    for tag, value in tags.items():
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    file.write(packed)
    file.seek(0)
    with quiet():  # libtiff prints what it thinks of damage
        return TiffImageFile(file).tobytes()
