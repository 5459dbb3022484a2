"""Reading a picture, or only its header."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageCms

from restorekit.images.colour import cmyk_to_srgb, srgb_profile
from restorekit.images.decode import decode
from restorekit.images.failures import unreadable
from restorekit.images.metadata import gather
from restorekit.images.orientation import orient
from restorekit.images.picture import Header, Metadata, Picture
from restorekit.images.source import opened

MAX_PIXELS = 500_000_000


def probe(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Header:
    """What a file says of itself, upright, without decoding its pixels.

    Raises ImageError as `read` does, except for damage that only the pixels show.
    """
    with opened(Path(path), max_pixels) as source:
        return source.header


def read(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a file, told by its content and not by its name, upright.

    Raises ImageError, one sentence with the file's name, when it is missing, empty, damaged,
    cut short, larger than `max_pixels`, or of a kind that would come out wrong.
    """
    path = Path(path)
    with opened(path, max_pixels) as source:
        planes = decode(source, lambda image: _to_rgb(path, image))
        gathered = gather(source)
        metadata, notes = gathered.metadata, gathered.notes
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
