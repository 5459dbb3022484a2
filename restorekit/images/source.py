"""An opened file whose header is known and allowed, and whose pixels are still packed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL.ImageFile import ImageFile

from restorekit.images import exif, formats, orientation, png
from restorekit.images.failures import early_end, reading, unreadable
from restorekit.images.picture import Header
from restorekit.images.quiet import quiet

_READ_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"}
)
_NEW_SUBFILE_TYPE, _BITS, _PLANAR, _SUB_FILES, _DNG_VERSION = 254, 258, 284, 330, 50706


@dataclass(frozen=True)
class Source:
    """A picture file: `image` is Pillow's, not loaded; `orientation` is still to be undone."""

    path: Path
    file: BinaryIO
    image: ImageFile
    header: Header
    orientation: int
    exif: bytes | None
    xmp: bytes | None

    @property
    def rawmode(self) -> str:
        """How the samples lie in the file, in Pillow's words ("RGB;16B")."""
        return rawmode(self.image)

    def reopen(self) -> ImageFile:
        """The same picture once more, not loaded."""
        return _pillow(self.header.format, self.file)


@contextmanager
def opened(path: Path, max_pixels: int) -> Iterator[Source]:
    """Open and check a file; every failure until the end of the block is an ImageError."""
    with reading(path), path.open("rb") as file:
        yield _examine(path, file, max_pixels)


def rawmode(image: ImageFile) -> str:
    """How the samples lie in the file; "" when Pillow does not say."""
    args: Any = image.tile[0].args if image.tile else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _pillow(name: str, file: BinaryIO) -> ImageFile:
    """Pillow's reader of this format, made without Image.open: only ours are tried."""
    module, kind = formats.format_for(name).plugin.split(".")
    file.seek(0)
    with quiet():
        return getattr(import_module(f"PIL.{module}"), kind)(file)


def _examine(path: Path, file: BinaryIO, max_pixels: int) -> Source:
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(32)
    entry = formats.sniff(head)
    if not length:
        raise unreadable(path, "it is empty (0 bytes); copy it again from its source")
    if entry is None:
        raise unreadable(path, _stranger(head))
    early = _whole_png(path, file, length, max_pixels) if entry.name == "PNG" else None
    if entry.name == "WEBP":
        _check_whole_webp(path, head, length)
    image = _pillow(entry.name, file)
    blob = (early and early.exif) or _exif(image)
    xmp = (early and early.xmp) or _packet(image)
    turn = _orientation(image, blob, xmp)
    width, height = reversed(image.size) if orientation.turned(turn) else image.size
    header = Header(entry.name, width, height, _mode(image), _depth(image))
    _check_pixels(path, width, height, max_pixels)
    _check_kind(path, image, head)
    return Source(path, file, image, header, turn, blob, xmp)


def _stranger(head: bytes) -> str:
    if name := formats.foreign(head):
        return f"it is {name}; save it as PNG or TIFF first"
    return f"its content is not that of {formats.format_names()}; check what it is"


def _whole_png(path: Path, file: BinaryIO, length: int, max_pixels: int) -> png.Survey:
    """What the chunks say, also those behind the pixels; the size is checked before the end."""
    found = png.survey(file, length)
    _check_pixels(path, found.width, found.height, max_pixels)
    if found.missing:
        raise unreadable(path, early_end(length, found.missing))
    return found


def _check_whole_webp(path: Path, head: bytes, length: int) -> None:
    missing = struct.unpack_from("<L", head, 4)[0] + 8 - length
    if missing > 0:
        raise unreadable(path, early_end(length, missing))


def _check_pixels(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise unreadable(
            path,
            f"it has {width:,} x {height:,} = {width * height:,} pixels and the limit is "
            f"{max_pixels:,}; raise the limit (max_pixels) if you trust the file",
        )


def _exif(image: ImageFile) -> bytes | None:
    blob = image.info.get("exif")
    if not blob and (raw := image.info.get("Raw profile type exif")):
        # ImageMagick's way before PNG had a chunk for it: three lines of header, then hex.
        with suppress(ValueError):
            blob = bytes.fromhex("".join(raw.split("\n")[3:]))
    return exif.strip_prefix(blob) if blob else None


def _packet(image: ImageFile) -> bytes | None:
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return found.encode("utf-8", "replace") if isinstance(found, str) else found or None


def _orientation(image: ImageFile, blob: bytes | None, xmp: bytes | None) -> int:
    """What is left to undo: Pillow turns a TIFF upright by itself."""
    if hasattr(image, "tag_v2"):
        return 1
    return exif.orientation(blob) or orientation.in_xmp(xmp)


def _depth(image: ImageFile) -> int:
    return 16 if image.mode.startswith("I;16") or _wide(image) else 8


def _wide(image: ImageFile) -> bool:
    """True for 16-bit samples of which Pillow itself would keep eight."""
    return ";16" in rawmode(image) and not image.mode.startswith(("I", "CMYK"))


def _mode(image: ImageFile) -> str:
    if not _wide(image):
        return "I;16" if image.mode.startswith("I;16") else image.mode
    return f"{rawmode(image).split(';')[0].replace('RGBX', 'RGB').replace('a', 'A')};16"


def _check_kind(path: Path, image: ImageFile, head: bytes) -> None:
    """Refuse what would come out wrong: moving pictures, raw files, samples we do not read."""
    if hasattr(image, "tag_v2"):
        _check_tiff(path, image, head)
    elif getattr(image, "n_frames", 1) > 1:
        frames = getattr(image, "n_frames", 1)
        raise unreadable(path, f"it moves ({frames} frames); save the frame you want as a picture")
    if image.mode not in _READ_MODES:
        raise unreadable(
            path,
            f"its pixels are of a kind (mode {image.mode}) that restorekit does not read; save it "
            "as RGB or grey with 8 or 16 bits a sample",
        )
    if image.mode == "CMYK" and not image.info.get("icc_profile"):
        raise unreadable(
            path,
            "it is CMYK without a colour profile, so its colours are unknown; convert it to RGB "
            "in a program that knows its inks",
        )


def _check_tiff(path: Path, image: Any, head: bytes) -> None:
    tags = image.tag_v2
    reduced = tags.get(_NEW_SUBFILE_TYPE, 0) == 1
    if head[8:10] == b"CR" or _DNG_VERSION in tags or (reduced and _SUB_FILES in tags):
        raise unreadable(path, "it is a camera raw file; develop it to TIFF or JPEG first")
    if _loses_bits(image, tags):
        raise unreadable(
            path,
            "its samples have more than 8 bits but lie so that only 8 would be read; save it again "
            "as interleaved RGB or grey with 16 bits a sample",
        )
    with quiet():
        pages = _pages(image)
    if pages > 1:
        raise unreadable(path, f"it has {pages} pages; save the page you want as a picture")


def _loses_bits(image: ImageFile, tags: Any) -> bool:
    """True for deep samples that Pillow cannot hand over whole: in planes of their own, or in a
    mode of 8 bits. (CMYK goes through a profile at 8 bits and is noted.)"""
    bits = tags.get(_BITS, 1)
    if max(bits if isinstance(bits, tuple) else (bits,)) <= 8 or image.mode in ("CMYK", "I", "F"):
        return False
    planes = tags.get(_PLANAR, 1) == 2 and len(image.getbands()) > 1
    return planes or _depth(image) == 8


def _pages(image: Any) -> int:
    """Pages that are not small copies of another page."""
    count = image.n_frames
    if count == 1:
        return 1
    whole = 0
    for number in range(count):
        image.seek(number)
        whole += image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) != 1
    image.seek(0)
    return whole
