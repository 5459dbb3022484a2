"""A walk over the directories of a TIFF, to see whether they are whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from restorekit.images.survey import Survey

_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_EXIF, _GPS = 34665, 34853
_ITSELF, _NEXT = -1, -2  # where a tag would stand
# Sizes, layout, profile, XMP, IPTC, Photoshop's, name, description, make, model, ... : what is read.
# A private tag that points nowhere is none of our business.
_READ = frozenset(
    {_ITSELF, _NEXT, _EXIF, _GPS, *range(256, 340), *range(40091, 40096)}
    | {700, 18246, 18249, 33432, 33723, 34377, 34675}
)
_MOST = 1 << 16


def survey(file: BinaryIO, length: int) -> Survey:
    """How many bytes are missing at the end (TIFF 6.0, section 2; BigTIFF)."""
    file.seek(0)
    head = file.read(16)
    order = ">" if head[:2] == b"MM" else "<"
    big = head[2:4] in (b"+\0", b"\0+")
    if len(head) < (16 if big else 8):
        return Survey(missing=-1)
    # Places of directories, and whether they are within another: all of EXIF is read.
    waiting = [(_unpack(order, "Q", head, 8) if big else _unpack(order, "L", head, 4), False)]
    seen: set[int] = set()
    end = 0
    while waiting and len(seen) < _MOST:
        place, inner = waiting.pop()
        if not place or place in seen:
            continue
        seen.add(place)
        for start, stop, tag in _fields(file, place, order, big):
            if inner or tag in _READ:
                end = max(end, stop)
            if tag in (_NEXT, _EXIF, _GPS):
                waiting.append((start, tag != _NEXT))
    return Survey(missing=max(end - length, 0))


def _unpack(order: str, code: str, data: bytes, place: int) -> int:
    return struct.unpack_from(order + code, data, place)[0]


def _fields(file: BinaryIO, place: int, order: str, big: bool) -> Iterator[tuple[int, int, int]]:
    """Where the parts of a directory begin and end, and their tags: itself, what its fields point
    to, and the next directory."""
    count_code, offset_code, size = ("Q", "Q", 20) if big else ("H", "L", 12)
    wide, width = struct.calcsize(f"={count_code}"), struct.calcsize(f"={offset_code}")
    file.seek(place)
    data = file.read(wide)
    if len(data) < wide:
        yield place, place + wide, _ITSELF
        return
    length = min(_unpack(order, count_code, data, 0), _MOST) * size + width
    yield place, place + wide + length, _ITSELF
    data = file.read(length)
    for at in range(0, len(data) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        number = _unpack(order, offset_code, data, at + 4)
        value = _unpack(order, offset_code, data, at + 4 + width)
        if tag in (_EXIF, _GPS):
            yield value, value + 2, tag
        elif number * _BYTES.get(kind, 0) > width:
            yield value, value + number * _BYTES[kind], tag
    following = _unpack(order, offset_code, data, length - width) if len(data) == length else 0
    if following:
        yield following, following + 2, _NEXT
