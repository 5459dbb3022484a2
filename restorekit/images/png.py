"""PNG: a writer for 8 and 16 bits, still or moving.

Pillow writes no 16-bit colour, and needs 220 to 270 ms a megapixel at its default level 6.
Here blocks of rows are filtered and deflated side by side: 50 ms a megapixel on one thread and
29 on two at zlib's level 2, for files 1 to 3 % above Pillow's level 6 (photographs, zlib 1.2).
The bytes depend on the pixels and on zlib, not on the number of threads.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from restorekit.images.blocks import in_order, rows_each
from restorekit.images.picture import Metadata, Planes
from restorekit.images.png_chunks import IPTC_KEY, SIGNATURE, XMP_KEY, hexed

LEVEL = 2
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
# Rows that choose a block's filter: one in eight is as good as all.
_SAMPLE = 8


def write(file: BinaryIO, samples: Planes, metadata: Metadata) -> None:
    """Write (H, W, C) uint8 or uint16 samples, C = 1 to 4 (grey, grey + alpha, RGB, RGBA)."""
    _begin(file, samples, metadata)
    for data in _pixels(samples):
        _chunk(file, b"IDAT", data)
    _chunk(file, b"IEND", b"")


def write_moving(file: BinaryIO, frames: Iterable[tuple[Planes, Metadata]]) -> None:
    """Write frames of one size and kind, one at a time, each whole (PNG, third edition, 11.3.6).

    A frame is shown for 65,535 seconds at most.
    """
    count, order, control, loop = 0, 0, 0, 0
    for samples, metadata in frames:
        if not count:
            _begin(file, samples, metadata)
            control, loop = file.tell(), metadata.loop or 0
            _chunk(file, b"acTL", bytes(8))  # filled in once the frames are counted
        height, width = samples.shape[:2]
        shown = _fraction(metadata.duration or 0)
        place = struct.pack(">LLLLLHHBB", order, width, height, 0, 0, *shown, 0, 0)
        _chunk(file, b"fcTL", place)
        order += 1
        for data in _pixels(samples):
            if count:
                _chunk(file, b"fdAT", struct.pack(">L", order) + data)
                order += 1
            else:
                _chunk(file, b"IDAT", data)
        count += 1
    _chunk(file, b"IEND", b"")
    file.seek(control)
    _chunk(file, b"acTL", struct.pack(">LL", count, loop))
    file.seek(0, 2)


def _fraction(milliseconds: float) -> tuple[int, int]:
    """Seconds as numerator and denominator of 16 bits each; the longest time is 65,535 s."""
    for parts in (1000, 100, 10, 1):
        if (numerator := round(milliseconds * parts / 1000)) <= 65_535:
            return numerator, parts
    return 65_535, 1


def _begin(file: BinaryIO, samples: Planes, metadata: Metadata) -> None:
    """Signature, header and what stands before the pixels."""
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    file.write(SIGNATURE)
    header = struct.pack(">LLBBBBB", width, height, depth, _COLOUR_TYPE[channels], 0, 0, 0)
    _chunk(file, b"IHDR", header)
    for name, data in _ancillary(metadata):
        _chunk(file, name, data)


def _chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">L", len(data)) + name)
    file.write(data)
    file.write(struct.pack(">L", zlib.crc32(data, zlib.crc32(name))))


def _ancillary(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """The chunks between header and pixels."""
    for name, data in metadata.colour.items():
        # What the file says last of colours that a profile describes would contradict it.
        if not (metadata.icc and name == "sRGB"):
            yield name.encode(), data
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        across, down = (round(dots / 0.0254) for dots in metadata.dpi)
        yield b"pHYs", struct.pack(">LLB", across, down, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEY.encode() + bytes(5) + metadata.xmp
    if metadata.iptc:
        yield (
            b"zTXt",
            IPTC_KEY.encode() + b"\0\0" + zlib.compress(hexed("iptc", metadata.iptc).encode()),
        )
    for key, text in metadata.text.items():
        yield _text(key, text)


def _text(key: str, text: str) -> tuple[bytes, bytes]:
    """A tEXt chunk where Latin-1 can say it, an iTXt chunk otherwise."""
    keyword = key.replace("\0", " ").strip().encode("latin-1", "replace")[:79] or b"Comment"
    try:
        return b"tEXt", keyword + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", keyword + bytes(5) + text.encode("utf-8", "replace")


def _pixels(samples: Planes) -> Iterator[bytes]:
    """One zlib stream over all blocks, a piece for each block."""
    rows = rows_each(samples[0].nbytes + 1)
    starts = range(0, len(samples), rows)
    blocks = in_order(lambda start: _deflate_block(samples, start, start + rows), starts)
    check = zlib.adler32(b"")
    for start, (packed, length, adler) in zip(starts, blocks, strict=True):
        check = _joined_adler(check, adler, length)
        opening = b"\x78\x5e" if start == 0 else b""
        closing = struct.pack(">L", check) if start == starts[-1] else b""
        yield opening + packed + closing


def _deflate_block(samples: Planes, start: int, stop: int) -> tuple[bytes, int, int]:
    """Rows `start` to `stop` as raw deflate data, their filtered length and its Adler-32."""
    filtered = _filter(samples, start, stop)
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15, 9)
    last = stop >= len(samples)
    packed = packer.compress(filtered) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    return packed, len(filtered), zlib.adler32(filtered)


def _joined_adler(first: int, second: int, length: int) -> int:
    """The Adler-32 of two strings set end to end, from theirs and the second's length."""
    base = 65521
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)
    return (high % base) << 16 | low % base


