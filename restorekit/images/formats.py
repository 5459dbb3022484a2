"""The one table of file formats; it needs neither Pillow nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorekit.errors import ImageError, UsageError

_ANCILLARY = frozenset({"icc", "exif", "xmp", "dpi"})


@dataclass(frozen=True)
class Format:
    """What a file format is called, how it begins, and what it can hold.

    `max_side` is in pixels; `deep` means 16 bits a sample; `holds` names the fields of
    `Metadata` that survive in it; `plugin` is Pillow's module and class.
    """

    name: str
    suffixes: tuple[str, ...]
    signatures: tuple[bytes, ...]
    max_side: int
    alpha: bool
    grey: bool
    deep: bool
    lossless: bool
    holds: frozenset[str]
    plugin: str


FORMATS = (
    Format(
        name="PNG",
        suffixes=(".png", ".apng"),
        signatures=(b"\x89PNG\r\n\x1a\n",),
        max_side=2**31 - 1,
        alpha=True,
        grey=True,
        deep=True,
        lossless=True,
        holds=_ANCILLARY | {"text"},
        plugin="PngImagePlugin.PngImageFile",
    ),
    Format(
        name="JPEG",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        signatures=(b"\xff\xd8\xff",),
        # libjpeg's own limit, below the 65,535 of the format.
        max_side=65_500,
        alpha=False,
        grey=True,
        deep=False,
        lossless=False,
        holds=_ANCILLARY,
        plugin="JpegImagePlugin.JpegImageFile",
    ),
    Format(
        name="WEBP",
        suffixes=(".webp",),
        signatures=(b"RIFF....WEBP",),
        max_side=16_383,
        alpha=True,
        grey=False,
        deep=False,
        lossless=True,
        holds=frozenset({"icc", "exif", "xmp"}),
        plugin="WebPImagePlugin.WebPImageFile",
    ),
    Format(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        signatures=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        max_side=2**31 - 1,
        alpha=True,
        grey=True,
        deep=True,
        lossless=True,
        holds=_ANCILLARY,
        plugin="TiffImagePlugin.TiffImageFile",
    ),
    Format(
        name="BMP",
        suffixes=(".bmp", ".dib"),
        signatures=(b"BM",),
        max_side=2**31 - 1,
        # Pillow writes four channels but reads them back as three.
        alpha=False,
        grey=True,
        deep=False,
        lossless=True,
        holds=frozenset({"dpi"}),
        plugin="BmpImagePlugin.BmpImageFile",
    ),
)

# Pictures that are not read yet, by their first bytes: a person is told what the file is.
_FOREIGN = (
    (b"GIF8", "a GIF"),
    (b"....ftypavif", "an AVIF"),
    (b"....ftypavis", "an AVIF"),
    (b"....ftyphe", "a HEIC"),
    (b"....ftypmif1", "a HEIF"),
    (b"....ftypcrx", "a camera raw file"),
    (b"....JXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"....jP  ", "a JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"v/1\x01", "an OpenEXR file"),
    (b"#?RADIANCE", "a Radiance HDR file"),
    (b"%PDF", "a PDF"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
)
LONGEST_SIGNATURE = 16


def _begins(head: bytes, signature: bytes) -> bool:
    """True when `head` starts with `signature`, in which a dot stands for any byte."""
    return len(head) >= len(signature) and all(
        want in (0x2E, seen) for want, seen in zip(signature, head, strict=False)
    )


def sniff(head: bytes) -> Format | None:
    """The format whose signature opens `head` (16 bytes are enough), or None."""
    return next((f for f in FORMATS if any(_begins(head, s) for s in f.signatures)), None)


def foreign(head: bytes) -> str:
    """What a picture of an unread format is called, with its article; "" when unknown."""
    return next((name for signature, name in _FOREIGN if _begins(head, signature)), "")


def format_names() -> str:
    """The formats as a phrase: "PNG, JPEG, WEBP, TIFF or BMP"."""
    *first, last = (f.name for f in FORMATS)
    return f"{', '.join(first)} or {last}"


def format_for(suffix_or_name: str) -> Format:
    """The format of a suffix (".jpg", "jpg") or a name ("JPEG"), in any case.

    Raises UsageError when there is none.
    """
    key = suffix_or_name.lower().removeprefix(".")
    for entry in FORMATS:
        if key == entry.name.lower() or f".{key}" in entry.suffixes:
            return entry
    raise UsageError(f"{suffix_or_name!r} is not a format restorekit writes: use {format_names()}")


def is_image_suffix(path: Path | str) -> bool:
    """True when a file of this name should be a picture restorekit reads."""
    return any(Path(path).suffix.lower() in entry.suffixes for entry in FORMATS)


def limits(format: str) -> int:
    """The longest side a format can hold, in pixels."""
    return format_for(format).max_side


def check_size(format: str, width: int, height: int) -> None:
    """Raise ImageError when a picture of this size (in pixels) does not fit in `format`."""
    entry = format_for(format)
    if max(width, height) > entry.max_side:
        raise ImageError(
            f"{entry.name} holds at most {entry.max_side:,} pixels a side and the result has "
            f"{width:,} x {height:,}: write PNG or TIFF, or ask for a smaller size"
        )
    if min(width, height) < 1:
        raise ImageError(
            f"a picture of {width} x {height} pixels cannot be written: both sides must be at "
            "least 1"
        )
