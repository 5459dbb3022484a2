"""The boxes of JPEG 2000, AVIF and HEIF files (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from restorekit.images.survey import LONGEST_BLOCK, Survey

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF_UUID = b"JpgTiffExif->JP2"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_MOST = 4096
_DEEPEST = 4
# What these hold is boxes, behind so many bytes of their own.
_PARENTS = dict.fromkeys((b"iprp", b"ipco", b"jp2h", b"moov", b"trak", b"mdia"), 0) | {b"meta": 4}
_DATED = (b"mvhd", b"tkhd", b"mdhd")
_RAW_CODESTREAM = b"\xff\x4f\xff\x51"


@dataclass(frozen=True)
class Box:
    """A box: its four letters, where it begins, where its content begins, and where it ends."""

    kind: bytes
    place: int
    start: int
    stop: int


def walk(file: BinaryIO, start: int, stop: int, depth: int = 0) -> Iterator[Box]:
    """The boxes between two places, each parent before what is in it; the last may end later."""
    place = start
    for _ in range(_MOST):
        if place + 8 > stop:
            return
        file.seek(place)
        size, kind = struct.unpack(">L4s", file.read(8))
        content = place + 8
        if size == 1:
            size, content = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0], place + 16
        end = place + size if size else stop
        if end < content:
            return
        yield Box(kind, place, content, end)
        if kind in _PARENTS and depth < _DEEPEST:
            yield from walk(file, content + _PARENTS[kind], min(end, stop), depth + 1)
        place = end


def clear_times(file: BinaryIO) -> None:
    """Set the times of making and of change in a file that moves to none (section 8.2.2): the same
    frames make the same bytes."""
    for box in list(walk(file, 0, file.seek(0, 2))):
        if box.kind in _DATED:
            file.seek(box.start)
            version = file.read(4)[0]
            file.write(bytes(16 if version == 1 else 8))
    file.seek(0, 2)


def survey(file: BinaryIO, length: int) -> Survey:
    """What the boxes say: sample size, how the pixels are coded, and what goes with them.

    A profile, EXIF and XMP only where they are boxes of their own, as in JPEG 2000.
    """
    file.seek(0)
    if file.read(4) == _RAW_CODESTREAM:
        bits, lossy, ended = _codestream(file, 0, length)
        return Survey(bits=bits, lossy=lossy, missing=0 if ended else -1)
    found: dict[str, bytes] = {}
    bits, end, lossy, ended, manifest = 0, 0, True, True, False
    for box in walk(file, 0, length):
        end = max(end, box.stop)
        file.seek(box.start)
        head = file.read(20)
        if box.kind == b"jp2c":
            bits, lossy, ended = _codestream(file, box.start, min(box.stop, length))
        elif box.kind == b"av1C" and len(head) > 2:
            bits = max(bits, 8 + 2 * (head[2] >> 6 & 1) + 2 * (head[2] >> 5 & 1))
        elif box.kind == b"colr" and head[:1] == b"\2":
            found.setdefault("icc", _content(file, box, 3))
        elif box.kind == b"uuid":
            manifest |= head.startswith(_C2PA_UUID)
            name = {XMP_UUID: "xmp", EXIF_UUID: "exif"}.get(head[:16])
            if name:
                found.setdefault(name, _content(file, box, 16))
        elif box.kind == b"jumb":
            manifest |= b"c2pa" in _content(file, box, 0)[:64]
    # What is left is too short for a box: the beginning of one.
    missing = end - length if end > length else 0 if ended and end == length else -1
    return Survey(bits=bits, lossy=lossy, missing=missing, manifest=manifest, **found)  # pyright: ignore[reportArgumentType]


def _content(file: BinaryIO, box: Box, skip: int) -> bytes:
    file.seek(box.start + skip)
    return file.read(min(max(box.stop - box.start - skip, 0), LONGEST_BLOCK))


def _codestream(file: BinaryIO, start: int, stop: int) -> tuple[int, bool, bool]:
    """Bits a sample, whether coded with loss, and whether the end mark is there
    (ITU-T T.800, annex A: SIZ, COD and EOC)."""
    file.seek(max(stop - 2, 0))
    ended = file.read(2) == b"\xff\xd9"
    bits, place = 0, start + 2
    for _ in range(_MOST):
        file.seek(place)
        head = file.read(42)
        if len(head) < 14 or head[0] != 0xFF or head[1] == 0x90:  # the first tile
            break
        if head[1] == 0x51 and len(head) > 40:
            bits = (head[40] & 0x7F) + 1
        elif head[1] == 0x52:
            return bits, head[13] == 0, ended
        place += 2 + int.from_bytes(head[2:4], "big")
    return bits, True, ended
