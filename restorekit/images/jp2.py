"""JPEG 2000 with the boxes that Pillow does not write: profile, EXIF and XMP."""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

from PIL import Image

from restorekit.images.boxes import EXIF_UUID, XMP_UUID, walk
from restorekit.images.picture import Metadata


def write(file: BinaryIO, image: Image.Image, quality: int | None, metadata: Metadata) -> None:
    """Write an 8-bit image, without loss unless a quality, 1 to 100, is given: as many decibels of
    PSNR as 20 and a quarter of it."""
    packed = io.BytesIO()
    options: dict[str, Any] = {}
    if quality:
        options |= {
            "irreversible": True,
            "quality_mode": "dB",
            "quality_layers": [20 + quality / 4],
        }
    if comment := metadata.text.get("Comment"):
        options["comment"] = comment.encode("utf-8", "replace")
    image.save(packed, "JPEG2000", **options)
    done = 0
    for box in list(walk(packed, 0, len(packed.getvalue()))):
        if box.place < done:
            continue  # a box within the header, which is written with it
        done = box.stop
        content = packed.getvalue()[box.place : box.stop]
        if box.kind == b"jp2h" and metadata.icc:
            content = _with_profile(packed, box.start, box.stop, metadata.icc)
        if box.kind == b"jp2c":  # whose length may be left open at the end of a file
            content = _box(b"jp2c", packed.getvalue()[box.start : box.stop])
        file.write(content)
    file.write(_uuid(EXIF_UUID, metadata.exif) + _uuid(XMP_UUID, metadata.xmp))


def _with_profile(packed: io.BytesIO, start: int, stop: int, icc: bytes) -> bytes:
    """The header's boxes with a profile for the colours (ITU-T T.800, I.5.3.3)."""
    inner = b"".join(
        _box(b"colr", b"\2\0\0" + icc)
        if box.kind == b"colr"
        else packed.getvalue()[box.place : box.stop]
        for box in walk(packed, start, stop)
    )
    return _box(b"jp2h", inner)


def _uuid(identity: bytes, data: bytes | None) -> bytes:
    return _box(b"uuid", identity + data) if data else b""


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(content), kind) + content
