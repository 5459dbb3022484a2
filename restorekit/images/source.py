"""An opened file whose header is known and allowed, and whose pixels are still packed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import features
from PIL.ImageFile import ImageFile

from restorekit.images import boxes, exif, formats, gif, orientation, png_chunks, tiff_survey, webp
from restorekit.images.failures import early_end, reading, unreadable
from restorekit.images.formats import Format
from restorekit.images.picture import Header
from restorekit.images.quiet import quiet
from restorekit.images.survey import Survey
from restorekit.images.tiff_samples import Layout, Tiff, layout_of

_READ_MODES = frozenset(
    {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"}
)
_BYTES_PER_PIXEL = 32  # four channels of 64 bits: more than any picture that is read has
_SMALL = 1 << 28  # bytes of a file that is no danger, whatever it holds
_NEW_SUBFILE_TYPE, _BITS, _ORIENTATION, _SUB_FILES, _DNG_VERSION = 254, 258, 274, 330, 50706
_SAMPLE_FORMAT, _SIGNED = 339, 2
_SURVEYS: dict[str, Callable[[BinaryIO, int], Survey]] = {
    "PNG": png_chunks.survey,
    "WEBP": webp.survey,
    "GIF": gif.survey,
    "AVIF": boxes.survey,
    "HEIC": boxes.survey,
    "JPEG2000": boxes.survey,
    "TIFF": tiff_survey.survey,
}


@dataclass(frozen=True)
class Source:
    """A picture file: `image` is Pillow's, not loaded, at the frame that `header` describes.

    `orientation` is still to be undone; `layout` says how the samples of a TIFF lie that Pillow
    would not hand over whole; `pages` are Pillow's numbers of the frames.
    """

    path: Path
    file: BinaryIO
    image: ImageFile
    header: Header
    survey: Survey
    pages: tuple[int, ...]
    orientation: int
    exif: bytes | None
    xmp: bytes | None
    layout: Layout | None

    @property
    def rawmode(self) -> str:
        """How the samples lie in the file, in Pillow's words ("RGB;16B")."""
        return rawmode(self.image)

    def reopen(self) -> ImageFile:
        """The same picture once more, not loaded."""
        return _pillow(self.path, formats.format_for(self.header.format), self.file)

    def at(self, frame: int, max_pixels: int) -> Source:
        """The same file at another of its frames. Raises ImageError where that cannot be read."""
        if isinstance(self.image, Tiff):
            self.image.info.clear()  # or a page would inherit the profile of the one before
        with quiet(max_pixels):
            self.image.seek(self.pages[frame])
        return _described(self, self.image, max_pixels)


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


def _pillow(path: Path, entry: Format, file: BinaryIO) -> ImageFile:
    """Pillow's reader of this format, made without Image.open: only ours are tried."""
    module, kind = entry.plugin.rsplit(".", 1)
    if entry.feature and not features.check(entry.feature):
        raise unreadable(path, f"it is {entry.name}, which this build of Pillow does not read")
    file.seek(0)
    try:
        reader = Tiff if entry.name == "TIFF" else getattr(import_module(module), kind)
    except ImportError:
        raise unreadable(
            path,
            f"it is {entry.name}, for which a part is missing: pip install "
            f"'restorekit[{entry.extra}]'",
        ) from None
    with quiet():
        return reader(file)


def _examine(path: Path, file: BinaryIO, max_pixels: int) -> Source:
    length = file.seek(0, 2)
    file.seek(0)
    head = file.read(32)
    entry = formats.sniff(head)
    if not length:
        raise early_end(path, length)
    if entry is None:
        raise unreadable(path, _stranger(head))
    found = _SURVEYS.get(entry.name, _no_survey)(file, length)
    check_pixels(path, *found.size, max_pixels)
    if found.missing:
        raise early_end(path, length, max(found.missing, 0))
    image = _pillow(path, entry, file)
    if entry.name == "TIFF":
        _check_raw(path, image, head)
    pages = _pages(image)
    header = Header(entry.name, 0, 0, "", 0, len(pages))
    source = Source(path, file, image, header, found, pages, 1, None, None, None)
    return source.at(0, max_pixels) if pages[0] else _described(source, image, max_pixels)


def _described(source: Source, image: ImageFile, max_pixels: int) -> Source:
    """The source with all that the frame at which its image stands says of itself."""
    name = source.header.format
    layout = layout_of(image.tag_v2) if isinstance(image, Tiff) else None
    blob = _exif(source.survey.exif or image.info.get("exif"))
    xmp = source.survey.xmp or _packet(image)
    turn = _orientation(image, blob, xmp, layout)
    width, height = image.size
    if orientation.turned(turn) and layout is None:  # a TIFF's size is that of the upright picture
        width, height = height, width
    mode, depth = (layout.mode, layout.depth) if layout else (_mode(image), _depth(image))
    if name == "GIF" and len(source.pages) > 1:
        mode = "RGBA"  # whatever a frame is made of, what it shows may have holes
    check_pixels(source.path, width, height, max_pixels)
    if layout is None:
        _check_kind(source.path, image)
    header = replace(source.header, width=width, height=height, mode=mode, depth=depth)
    return replace(source, header=header, orientation=turn, exif=blob, xmp=xmp, layout=layout)


