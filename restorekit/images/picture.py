"""A decoded picture, and the way from its floats to the integers of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from restorekit.errors import ImageError, UsageError

if TYPE_CHECKING:
    from restorekit.images.exr import ExrFile

Planes = np.ndarray
# Rows turned to integers at a time: the temporaries stay small however large the picture is.
_ROWS = 64
_NOT_NUMBERS = (
    "the picture holds values that are not numbers (NaN or infinity), so nothing was written: "
    "run it again in full precision"
)


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was coded: `tables` (64 steps each, luma first) and Pillow's `subsampling`
    (0 = 4:4:4, 1 = 4:2:2, 2 = 4:2:0, -1 = grey or another)."""

    tables: tuple[tuple[int, ...], ...]
    subsampling: int


@dataclass(frozen=True)
class TiffCoding:
    """How a TIFF was coded: `compression` is "none", "lzw", "packbits" or "deflate", `tile` the
    (height, width) of its tiles where it has tiles, `big` true for BigTIFF."""

    compression: str = "deflate"
    tile: tuple[int, int] | None = None
    big: bool = False


@dataclass(frozen=True)
class Metadata:
    """What a file carries beside its pixels.

    `exif` is a TIFF structure without the "Exif" prefix; read from a file, its orientation
    is 1 and its thumbnail gone; the writer sets its pixel dimensions. `iptc` is an IIM record
    (IPTC-NAA). `dpi` is horizontal, vertical, in dots an inch. `colour` holds a PNG's own words
    on colour, by the names of their chunks ("gAMA", "cHRM", "sRGB", "cICP", ...). `lossy` tells
    whether the source's pixels were coded with loss.

    A frame of a moving picture is shown for `duration` milliseconds, and all of them `loop` times
    over, 0 without end. `exr` is the whole OpenEXR file that the picture is a layer of.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    colour: Mapping[str, bytes] = field(default_factory=dict)
    jpeg: JpegCoding | None = None
    tiff: TiffCoding | None = None
    lossy: bool = False
    duration: float | None = None
    loop: int | None = None
    exr: ExrFile | None = None


@dataclass(frozen=True)
class Header:
    """What a file says of itself: `width` and `height` in pixels, upright; `mode` and
    `depth` as in `Picture`, of the first where the file holds several `frames` or pages."""

    format: str
    width: int
    height: int
    mode: str
    depth: int
    frames: int = 1


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded image: colour planes, alpha, and everything else a file carried.

    color: (H, W, C) float32 in [0, 1], C = 1 (grey) or 3 (RGB), upright, in the image's own
        encoding (its profile is in `metadata.icc`), not premultiplied by alpha. A large result
        may hold its final uint8 or uint16 instead, a quarter of the memory. Of EXR and PFM files:
        linear light, of any height, as stored.
    alpha: (H, W) float32 in [0, 1]; None where the source had none.
    depth: bits a sample of the source, 8 or 16; 32 for floats.
    mode: the source's mode in Pillow's words: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK",
        "I;16", "F"; with ";16" or ";32" where Pillow has no word ("RGB;16").
    format: "PNG", "JPEG", ...; "" for an image given in memory.
    notes: sentences a person should see, e.g. that CMYK was converted.
    passes: further pictures (H, W, 3) float32 of the same file ("albedo", "normal").

    Raises UsageError when built with planes of another shape or type.
    """

    color: Planes
    alpha: Planes | None = None
    depth: int = 8
    mode: str = "RGB"
    format: str = ""
    metadata: Metadata = Metadata()
    notes: tuple[str, ...] = ()
    passes: Mapping[str, Planes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.color.ndim != 3 or self.color.shape[2] not in (1, 3):
            raise UsageError(f"colour must be (H, W, 1) or (H, W, 3), not {self.color.shape}")
        if self.alpha is not None and self.alpha.shape != self.color.shape[:2]:
            raise UsageError(
                f"alpha {self.alpha.shape} and colour {self.color.shape} differ in height or width"
            )
        planes = (self.color,) if self.alpha is None else (self.color, self.alpha)
        if any(plane.dtype not in (np.float32, np.uint8, np.uint16) for plane in planes):
            raise UsageError("the planes of a Picture must be float32, uint8 or uint16")

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.color.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.color.shape[1]


def quantise(values01: Planes, depth: int) -> Planes:
    """Integers of the same shape: [0, 1] becomes [0, 2^depth - 1] as uint8 or uint16.

    Values outside are clipped; a half goes to the even neighbour. Raises ImageError for NaN.
    Integers span their type: those of this depth are returned as they are.
    """
    if values01.dtype.kind == "u" and values01.dtype.itemsize * 8 == depth:
        return values01
    top, dtype = {8: (255, np.uint8), 16: (65535, np.uint16)}[depth]
    out = np.empty(values01.shape, dtype)
    for start in range(0, len(values01), _ROWS):
        block = np.clip(unit(values01[start : start + _ROWS]), 0, 1)
        if np.isnan(block).any():
            raise ImageError(_NOT_NUMBERS)
        np.multiply(block, top, out=block)
        out[start : start + _ROWS] = np.rint(block, out=block)
    return out


def checked_floats(values01: Planes) -> Planes:
    """The values as float32, neither scaled nor clipped. Raises ImageError for NaN and infinity."""
    values = unit(values01).astype(np.float32, copy=False)
    for start in range(0, len(values), _ROWS):
        if not np.isfinite(values[start : start + _ROWS]).all():
            raise ImageError(_NOT_NUMBERS)
    return values


def to_unit(samples: Planes, top: int) -> Planes:
    """float32 in [0, 1] of the same shape, from integers in [0, top]."""
    return np.divide(samples, np.float32(top), dtype=np.float32)


def unit(plane: Planes) -> Planes:
    """A plane of a Picture as floats in [0, 1], whether it holds floats or final integers."""
    return to_unit(plane, np.iinfo(plane.dtype).max) if plane.dtype.kind == "u" else plane
