"""Several frames in one file: what Pillow writes only with all of them in memory, one at a time."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from PIL import Image

from restorekit.images import tiff
from restorekit.images.gif import palette_image
from restorekit.images.picture import Metadata, Planes, TiffCoding
from restorekit.images.tiff_samples import Tiff

# Milliseconds where nobody said how long a frame is shown.
DEFAULT_DURATION = 100.0
Frame = tuple[Planes, Metadata]


def write_gif(file: BinaryIO, frames: Iterable[Frame]) -> None:
    """Write (H, W, C) uint8 frames of one size, each whole and with a palette of its own.

    A frame is cleared away before one with transparent pixels. Times are in hundredths of a second.
    """
    waiting: tuple[Image.Image, float] | None = None
    for samples, metadata in frames:
        image = palette_image(samples)
        if waiting is None:
            _begin_gif(file, image.size, metadata)
        else:
            _gif_frame(file, *waiting, clear="transparency" in image.info)
        waiting = image, metadata.duration or 0
    if waiting:
        _gif_frame(file, *waiting, clear=False)
    file.write(b";")


def _begin_gif(file: BinaryIO, size: tuple[int, int], metadata: Metadata) -> None:
    file.write(b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0))
    if metadata.loop != 1 and metadata.duration is not None:  # the repetitions, 0 without end
        times = max((metadata.loop or 0) - 1, 0)
        file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", min(times, 65_535), 0))
    if comment := metadata.text.get("Comment", "").encode("utf-8", "replace"):
        parts = (comment[start : start + 255] for start in range(0, len(comment), 255))
        file.write(b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0")


def _gif_frame(file: BinaryIO, image: Image.Image, milliseconds: float, *, clear: bool) -> None:
    """A frame's control, place, palette and pixels; the pixels are packed by Pillow."""
    alone = io.BytesIO()
    key = image.info.pop("transparency", None)
    image.save(alone, "GIF", interlace=0, optimize=False)
    data = alone.getvalue()
    bits = (data[10] & 7) + 1
    palette = data[13 : 13 + 3 * 2**bits]
    place = 13 + len(palette)  # no extension stands before the picture
    flags = (2 if clear else 1) << 2 | (key is not None)
    shown = min(round(milliseconds / 10), 65_535)
    file.write(b"!\xf9\x04" + struct.pack("<BHBB", flags, shown, key or 0, 0))
    file.write(data[place : place + 9] + bytes([0x80 | bits - 1]) + palette)
    file.write(data[place + 10 : -1])


def write_waiting(file: BinaryIO, name: str, frames: Iterable[Frame], **options: Any) -> None:
    """Write uint8 frames of one size and kind through Pillow's writer of this format.

    The frames wait on disk, uncompressed, and Pillow fetches them one by one.
    """
    durations: list[int] = []
    loop = 0

    def counted() -> Iterator[Frame]:
        nonlocal loop
        for samples, metadata in frames:
            loop = metadata.loop or 0 if not durations else loop
            durations.append(round(metadata.duration or 0))
            yield samples, Metadata(tiff=TiffCoding("none"))

    with TemporaryFile() as spool:
        tiff.write(spool, counted())
        spool.seek(0)
        with Tiff(spool) as image:
            image.save(file, name, save_all=True, duration=durations, loop=loop, **options)
