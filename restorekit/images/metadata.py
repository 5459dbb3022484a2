"""What a file carries beside its pixels, gathered on reading and fitted on writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from restorekit.images import exif, tiff
from restorekit.images.colour import profile_space
from restorekit.images.formats import Format
from restorekit.images.jpeg import coding_of
from restorekit.images.orientation import upright_xmp
from restorekit.images.picture import Metadata
from restorekit.images.quiet import quiet
from restorekit.images.source import Source

_IPTC = 0x0404
_NOT_TEXT = ("XML:com.adobe.xmp", "Raw profile type ")
_COMMENT = "Comment"
_WORDS = {"icc": "colour profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution (dpi)"}
# What programs write when nobody said anything: not worth a note when it is lost.
_NOMINAL_DPI = (72, 96)
# A JPEG segment's length is 16 bits and counts itself and the name in front of the data.
_JPEG_BYTES = {"exif": 65_533 - 6, "xmp": 65_533 - 29}
_JPEG_COMMENT_BYTES = 65_533
_JPEG_DPI = 65_535


@dataclass(frozen=True)
class Gathered:
    """Metadata, and sentences about what could not be taken along."""

    metadata: Metadata
    notes: tuple[str, ...]


def gather(source: Source) -> Gathered:
    """The metadata of a source whose pixels are loaded, made fit for upright pixels."""
    image, notes = source.image, []
    blob = _tiff_exif(image) if source.header.format == "TIFF" else source.exif
    upright = exif.upright(blob) if blob else None
    if blob and upright is None:
        notes.append("its EXIF is damaged and was left out")
    if _IPTC in (image.info.get("photoshop") or {}):
        notes.append("its IPTC record is not kept; EXIF and XMP are")
    if "mpoffset" in image.info:
        notes.append(
            "it holds further pictures (a preview, depth or gain map): only the first is kept"
        )
    return Gathered(
        Metadata(
            icc=image.info.get("icc_profile") or None,
            exif=upright,
            xmp=upright_xmp(source.xmp),
            dpi=dpi_of(image.info),
            text=_text(image),
            jpeg=coding_of(image),
            lossy=_is_lossy(source),
        ),
        tuple(notes),
    )


def from_info(info: Mapping[Any, Any]) -> Metadata:
    """The metadata of an image in memory, taken as it is."""
    blob = info.get("exif")
    xmp = info.get("xmp")
    return Metadata(
        icc=info.get("icc_profile") or None,
        exif=exif.strip_prefix(blob) if isinstance(blob, bytes) and blob else None,
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        dpi=dpi_of(info),
    )


def dpi_of(info: Mapping[Any, Any]) -> tuple[float, float] | None:
    """Dots an inch, across and down; None when the file states none that mean something."""
    try:
        across, down = (float(value) for value in info.get("dpi") or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # A TIFF that states none is said to have 1 by Pillow.
    return (across, down) if min(across, down) > 1 and max(across, down) < 1e6 else None


def _tiff_exif(image: Image.Image) -> bytes | None:
    with quiet():
        return tiff.exif_blob(image.getexif())


def _text(image: Image.Image) -> dict[str, str]:
    """PNG's texts and JPEG's comment."""
    stored: Mapping[str, Any] = getattr(image, "text", None) or {}
    if isinstance(comment := image.info.get("comment"), bytes) and image.format == "JPEG":
        stored = {_COMMENT: comment.decode("utf-8", "replace")}
    return {key: str(text) for key, text in stored.items() if not key.startswith(_NOT_TEXT)}


def _is_lossy(source: Source) -> bool:
    if source.header.format == "WEBP":
        source.file.seek(0)
        return not _has_lossless_pixels(source.file.read())
    return source.header.format == "JPEG" or source.image.info.get("compression") in (
        "jpeg",
        "tiff_jpeg",
    )


def _has_lossless_pixels(webp: bytes) -> bool:
    """True when the picture's chunk is VP8L (RFC 9649, section 2.6)."""
    place = 12
    while place + 8 <= len(webp):
        name = webp[place : place + 4]
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        size = int.from_bytes(webp[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return False


def fit(metadata: Metadata, target: Format, size: tuple[int, int], channels: int) -> Gathered:
    """The part that `target` holds, for a picture of `size` (width, height) in pixels."""
    notes: list[str] = []
    fitted = metadata
    if fitted.exif:
        fitted = replace(fitted, exif=exif.sized(fitted.exif, *size))
    if fitted.icc and not _profile_fits(fitted.icc, channels):
        notes.append("the colour profile was left out: it is for another kind of colours")
        fitted = replace(fitted, icc=None)
    lost = [word for name, word in _WORDS.items() if _is_lost(fitted, name, target)]
    fitted = replace(
        fitted,
        icc=None if _cannot_hold(fitted, "icc", target) else fitted.icc,
        exif=None if _cannot_hold(fitted, "exif", target) else fitted.exif,
        xmp=None if _cannot_hold(fitted, "xmp", target) else fitted.xmp,
        dpi=None if _cannot_hold(fitted, "dpi", target) else fitted.dpi,
    )
    kept = _kept_text(metadata.text, target)
    if len(kept) < len(metadata.text):
        lost.append(f"text ({', '.join(key[:40] for key in metadata.text if key not in kept)})")
    if lost:
        notes.append(f"{target.name} cannot hold its {', '.join(lost)}: left out")
    return Gathered(replace(fitted, text=kept), tuple(notes))


def _profile_fits(icc: bytes, channels: int) -> bool:
    return profile_space(icc) in (("GRAY", "") if channels < 3 else ("RGB", ""))


def _is_lost(metadata: Metadata, name: str, target: Format) -> bool:
    """True when something was there that a person may miss."""
    if not getattr(metadata, name) or not _cannot_hold(metadata, name, target):
        return False
    return name != "dpi" or any(round(dots) not in _NOMINAL_DPI for dots in metadata.dpi or ())


def _cannot_hold(metadata: Metadata, name: str, target: Format) -> bool:
    if name not in target.holds:
        return True
    blob = getattr(metadata, name)
    if target.name == "JPEG" and blob:
        return (name in _JPEG_BYTES and len(blob) > _JPEG_BYTES[name]) or (
            name == "dpi" and max(blob) > _JPEG_DPI
        )
    with quiet():
        return target.name == "TIFF" and name == "exif" and bool(blob) and not tiff.exif_tags(blob)


def _kept_text(text: Mapping[str, str], target: Format) -> dict[str, str]:
    if "text" in target.holds:
        return dict(text)
    comment = text.get(_COMMENT, "")
    fits = target.name == "JPEG" and len(comment.encode()) <= _JPEG_COMMENT_BYTES
    return {_COMMENT: comment} if comment and fits else {}