def _no_survey(_file: BinaryIO, _length: int) -> Survey:
    """Of a JPEG or a BMP, whose decoders see every byte."""
    return Survey()


def _stranger(head: bytes) -> str:
    if name := formats.foreign(head):
        return f"it is {name}; save it as PNG or TIFF first"
    return f"its content is not that of {formats.format_names()}; check what it is"


def check_pixels(path: Path, width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError for a picture of more pixels than are allowed."""
    if width * height > max_pixels:
        raise unreadable(
            path,
            f"it has {width:,} x {height:,} = {width * height:,} pixels and the limit is "
            f"{max_pixels:,}; raise the limit (--max-pixels) if you trust the file",
        )


def check_bytes(path: Path, length: int, max_pixels: int) -> None:
    """Raise ImageError for a file that no picture of so many pixels would need, before it is read."""
    most = max(_BYTES_PER_PIXEL * max_pixels, _SMALL)
    if length > most:
        raise unreadable(
            path,
            f"it has {length:,} bytes and the limit is {most:,}, {_BYTES_PER_PIXEL} for each pixel "
            "allowed; raise that limit (--max-pixels) if you trust the file",
        )


def _exif(blob: bytes | None) -> bytes | None:
    return exif.strip_prefix(blob) if blob else None


def _packet(image: ImageFile) -> bytes | None:
    found = image.info.get("xmp")
    return found.encode("utf-8", "replace") if isinstance(found, str) else found or None


def _orientation(
    image: ImageFile, blob: bytes | None, xmp: bytes | None, layout: Layout | None
) -> int:
    """What is left to undo: Pillow turns a TIFF upright by itself, where it reads its pixels."""
    if isinstance(image, Tiff):
        stated = image.tag_v2.get(_ORIENTATION, 1) if layout else 1
        return stated if stated in range(1, 9) else 1
    return exif.orientation(blob) or orientation.in_xmp(xmp)


def _depth(image: ImageFile) -> int:
    return 16 if image.mode.startswith("I;16") or _wide(image) or _is_deep_heif(image) else 8


def _is_deep_heif(image: ImageFile) -> bool:
    return image.format == "HEIF" and image.info.get("bit_depth", 8) > 8


def _wide(image: ImageFile) -> bool:
    """True for 16-bit samples of which Pillow itself would keep eight."""
    # A moving PNG's frames are laid over one another by Pillow, at 8 bits.
    moves = getattr(image, "n_frames", 1) > 1
    return not moves and ";16" in rawmode(image) and not image.mode.startswith(("I", "CMYK"))


def _mode(image: ImageFile) -> str:
    if _is_deep_heif(image) and image.mode in ("RGB", "RGBA"):
        return f"{image.mode};16"
    if not _wide(image):
        return "I;16" if image.mode.startswith("I;16") else image.mode
    return f"{rawmode(image).split(';')[0].replace('RGBX', 'RGB').replace('a', 'A')};16"


def _check_kind(path: Path, image: ImageFile) -> None:
    """Refuse samples that would come out wrong."""
    if isinstance(image, Tiff) and _loses_bits(image):
        raise unreadable(
            path,
            "its samples have more than 8 bits but lie so that only 8 would be read; save it again "
            "as RGB or grey with 16 bits a sample",
        )
    if isinstance(image, Tiff) and _SIGNED in _formats(image):
        raise unreadable(
            path,
            "its samples are signed, and where black and white lie among them is unknown; save it as "
            "RGB or grey with 8 or 16 bits a sample, without a sign",
        )
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


def _check_raw(path: Path, image: Any, head: bytes) -> None:
    tags = image.tag_v2
    reduced = tags.get(_NEW_SUBFILE_TYPE, 0) == 1
    if head[8:10] == b"CR" or _DNG_VERSION in tags or (reduced and _SUB_FILES in tags):
        raise unreadable(path, "it is a camera raw file; develop it to TIFF or JPEG first")


def _loses_bits(image: Tiff) -> bool:
    """True for deep samples that Pillow would hand over in a mode of 8 bits. (CMYK goes through a
    profile at 8 bits and is noted.)"""
    bits = image.tag_v2.get(_BITS, 1)
    deepest = max(bits if isinstance(bits, tuple) else (bits,))
    return deepest > 8 and image.mode not in ("CMYK", "I", "F") and _depth(image) == 8


def _formats(image: Tiff) -> tuple[int, ...]:
    """What the numbers of a TIFF are, for each channel or for all: unsigned, signed, floats."""
    found = image.tag_v2.get(_SAMPLE_FORMAT, 1)
    return found if isinstance(found, tuple) else (found,)


def _pages(image: ImageFile) -> tuple[int, ...]:
    """Pillow's numbers of the pictures that are not small or still copies of another."""
    if image.format == "HEIF":  # the others are further pictures, not moments or pages of this one
        return (image.tell(),)
    with quiet():
        count = getattr(image, "n_frames", 1)
        if not isinstance(image, Tiff):
            # The picture for programs that do not play a PNG, where it is not one of the frames.
            still = int(getattr(image, "default_image", False) and count > 1)
            return tuple(range(still, count))
        whole = []
        for number in range(count):
            image.seek(number)
            if image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) != 1:
                whole.append(number)
        if count > 1:
            image.info.clear()  # or the first page would have the profile of a later one
            image.seek(0)
    return tuple(whole or [0])
