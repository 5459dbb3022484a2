"""The one table of file formats; it needs neither Pillow nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restorekit.errors import ImageError, UsageError

_ANCILLARY = frozenset({"icc", "exif", "xmp"})


@dataclass(frozen=True)
class Format:
    """What a file format is called, how it begins, and what it can hold.

    `max_side` is in pixels; `deep` means 16 bits a sample, `floating` 32-bit floats, `light`
    linear light of any height, `moving`
    several pictures in turn, `pages` several of any kind; `holds` names the fields of `Metadata`
    that survive in it, with "comment" for the one text that is a comment; `plugin` is the module
    and class that open it, `feature` Pillow's name for a part that not every Pillow has, `extra`
    the part of restorekit that has to be installed for it.
    """

    name: str
    suffixes: tuple[str, ...]
    signatures: tuple[bytes, ...]
    max_side: int
    plugin: str
    holds: frozenset[str]
    alpha: bool = True
    grey: bool = True
    deep: bool = False
    floating: bool = False
    light: bool = False
    lossless: bool = True
    moving: bool = False
    pages: bool = False
    feature: str = ""
    extra: str = ""


FORMATS = (
    Format(
        name="PNG",
        suffixes=(".png", ".apng"),
        signatures=(b"\x89PNG\r\n\x1a\n",),
        max_side=2**31 - 1,
        plugin="PIL.PngImagePlugin.PngImageFile",
        holds=_ANCILLARY | {"dpi", "iptc", "text", "comment", "colour"},
        deep=True,
        moving=True,
    ),
    Format(
        name="JPEG",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        signatures=(b"\xff\xd8\xff",),
        # libjpeg's own limit, below the 65,535 of the format.
        max_side=65_500,
        plugin="PIL.JpegImagePlugin.JpegImageFile",
        holds=_ANCILLARY | {"dpi", "iptc", "comment"},
        alpha=False,
        lossless=False,
    ),
    Format(
        name="WEBP",
        suffixes=(".webp",),
        signatures=(b"RIFF....WEBP",),
        max_side=16_383,
        plugin="PIL.WebPImagePlugin.WebPImageFile",
        holds=_ANCILLARY,
        grey=False,
        moving=True,
    ),
    Format(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        signatures=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        max_side=2**31 - 1,
        plugin="PIL.TiffImagePlugin.TiffImageFile",
        holds=_ANCILLARY | {"dpi", "iptc"},
        deep=True,
        floating=True,
        pages=True,
    ),
    Format(
        name="BMP",
        suffixes=(".bmp", ".dib"),
        signatures=(b"BM",),
        max_side=2**31 - 1,
        plugin="PIL.BmpImagePlugin.BmpImageFile",
        holds=frozenset({"dpi"}),
        # Pillow writes four channels but reads them back as three.
        alpha=False,
    ),
    Format(
        name="GIF",
        suffixes=(".gif",),
        signatures=(b"GIF87a", b"GIF89a"),
        max_side=65_535,
        plugin="PIL.GifImagePlugin.GifImageFile",
        holds=frozenset({"comment"}),
        # Without loss only where a picture has few colours.
        lossless=False,
        moving=True,
    ),
    Format(
        name="AVIF",
        suffixes=(".avif", ".avifs"),
        signatures=(
            b"....ftypavif",
            b"....ftypavis",
            b"....ftypmif1....avif",
            b"....ftypmif1....mif1avif",
        ),
        max_side=32_768,  # libavif's own limit
        plugin="PIL.AvifImagePlugin.AvifImageFile",
        holds=_ANCILLARY,
        lossless=False,
        moving=True,
        feature="avif",
    ),
    Format(
        name="JPEG2000",
        suffixes=(".jp2", ".j2k", ".jpx", ".jpf"),
        signatures=(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
        max_side=2**31 - 1,
        plugin="PIL.Jpeg2KImagePlugin.Jpeg2KImageFile",
        holds=_ANCILLARY | {"comment"},
        feature="jpg_2000",
    ),
    Format(
        name="HEIC",
        suffixes=(".heic", ".heif", ".hif"),
        signatures=(b"....ftyphe", b"....ftypmif1", b"....ftypmsf1"),
        max_side=16_384,
        plugin="pillow_heif.HeifImageFile",
        holds=_ANCILLARY,
        lossless=False,
        extra="heif",
    ),
    Format(
        name="EXR",
        suffixes=(".exr",),
        signatures=(b"v/1\x01",),
        max_side=2**31 - 1,
        plugin="OpenEXR.File",
        holds=frozenset({"exr"}),
        alpha=False,  # of the file it comes from: kept there
        deep=True,
        floating=True,
        light=True,
        extra="render",
    ),
    Format(
        name="PFM",
        suffixes=(".pfm",),
        signatures=(b"PF\n", b"Pf\n", b"PF ", b"Pf "),
        max_side=10**9 - 1,
        plugin="restorekit.images.pfm",
        holds=frozenset(),
        alpha=False,
        floating=True,
        light=True,
    ),
)

# Pictures that are not read yet, by their first bytes: a person is told what the file is.
_FOREIGN = (
    (b"....ftypcrx", "a camera raw file"),
    (b"....JXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"8BPS", "a Photoshop document"),
    (b"#?RADIANCE", "a Radiance HDR file"),
    (b"%PDF", "a PDF"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"IIRO", "a camera raw file"),  # Olympus, as the next two
    (b"IIRS", "a camera raw file"),
    (b"MMOR", "a camera raw file"),
    (b"IIU\0", "a camera raw file"),  # Panasonic
    (b"II\xbc\x01", "a JPEG XR"),
    (b"DDS ", "a DirectDraw surface"),
    (b"gimp xcf", "a GIMP document"),
)

_RAW_SUFFIXES = (
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef "
    ".raf .rw2 .rwl .sr2 .srf .srw .x3f"
)
UNREAD_SUFFIXES = frozenset(
    f"{_RAW_SUFFIXES} .hdr .jxl .psd .psb .pnm .pbm .pgm .ppm .pam .tga .pcx .dds .xcf .jxr .wdp "
    ".hdp".split()
)
"""Of photographs and paintings in formats that are not read. Icons and drawings (.ico, .svg) are none:
they are parts of pages and programs."""


def _begins(head: bytes, signature: bytes) -> bool:
    """True when `head` starts with `signature`, in which a dot stands for any byte."""
    return len(head) >= len(signature) and all(
        want in (0x2E, seen) for want, seen in zip(signature, head, strict=False)
    )


def sniff(head: bytes) -> Format | None:
    """The format whose signature opens `head` (32 bytes are enough), or None."""
    return next((f for f in FORMATS if any(_begins(head, s) for s in f.signatures)), None)


def foreign(head: bytes) -> str:
    """What a picture of an unread format is called, with its article; "" when unknown."""
    return next((name for signature, name in _FOREIGN if _begins(head, signature)), "")


def format_names() -> str:
    """The formats as a phrase: "PNG, JPEG, ... or HEIF"."""
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
