"""Pillow's modes, all of them, as colour and alpha planes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from restorekit.errors import UsageError
from restorekit.images import heif
from restorekit.images.alpha import unpremultiply
from restorekit.images.failures import unreadable
from restorekit.images.picture import Planes, to_unit
from restorekit.images.quiet import quiet
from restorekit.images.source import Source
from restorekit.images.tiff_samples import Layout, read_samples

# Grey of 2 or 4 bits: Pillow widens the samples but leaves the transparent value as it was.
_WIDENED = {"L;2": 85, "L;4": 17}
_CONVERTED = {"1": "L", "La": "LA", "RGBX": "RGB", "RGBa": "RGBA", "YCbCr": "RGB", "HSV": "RGB"}


@dataclass(frozen=True)
class Decoded:
    """Planes as stored: color (H, W, C) and alpha (H, W) or None, float32 in [0, 1]; and what a
    person should know."""

    color: Planes
    alpha: Planes | None
    notes: tuple[str, ...] = ()


def decode(source: Source, to_rgb: Callable[[Image.Image], Image.Image]) -> Decoded:
    """The planes of a source as its rows lie; `to_rgb` converts CMYK."""
    if source.layout:
        return _tiff_planes(source, source.layout)
    if source.header.format == "HEIC" and source.header.depth == 16:
        return _split(*heif.deep_samples(source.file), None)
    layout = source.rawmode
    if source.header.mode.endswith(";16") and source.header.mode != "I;16":
        return _split(_wide_samples(source), 65535, source.image.info.get("transparency"))
    image = _loaded(source.image)
    if image.mode == "CMYK":
        image = to_rgb(image)
    planes = planes_of(image, layout)
    if source.header.format == "GIF" and len(source.pages) > 1:
        planes = _with_alpha(planes)
    return replace(planes, notes=_rounded(source))


def _rounded(source: Source) -> tuple[str, ...]:
    """A note where Pillow gives fewer bits than the file has."""
    bits, depth = source.survey.bits, source.header.depth
    if bits <= depth:
        return ()
    return (f"its {bits} bits a sample were read as {depth}",)


def _tiff_planes(source: Source, layout: Layout) -> Decoded:
    samples = read_samples(source.file, layout)
    notes: tuple[str, ...] = ()
    if layout.colours < layout.channels and not layout.alpha:
        samples = samples[..., : layout.colours]
        notes = ("its last channel, which the file says is no transparency, was left out",)
    if layout.depth == 16:
        planes = replace(_split(samples, 65535, None), notes=notes)
        return _straight(planes) if layout.alpha == "premultiplied" else planes
    if not np.isfinite(samples).all():
        raise unreadable(
            source.path,
            "it holds values that are not numbers (NaN or infinity); replace them in the program "
            "it comes from",
        )
    low, high = float(samples.min()), float(samples.max())
    if low < 0 or high > 1:
        outside = f"its values reach from {low:.4g} to {high:.4g}"
        notes += (f"{outside}: what lies outside 0 to 1 was clipped",)
        samples = samples.clip(0, 1)
    color = np.ascontiguousarray(samples[..., : layout.colours])
    if not layout.alpha:
        return Decoded(color, None, notes)
    planes = Decoded(color, np.ascontiguousarray(samples[..., layout.colours]), notes)
    return _straight(planes) if layout.alpha == "premultiplied" else planes


def _with_alpha(planes: Decoded) -> Decoded:
    """RGB with alpha, as every frame of a moving GIF is given."""
    color = planes.color
    if color.shape[2] == 1:
        color = np.repeat(color, 3, axis=2)
    alpha = np.ones(color.shape[:2], np.float32) if planes.alpha is None else planes.alpha
    return Decoded(color, alpha)


def planes_of(image: Image.Image, layout: str = "") -> Decoded:
    """The planes of a loaded Pillow image; `layout` is its raw mode, where it has one.

    Raises UsageError for modes without a known range (I, F, LAB).
    """
    key: Any = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        samples = np.asarray(image)
        top = 4095 if layout.startswith("I;12") else 65535
        return _split(samples[..., None], top, key)
    if image.mode in ("P", "PA"):
        image, key = image.convert("RGBA" if image.has_transparency_data else "RGB"), None
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise UsageError(
            f"images of mode {image.mode} are not read: convert them to L, RGB or RGBA first"
        )
    if isinstance(key, int):
        key *= _WIDENED.get(layout, 1)
    samples = np.asarray(image)
    return _split(samples if samples.ndim == 3 else samples[..., None], 255, key)


def _split(samples: Planes, top: int, key: Any) -> Decoded:
    """(H, W, 1 to 4) integers as colour and alpha; `key` is the one transparent colour."""
    colours = 3 if samples.shape[2] > 2 else 1
    color = to_unit(samples[..., :colours], top)
    if samples.shape[2] > colours:
        return Decoded(color, to_unit(samples[..., colours], top))
    if isinstance(key, int | tuple):
        return Decoded(color, np.any(samples != np.asarray(key), axis=2).astype(np.float32))
    return Decoded(color, None)


def _straight(planes: Decoded) -> Decoded:
    """Colour freed of the alpha it was stored multiplied by."""
    if planes.alpha is None:
        return planes
    return replace(planes, color=unpremultiply(planes.color, planes.alpha))


def _loaded(image: ImageFile) -> ImageFile:
    """The image with its pixels; a TIFF reads tags again meanwhile, so it must be quiet."""
    with quiet() if image.format == "TIFF" else nullcontext():
        image.load()
    return image


def _wide_samples(source: Source) -> Planes:
    """(H, W, C) uint16 samples of a PNG, of which Pillow gives eight bits at a time.

    Its raw modes ";16B" and ";16L" keep the first and the second byte of each sample, so two
    readings give both. Grey with alpha is four bytes a pixel and passes for RGBA.
    """
    layout = source.rawmode
    if layout == "LA;16B":
        packed = np.ascontiguousarray(_layer(source.image, "RGBA"))
        return packed.view(">u2").astype(np.uint16)
    stored = layout.split(";")[0].replace("RGBa", "RGBA")
    native = "L" if sys.byteorder == "little" else "B"
    upper = layout[-1].replace("N", native)
    lower = "L" if upper == "B" else "B"
    high = _layer(source.image, f"{stored};16{upper}").astype(np.uint16)
    high <<= 8
    high |= _layer(source.reopen(), f"{stored};16{lower}")
    return high


def _layer(image: ImageFile, layout: str) -> Planes:
    """(H, W, C) uint8: the picture decoded with its bytes picked as `layout` says."""
    image.tile = [tile._replace(args=_relaid(tile.args, layout)) for tile in image.tile]
    return np.asarray(_loaded(image))


def _relaid(args: Any, layout: str) -> Any:
    return (layout, *args[1:]) if isinstance(args, tuple) else layout
