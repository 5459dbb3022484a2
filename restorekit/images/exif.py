"""EXIF changed in place: three numbers and the thumbnail, and no other byte.

A library that parses EXIF and writes it anew moves the maker notes, whose inner offsets then
point nowhere. `blob` is always the TIFF structure, without the "Exif" prefix of JPEG.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_WIDTH_TAGS = (0x0100, 0xA002)
_HEIGHT_TAGS = (0x0101, 0xA003)
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_PREFIX = b"Exif\0\0"


class _DamagedError(Exception):
    """The blob is not a TIFF structure, or points outside itself."""


@dataclass(frozen=True)
class _Entry:
    """One field of a directory; `place` is where its twelve bytes begin."""

    tag: int
    place: int
    value: int


def strip_prefix(blob: bytes) -> bytes:
    """The TIFF structure of an EXIF blob, whether or not JPEG's prefix is on it."""
    return blob.removeprefix(_PREFIX)


def _order(blob: bytes | bytearray) -> str:
    """struct's sign for the byte order."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(blob[:4]))
    if order is None:
        raise _DamagedError
    return order


def _unpack(blob: bytes | bytearray, place: int, code: str) -> int:
    try:
        return struct.unpack_from(_order(blob) + code, blob, place)[0]
    except struct.error:
        raise _DamagedError from None


def _entries(blob: bytes | bytearray, directory: int) -> Iterator[_Entry]:
    """The fields of the directory at this offset that hold one SHORT or LONG."""
    for place in range(directory + 2, _end(blob, directory), 12):
        tag, kind = _unpack(blob, place, "H"), _unpack(blob, place + 2, "H")
        if kind in (_SHORT, _LONG) and _unpack(blob, place + 4, "L") == 1:
            yield _Entry(tag, place, _unpack(blob, place + 8, "H" if kind == _SHORT else "L"))


def _end(blob: bytes | bytearray, directory: int) -> int:
    """Where a directory's fields end and the offset of the next directory stands."""
    end = directory + 2 + 12 * _unpack(blob, directory, "H")
    _unpack(blob, end, "L")
    return end


def _set(blob: bytearray, entry: _Entry, value: int) -> None:
    """Write a LONG: the four bytes of a field's value hold one whatever it was before."""
    order = _order(blob)
    struct.pack_into(order + "HLL", blob, entry.place + 2, _LONG, 1, value)


def orientation(blob: bytes | None) -> int | None:
    """EXIF's orientation, 1 to 8; None when it states none or the blob is damaged."""
    if not blob:
        return None
    try:
        fields = _entries(blob, _unpack(blob, 4, "L"))
        value = next((e.value for e in fields if e.tag == _ORIENTATION), None)
    except _DamagedError:
        return None
    return value if value in range(1, 9) else None


def upright(blob: bytes) -> bytes | None:
    """The blob with orientation 1 and without its thumbnail; None when it is damaged."""
    changed = bytearray(blob)
    try:
        main = _unpack(changed, 4, "L")
        for entry in _entries(changed, main):
            if entry.tag == _ORIENTATION:
                order = _order(changed)
                struct.pack_into(order + "HLHH", changed, entry.place + 2, _SHORT, 1, 1, 0)
        _drop_thumbnail(changed, _end(changed, main))
    except _DamagedError:
        return None
    return bytes(changed)


def _drop_thumbnail(blob: bytearray, link: int) -> None:
    """Blank the second directory and the JPEG it points to; `link` is where its offset stands."""
    directory = _unpack(blob, link, "L")
    struct.pack_into("4x", blob, link)
    if not directory or directory >= len(blob):
        return
    fields = {e.tag: e.value for e in _entries(blob, directory)}
    start = fields.get(_THUMBNAIL_OFFSET, len(blob))
    stop = min(start + fields.get(_THUMBNAIL_LENGTH, 0), len(blob))
    end = _end(blob, directory) + 4
    blob[directory:end] = bytes(end - directory)
    if start < stop:
        blob[start:stop] = bytes(stop - start)
        if stop == len(blob):
            del blob[start:]


def sized(blob: bytes, width: int, height: int) -> bytes:
    """The blob with its pixel dimensions, where it states them, set to these."""
    changed = bytearray(blob)
    try:
        main = _unpack(changed, 4, "L")
        fields = list(_entries(changed, main))
        for entry in list(fields):
            if entry.tag == _EXIF_DIRECTORY:
                fields += _entries(changed, entry.value)
    except _DamagedError:
        return blob
    for entry in fields:
        if entry.tag in _WIDTH_TAGS:
            _set(changed, entry, width)
        elif entry.tag in _HEIGHT_TAGS:
            _set(changed, entry, height)
    return bytes(changed)
