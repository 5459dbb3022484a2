"""From a Picture to the bytes of a file: what the format cannot hold is said, then given up."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restorekit.errors import UsageError
from restorekit.images import boxes, heif, jp2, moving, pfm, png, tiff
from restorekit.images.alpha import over, unpremultiply
from restorekit.images.exr_display import from_display, to_display
from restorekit.images.exr_pictures import opacity, write_light_exr
from restorekit.images.formats import Format, format_for
from restorekit.images.jpeg import quality_of
from restorekit.images.metadata import fit, iptc_segment
from restorekit.images.picture import (
    Metadata,
    Picture,
    Planes,
    checked_floats,
    quantise,
    unit,
)

DEFAULT_QUALITY = 95
# A restored picture written as coarsely as a poor source would lose what was restored.
LOWEST_QUALITY = 90


@dataclass(frozen=True)
class Prepared:
    """Samples (H, W, C) uint8, uint16 or float32 and metadata as the format holds them, and notes."""

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
    depth = _depth(picture.depth, target)
    if picture.depth > depth:
        source = "floating-point" if picture.depth == 32 else f"{picture.depth}-bit"
        notes.append(f"{target.name} holds {depth} bits a sample: the {source} source was rounded")
    if target.name == "TIFF" and depth == 16 and alpha is not None and color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
        notes.append("16-bit grey with transparency was written as RGBA, which programs can read")
    if target.name == "GIF" and alpha is not None:
        alpha = _on_or_off(alpha, notes)
    samples = _samples(color, alpha, depth)
    size = (picture.width, picture.height)
    fitted = fit(picture.metadata, target, size, channels=color.shape[2])
    return Prepared(samples, fitted.metadata, quality, (*notes, *fitted.notes))


def _depth(depth: int, target: Format) -> int:
    """The deepest that the format holds and the picture needs."""
    if target.light or (depth == 32 and target.floating):
        return 32
    return 16 if depth > 8 and target.deep else 8


def _on_or_off(alpha: Planes, notes: list[str]) -> Planes:
    """A GIF's transparency."""
    values = unit(alpha)
    sharp = (values >= 0.5).astype(np.float32)
    if not np.array_equal(sharp, values):
        notes.append("GIF has no half-transparent pixels: each became clear or opaque")
    return sharp


def _shown(picture: Picture, target: Format, notes: list[str]) -> tuple[Planes, Planes | None]:
    """Colour and alpha in the channels that the format has."""
    color, alpha = picture.color, picture.alpha
    was_light = bool(picture.format) and format_for(picture.format).light
    if was_light and not target.light:
        alpha = opacity(picture)
        if alpha is not None:
            if (color > alpha[..., None]).any():
                notes.append(
                    "light where it is clear was left out, as far as it is above its alpha"
                )
            color = unpremultiply(color, alpha)
        color = to_display(color)
        notes.append(
            f"its light was display-coded (sRGB) for {target.name}, what is above 1 cut off"
        )
    if target.light and not was_light:
        color = from_display(unit(color))
        notes.append(f"its values were taken for sRGB and made linear for {target.name}")
    if alpha is not None and not target.alpha:
        if unit(alpha).min() < 1:
            notes.append(f"{target.name} has no transparency: the picture was laid over white")
            color = over(color, alpha, 1.0)
        alpha = None
    if not target.grey and color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
    return color, alpha


def _samples(color: Planes, alpha: Planes | None, depth: int) -> Planes:
    """(H, W, C) integers, or floats for depth 32; alpha last."""
    parts = [color] if alpha is None else [color, alpha[..., None]]
    done = [checked_floats(part) if depth == 32 else quantise(part, depth) for part in parts]
    return done[0] if alpha is None else np.concatenate(done, axis=2)


def encode(file: BinaryIO, prepared: Prepared, target: Format) -> None:
    """Write the file's bytes: the same for the same picture."""
    ENCODERS[target.name](file, prepared)


def encode_frames(file: BinaryIO, frames: Iterable[Prepared], target: Format) -> None:
    """Write a file of several frames or pages, one at a time."""
    FRAME_ENCODERS[target.name](file, frames)


def _png(file: BinaryIO, prepared: Prepared) -> None:
    png.write(file, prepared.samples, prepared.metadata)


def _pngs(file: BinaryIO, frames: Iterable[Prepared]) -> None:
    png.write_moving(file, _plain(frames))


def _tiff(file: BinaryIO, prepared: Prepared) -> None:
    _tiffs(file, [prepared])


