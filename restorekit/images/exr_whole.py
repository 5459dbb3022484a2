"""Whether an OpenEXR file is whole, told from its tables: the package prints what it thinks of damage.

Format: https://openexr.com/en/latest/OpenEXRFileLayout.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

_TILED, _DEEP, _SEVERAL = 0x200, 0x800, 0x1000  # flags beside the version
_LONGEST_NAME = 255
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)  # in a chunk, by the kind of compression


def check_whole(file: BinaryIO) -> list[tuple[int, int]]:
    """(height, width) of each of a file's parts, all of whose chunks of pixels are there.

    Raises EOFError for a file that ends early, ValueError and what comes of reading for other damage.
    Deep pixels and several resolutions are not looked at.
    """
    end = file.seek(0, 2)
    file.seek(0)
    _, flags = struct.unpack("<II", _read(file, 8))
    headers = list(_headers(file, bool(flags & _SEVERAL)))
    kinds, sizes = [_kind(header, flags) for header in headers], [_size(h) for h in headers]
    if any(kind.startswith(b"deep") for kind in kinds):
        return sizes
    counts = [_chunks(*pair) for pair in zip(headers, kinds, strict=True)]
    if None in counts:
        return sizes
    tables = [struct.unpack(f"<{count}Q", _read(file, 8 * (count or 0))) for count in counts]
    for number, (kind, table) in enumerate(zip(kinds, tables, strict=True)):
        before = "i" if flags & _SEVERAL else ""
        leader = struct.Struct(f"<{before}{'4i' if kind == b'tiledimage' else 'i'}i")
        for place in table:
            if not 0 < place < end:  # 0 where a writer was stopped
                raise EOFError
            file.seek(place)
            part, *_, size = leader.unpack(_read(file, leader.size))
            if size < 0 or (before and part != number):
                raise ValueError("a table does not fit the pixels")
            if place + leader.size + size > end:
                raise EOFError
    return sizes


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _headers(file: BinaryIO, several: bool) -> Iterator[Mapping[str, bytes]]:
    """The attributes of each part; after those of several parts there is an empty one."""
    while header := dict(_attributes(file)):
        yield header
        if not several:
            break


def _attributes(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    while name := _text(file):
        _text(file)  # its type
        (length,) = struct.unpack("<I", _read(file, 4))
        yield name, _read(file, length)


def _text(file: BinaryIO) -> str:
    """What stands before the next 0."""
    text = b""
    while (byte := _read(file, 1)) != b"\0":
        text += byte
        if len(text) > _LONGEST_NAME:
            raise ValueError("a name without an end")
    return text.decode("utf-8", "replace")


def _kind(header: Mapping[str, bytes], flags: int) -> bytes:
    """How a part's pixels are stored; a file of one part may say so in its flags alone."""
    usual = b"tiledimage" if flags & _TILED else b"scanlineimage"
    return header.get("type", b"deep" if flags & _DEEP else usual).rstrip(b"\0")


def _size(header: Mapping[str, bytes]) -> tuple[int, int]:
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    return bottom - top + 1, right - left + 1


def _chunks(header: Mapping[str, bytes], kind: bytes) -> int | None:
    """How many chunks a part has; None for what is not known here."""
    height, width = _size(header)
    if kind == b"tiledimage":
        across, along, mode = struct.unpack("<IIB", header["tiles"])
        return None if mode & 15 else -(-width // across) * -(-height // along)
    compression = header["compression"][0]
    return -(-height // _LINES[compression]) if compression < len(_LINES) else None
