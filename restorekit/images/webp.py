"""WebP: a walk over its chunks (RFC 9649)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from restorekit.images.survey import Survey


def survey(file: BinaryIO, length: int) -> Survey:
    """Size, coding and completeness of a WebP, without decoding any pixel."""
    file.seek(0)
    head = file.read(30)
    missing = struct.unpack_from("<L", head, 4)[0] + 8 - length if len(head) >= 8 else -1
    size, lossy, manifest = (0, 0), False, False
    place = 12
    while place + 8 <= length:
        file.seek(place)
        name, count = struct.unpack("<4sL", file.read(8))
        if name == b"ANMF":  # a frame: chunks of its own behind 16 bytes
            place += 24
            continue
        if name == b"VP8X":
            extended = file.read(10).ljust(10, b"\0")
            size = (_triple(extended, 4) + 1, _triple(extended, 7) + 1)
        elif name in (b"VP8 ", b"VP8L"):
            size = max(size, _frame_size(name, file.read(10).ljust(10, b"\0")))
        lossy |= name == b"VP8 "
        manifest |= name == b"C2PA"
        place += 8 + count + count % 2
    return Survey(size, max(missing, 0), lossy=lossy, manifest=manifest)


def _frame_size(name: bytes, data: bytes) -> tuple[int, int]:
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 6)
        return width & 0x3FFF, height & 0x3FFF
    bits = int.from_bytes(data[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _triple(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")
