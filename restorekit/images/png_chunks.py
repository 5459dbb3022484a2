"""The chunks of a PNG: what stands around its pixels, before and behind them."""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

from restorekit.images.survey import LONGEST_BLOCK, Survey

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEY = "XML:com.adobe.xmp"
IPTC_KEY = "Raw profile type iptc"
COLOUR = ("gAMA", "cHRM", "sRGB", "cICP", "mDCV", "cLLI")
_PROFILES = "Raw profile type "
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"fcTL", b"fdAT", b"IEND")
_ONCE = frozenset({b"IHDR", b"eXIf", *(name.encode() for name in COLOUR)})


def survey(file: BinaryIO, length: int) -> Survey:
    """Walk the chunks of a PNG of `length` bytes without decoding any pixel."""
    once: dict[bytes, bytes] = {}
    text: dict[str, str] = {}
    room = LONGEST_BLOCK
    place, last, manifest = len(SIGNATURE), b"", False
    while last != b"IEND" and place + 12 <= length:
        file.seek(place)
        size, last = struct.unpack(">L4s", file.read(8))
        if not last.isalpha():
            last = b"IEND"  # no chunk: damage, which the decoder will name
            break
        manifest |= last == b"caBX"
        if last in _ONCE and size <= room:
            once.setdefault(last, file.read(size))
        elif last in _TEXTS and size <= room:
            key, words = _text(last, file.read(size), room)
            room -= len(words)
            if key:
                text.setdefault(key, words)
        place += 12 + size
    missing = place - length if place > length else 12 * (last != b"IEND")
    header = once.get(b"IHDR", b"")
    exif = once.get(b"eXIf") or _unhexed(text.get(f"{_PROFILES}exif"))
    iptc = _unhexed(text.get(IPTC_KEY))
    xmp = text.get(XMP_KEY)
    return Survey(
        size=struct.unpack(">LL", header[:8]) if len(header) >= 8 else (0, 0),
        missing=missing,
        bits=header[8] if len(header) > 8 else 0,
        manifest=manifest,
        exif=exif,
        xmp=xmp.encode() if xmp else None,
        iptc=_record(iptc) if iptc else None,
        text={k: v for k, v in text.items() if k != XMP_KEY and not k.startswith(_PROFILES)},
        colour={name: once[name.encode()] for name in COLOUR if name.encode() in once},
    )


def check(file: BinaryIO) -> None:
    """Raises ValueError where a chunk that pixels are made of is damaged, as its checksum tells.

    Pillow reads on past damage and gives what follows it as black or as noise. The file's place is kept.
    """
    before = file.tell()
    file.seek(len(SIGNATURE))
    name = b""
    while name != b"IEND":
        size, name = struct.unpack(">L4s", file.read(8))
        if not name.isalpha():
            raise ValueError("what follows a chunk is none")
        if name not in _PIXELS:
            file.seek(size + 4, os.SEEK_CUR)
            continue
        data = file.read(size)
        if struct.unpack(">L", file.read(4))[0] != zlib.crc32(data, zlib.crc32(name)):
            raise ValueError(f"the chunk {name.decode()} is damaged")
    file.seek(before)


def _text(kind: bytes, data: bytes, most: int) -> tuple[str, str]:
    """Key and words of a text chunk; an empty key when it is damaged (PNG, section 11.3.3)."""
    key, _, rest = data.partition(b"\0")
    packed, words, encoding = kind == b"zTXt", rest, "latin-1"
    if kind == b"zTXt":
        words = rest[1:]
    elif kind == b"iTXt":
        packed, encoding = rest[:1] == b"\1", "utf-8"
        words = rest[2:].split(b"\0", 2)[-1]
    if packed:
        unpacker = zlib.decompressobj()
        try:
            words = unpacker.decompress(words, most)
        except zlib.error:
            return "", ""
        if unpacker.unconsumed_tail:  # a bomb, or a text nobody reads
            return "", ""
    return key.decode("latin-1"), words.decode(encoding, "replace")


def _unhexed(profile: str | None) -> bytes | None:
    """ImageMagick's way to keep a block in a text: three lines of header, then hex."""
    if not profile:
        return None
    try:
        return bytes.fromhex("".join(profile.split("\n")[3:]))
    except ValueError:
        return None


def hexed(name: str, block: bytes) -> str:
    """A block as ImageMagick keeps it in a text."""
    data = block.hex()
    lines = [data[start : start + 72] for start in range(0, len(data), 72)]
    return "\n".join(["", name, f"{len(block):8}", *lines, ""])


def _record(block: bytes) -> bytes | None:
    """The IPTC record in a Photoshop resource, or the block itself where it is the record."""
    if block.startswith(b"\x1c"):
        return block
    place = block.find(b"8BIM\x04\x04")
    if place < 0 or len(block) < place + 12:
        return None
    name = block[place + 6]
    start = place + 6 + (name + 2) // 2 * 2
    size = int.from_bytes(block[start : start + 4], "big")
    return block[start + 4 : start + 4 + size] or None