def _filter(samples: Planes, start: int, stop: int) -> bytes:
    """Filtered rows, each behind its filter's number; one filter serves the block."""
    block = _bytes(samples[start:stop])
    above = np.zeros_like(block)
    above[1:] = block[:-1]
    if start:
        above[0] = _bytes(samples[start - 1 : start])[0]
    step = samples.shape[2] * samples.dtype.itemsize
    some, some_above = block[::_SAMPLE], above[::_SAMPLE]
    costs = [int(_cost(_filtered(some, some_above, step, kind))) for kind in range(5)]
    kind = costs.index(min(costs))
    rows = np.empty((len(block), block.shape[1] + 1), np.uint8)
    rows[:, 0] = kind
    rows[:, 1:] = _filtered(block, above, step, kind)
    return rows.tobytes()


def _bytes(rows: Planes) -> Planes:
    """(H, W, C) samples as (H, bytes) in PNG's big-endian order."""
    big = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">"))
    return big.reshape(len(rows), -1).view(np.uint8)


def _cost(filtered: Planes) -> np.int64:
    """PNG's own rule of thumb: the sum of the residuals' sizes as signed bytes."""
    return np.abs(filtered.view(np.int8).astype(np.int16)).sum(dtype=np.int64)


def _filtered(rows: Planes, above: Planes, step: int, kind: int) -> Planes:
    """The rows less their prediction, bytes modulo 256 (PNG specification, 9.2)."""
    if kind == 0:
        return rows
    if kind == 2:
        return rows - above
    left = np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    if kind == 1:
        return rows - left
    if kind == 3:
        return rows - ((left.astype(np.uint16) + above) >> 1).astype(np.uint8)
    corner = np.zeros_like(rows)
    corner[:, step:] = above[:, :-step]
    return rows - _paeth(left, above, corner)


def _paeth(left: Planes, above: Planes, corner: Planes) -> Planes:
    """Of the three neighbours, the one nearest to left + above - corner."""
    a, b, c = (plane.astype(np.int16) for plane in (left, above, corner))
    from_left, from_above, from_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    nearer = np.where(from_above <= from_corner, above, corner)
    return np.where((from_left <= from_above) & (from_left <= from_corner), left, nearer)
