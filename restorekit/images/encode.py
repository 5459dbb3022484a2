"""From a Picture to the bytes of a file: what the format cannot hold is said, then given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restorekit.errors import UsageError
from restorekit.images import png, tiff
from restorekit.images.alpha import over
from restorekit.images.formats import Format
from restorekit.images.jpeg import quality_of
from restorekit.images.metadata import fit
from restorekit.images.picture import Metadata, Picture, Planes, quantise, unit

DEFAULT_QUALITY = 95
# A restored picture written as coarsely as a poor source would lose what was restored.
LOWEST_QUALITY = 90


@dataclass(frozen=True)
class Prepared:
    """Samples (H, W, C) uint8 or uint16 and metadata as the format holds them, and notes."""

    samples: Planes
    metadata: Metadata
    quality: int | None
    notes: tuple[str, ...]


def prepare(picture: Picture, target: Format, quality: int | None) -> Prepared:
    """What will be written; `quality` is 1 to 100, None for the format's own choice.

    Raises UsageError for another quality, ImageError for values that are not numbers.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality must be 1 to 100, not {quality}")
    notes: list[str] = []
    color, alpha = _shown(picture, target, notes)
    depth = 16 if picture.depth > 8 and target.deep else 8
    if picture.depth > depth:
        source = "floating-point" if picture.depth == 32 else f"{picture.depth}-bit"
        if depth == 8:
            notes.append(f"{target.name} holds 8 bits a sample: the {source} source was rounded")
    if target.name == "TIFF" and depth == 16 and alpha is not None and color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
        notes.append("16-bit grey with transparency was written as RGBA, which programs can read")
    samples = _samples(color, alpha, depth)
    size = (picture.width, picture.height)
    fitted = fit(picture.metadata, target, size, channels=color.shape[2])
    return Prepared(samples, fitted.metadata, quality, (*notes, *fitted.notes))


def _shown(picture: Picture, target: Format, notes: list[str]) -> tuple[Planes, Planes | None]:
    """Colour and alpha in the channels that the format has."""
    color, alpha = picture.color, picture.alpha
    if alpha is not None and not target.alpha:
        if unit(alpha).min() < 1:
            notes.append(f"{target.name} has no transparency: the picture was laid over white")
            color = over(color, alpha, 1.0)
        alpha = None
    if not target.grey and color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
    return color, alpha


def _samples(color: Planes, alpha: Planes | None, depth: int) -> Planes:
    """(H, W, C) integers, alpha last."""
    if alpha is None:
        return quantise(color, depth)
    return np.concatenate([quantise(color, depth), quantise(alpha[..., None], depth)], axis=2)


def encode(file: BinaryIO, prepared: Prepared, target: Format) -> None:
    """Write the file's bytes: the same for the same picture."""
    ENCODERS[target.name](file, prepared)


def _png(file: BinaryIO, prepared: Prepared) -> None:
    png.write(file, prepared.samples, prepared.metadata)


def _tiff(file: BinaryIO, prepared: Prepared) -> None:
    tiff.write(file, prepared.samples, prepared.metadata)


def _jpeg(file: BinaryIO, prepared: Prepared) -> None:
    coding = prepared.metadata.jpeg
    quality = max(quality_of(coding), LOWEST_QUALITY) if coding else DEFAULT_QUALITY
    options = _carried(prepared.metadata, exif_prefix=b"Exif\0\0")
    if comment := prepared.metadata.text.get("Comment"):
        options["comment"] = comment.encode("utf-8", "replace")
    if prepared.metadata.dpi:
        options["dpi"] = prepared.metadata.dpi
    _image(prepared.samples).save(
        file,
        "JPEG",
        quality=prepared.quality or quality,
        subsampling=max(coding.subsampling, 0) if coding else 0,
        optimize=True,
        **options,
    )


def _webp(file: BinaryIO, prepared: Prepared) -> None:
    """Without loss unless the source had loss or a quality was asked for.

    Method 2 at effort 20 takes a third of the time of the default (130 against 400 ms a
    megapixel) for files less than 1 % larger.
    """
    if prepared.quality or prepared.metadata.lossy:
        coding: dict[str, Any] = {"quality": prepared.quality or DEFAULT_QUALITY}
    else:
        coding = {"lossless": True, "quality": 20, "exact": True}
    options = _carried(prepared.metadata)
    _image(prepared.samples).save(file, "WEBP", method=2, **coding, **options)


def _bmp(file: BinaryIO, prepared: Prepared) -> None:
    dpi = prepared.metadata.dpi
    _image(prepared.samples).save(file, "BMP", **({"dpi": dpi} if dpi else {}))


ENCODERS: dict[str, Callable[[BinaryIO, Prepared], None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
}


def _carried(metadata: Metadata, exif_prefix: bytes = b"") -> dict[str, Any]:
    """Pillow's keywords for profile, EXIF and XMP, those that are there."""
    stated = {
        "icc_profile": metadata.icc,
        "exif": metadata.exif and exif_prefix + metadata.exif,
        "xmp": metadata.xmp,
    }
    return {key: value for key, value in stated.items() if value}


def _image(samples: Planes) -> Image.Image:
    """A Pillow image of (H, W, C) uint8 samples."""
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