def _tiffs(file: BinaryIO, frames: Iterable[Prepared]) -> None:
    tiff.write(file, _plain(frames))


def _gif(file: BinaryIO, prepared: Prepared) -> None:
    _gifs(file, [prepared])


def _gifs(file: BinaryIO, frames: Iterable[Prepared]) -> None:
    moving.write_gif(file, _plain(frames))


def _plain(frames: Iterable[Prepared]) -> Iterator[tuple[Planes, Metadata]]:
    return ((frame.samples, frame.metadata) for frame in frames)


def _jpeg(file: BinaryIO, prepared: Prepared) -> None:
    coding = prepared.metadata.jpeg
    quality = max(quality_of(coding), LOWEST_QUALITY) if coding else DEFAULT_QUALITY
    options = _carried(prepared.metadata, exif_prefix=b"Exif\0\0")
    if comment := prepared.metadata.text.get("Comment"):
        options["comment"] = comment.encode("utf-8", "replace")
    if prepared.metadata.dpi:
        options["dpi"] = prepared.metadata.dpi
    if prepared.metadata.iptc:
        options["extra"] = iptc_segment(prepared.metadata.iptc)
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
    options = _carried(prepared.metadata)
    coding = _webp_coding(prepared)
    _image(prepared.samples).save(file, "WEBP", **coding, **options)


def _webp_coding(prepared: Prepared) -> dict[str, Any]:
    if prepared.quality or prepared.metadata.lossy:
        return {"quality": prepared.quality or DEFAULT_QUALITY, "method": 2}
    return {"lossless": True, "quality": 20, "exact": True, "method": 2}


def _webps(file: BinaryIO, frames: Iterable[Prepared]) -> None:
    first, frames = _first(frames)
    options = _webp_coding(first) | _carried(first.metadata)
    moving.write_waiting(file, "WEBP", _plain(frames), **options)


def _avif(file: BinaryIO, prepared: Prepared) -> None:
    options = _avif_coding(prepared) | _carried(prepared.metadata)
    _image(prepared.samples).save(file, "AVIF", **options)


def _avifs(file: BinaryIO, frames: Iterable[Prepared]) -> None:
    first, frames = _first(frames)
    options = _avif_coding(first) | _carried(first.metadata)
    moving.write_waiting(file, "AVIF", _plain(frames), **options)
    boxes.clear_times(file)


def _avif_coding(prepared: Prepared) -> dict[str, Any]:
    # One thread: the encoder's bytes may depend on their number.
    grey = prepared.samples.shape[2] == 1
    subsampling = "4:0:0" if grey else "4:4:4"
    quality = prepared.quality or LOWEST_QUALITY
    return {"quality": quality, "subsampling": subsampling, "max_threads": 1}


def _first(frames: Iterable[Prepared]) -> tuple[Prepared, Iterator[Prepared]]:
    """The first frame, and all of them."""
    rest = iter(frames)
    first = next(rest)
    return first, itertools.chain([first], rest)


def _jp2(file: BinaryIO, prepared: Prepared) -> None:
    quality = prepared.quality or (DEFAULT_QUALITY if prepared.metadata.lossy else None)
    jp2.write(file, _image(prepared.samples), quality, prepared.metadata)


def _heif(file: BinaryIO, prepared: Prepared) -> None:
    quality = prepared.quality or LOWEST_QUALITY
    heif.write(file, prepared.samples, quality, _carried(prepared.metadata))


def _exr(file: BinaryIO, prepared: Prepared) -> None:
    write_light_exr(file, prepared.samples, prepared.metadata.exr)


def _pfm(file: BinaryIO, prepared: Prepared) -> None:
    pfm.write_pfm(file, prepared.samples)


def _bmp(file: BinaryIO, prepared: Prepared) -> None:
    dpi = prepared.metadata.dpi
    _image(prepared.samples).save(file, "BMP", **({"dpi": dpi} if dpi else {}))


ENCODERS: dict[str, Callable[[BinaryIO, Prepared], None]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
    "GIF": _gif,
    "AVIF": _avif,
    "JPEG2000": _jp2,
    "HEIC": _heif,
    "EXR": _exr,
    "PFM": _pfm,
}
FRAME_ENCODERS: dict[str, Callable[[BinaryIO, Iterable[Prepared]], None]] = {
    "PNG": _pngs,
    "WEBP": _webps,
    "TIFF": _tiffs,
    "GIF": _gifs,
    "AVIF": _avifs,
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
