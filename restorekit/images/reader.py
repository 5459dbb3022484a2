"""Reading a picture, or only its header."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageCms

from restorekit.images import png_chunks
from restorekit.images.colour import cmyk_to_srgb, srgb_profile
from restorekit.images.decode import decode
from restorekit.images.exr_pictures import light_header, light_picture
from restorekit.images.failures import reading, unreadable
from restorekit.images.formats import Format, sniff
from restorekit.images.metadata import gather
from restorekit.images.orientation import orient
from restorekit.images.picture import Header, Metadata, Picture
from restorekit.images.source import Source, check_bytes, opened

MAX_PIXELS = 500_000_000
MAX_FRAMES = 10_000


def probe(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Header:
    """What a file says of itself, upright, without decoding its pixels.

    Raises ImageError as `read` does, except for damage that only the pixels show and for files of
    several frames or pages, which it counts.
    """
    path = Path(path)
    if entry := _light(path, max_pixels):
        return light_header(path, entry, max_pixels)
    with opened(path, max_pixels) as source:
        return source.header


def _light(path: Path, max_pixels: int) -> Format | None:
    """The format of a file of linear light; None for any other. Raises ImageError where it is
    longer than any picture of so many pixels."""
    with reading(path), path.open("rb") as file:
        check_bytes(path, file.seek(0, 2), max_pixels)
        file.seek(0)
        entry = sniff(file.read(32))
    return entry if entry and entry.light else None


def read(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a file, told by its content and not by its name, upright.

    Raises ImageError, one sentence with the file's name, when it is missing, empty, damaged,
    cut short, larger than `max_pixels` or than such a picture's file could be, of a kind that would
    come out wrong, or more than one.
    """
    path = Path(path)
    if entry := _light(path, max_pixels):
        return light_picture(path, entry, max_pixels)
    with _whole(path, max_pixels) as source:
        if source.header.frames > 1:
            what = "pages" if source.header.format == "TIFF" else "frames"
            raise unreadable(
                path,
                f"it has {source.header.frames} {what} and one picture was asked for; give the "
                "file to a restorekit command, such as upscale, which does all of them, or save "
                f"the one you want of the {what} alone",
            )
        return _picture(source)


def frames(
    path: Path | str, *, max_pixels: int = MAX_PIXELS, max_frames: int = MAX_FRAMES
) -> Iterator[Picture]:
    """The frames or pages of a file in turn, each upright and as it is shown; one of a picture.

    Lazy: one frame is decoded at a time, and nothing is opened before the first is asked for.
    What earlier frames leave standing is laid under the later ones. `max_pixels` is a frame's.

    Raises ImageError as `read` does, when a frame is reached that cannot be read, and at once for
    more than `max_frames`.
    """
    path = Path(path)
    if _light(path, max_pixels):
        yield read(path, max_pixels=max_pixels)
        return
    with _whole(path, max_pixels) as source:
        count = source.header.frames
        if count > max_frames:
            raise unreadable(
                path,
                f"it has {count:,} frames and the limit is {max_frames:,}; split it into shorter files",
            )
        yield _picture(source)
        for number in range(1, count):
            yield _picture(source.at(number, max_pixels))


@contextmanager
def _whole(path: Path, max_pixels: int) -> Iterator[Source]:
    """Open a file as `opened` does, and check what a decoder of its pixels does not."""
    with opened(path, max_pixels) as source:
        if source.header.format == "PNG":
            png_chunks.check(source.file)
        yield source


def _picture(source: Source) -> Picture:
    planes = decode(source, lambda image: _to_rgb(source.path, image))
    gathered = gather(source)
    metadata, notes = gathered.metadata, (*planes.notes, *gathered.notes)
    if source.header.mode == "CMYK":
        metadata = _with_srgb(metadata)
        notes += ("its CMYK colours were converted to sRGB, at 8 bits, by its own profile",)
    turn = source.orientation
    return Picture(
        color=orient(planes.color, turn),
        alpha=None if planes.alpha is None else orient(planes.alpha, turn),
        depth=source.header.depth,
        mode=source.header.mode,
        format=source.header.format,
        metadata=metadata,
        notes=notes,
    )


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    try:
        return cmyk_to_srgb(image)
    except (ImageCms.PyCMSError, OSError) as error:
        raise unreadable(
            path,
            "it is CMYK and its colour profile cannot be used; convert it to RGB in a program "
            "that knows its inks",
        ) from error


def _with_srgb(metadata: Metadata) -> Metadata:
    return replace(metadata, icc=srgb_profile())
