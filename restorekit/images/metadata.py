"""What a file carries beside its pixels, gathered on reading and fitted on writing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from restorekit.images import exif, tiff, tiff_samples
from restorekit.images.colour import profile_space
from restorekit.images.formats import Format
from restorekit.images.jpeg import coding_of
from restorekit.images.orientation import sized_xmp, upright_xmp
from restorekit.images.picture import Metadata
from restorekit.images.quiet import quiet
from restorekit.images.source import Source
from restorekit.images.tiff_samples import Tiff

_IPTC, _IPTC_TAG, _C2PA_TAG = 0x0404, 33723, 52545
_COMMENT = "Comment"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
_WORDS = {
    "icc": "colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC record",
    "dpi": "resolution (dpi)",
    "colour": "words on colour",
    "exr": "further layers and attributes",
}
_FURTHER = {
    "PNG": "its picture for programs that do not play it was left out",
    "TIFF": "its small copies of itself were left out",
    "": "it holds further pictures (a preview, depth or gain map): only the first is kept",
}
# What programs write when nobody said anything: not worth a note when it is lost.
_NOMINAL_DPI = (72, 96)
_NOMINAL_COLOUR = {"sRGB": None, "gAMA": (45455).to_bytes(4, "big")}
# A JPEG segment's length is 16 bits and counts itself and the name in front of the data.
_JPEG_BYTES = {"exif": 65_533 - 6, "xmp": 65_533 - 29, "iptc": 65_533 - 14 - 12 - 1}
_JPEG_COMMENT_BYTES = 65_533
_JPEG_DPI = 65_535


@dataclass(frozen=True)
class Gathered:
    """Metadata, and sentences about what could not be taken along."""

    metadata: Metadata
    notes: tuple[str, ...]


def gather(source: Source) -> Gathered:
    """The metadata of a source whose pixels are loaded, made fit for upright pixels."""
    image, survey, notes = source.image, source.survey, []
    blob = _tiff_exif(image) if source.header.format == "TIFF" else source.exif
    upright = exif.upright(blob) if blob else None
    if blob and upright is None:
        notes.append("its EXIF is damaged and was left out")
    if survey.manifest or _has_manifest(image):
        notes.append(
            "it carries a C2PA manifest (content credentials), which does not describe the result "
            "and was left out"
        )
    if any(data.startswith(_EXTENDED_XMP) for _, data in _segments(image)):
        notes.append("the second part of its XMP (a depth map or the like) was left out")
    if "mpoffset" in image.info or getattr(image, "n_frames", 1) > len(source.pages) > 0:
        notes.append(_FURTHER.get(source.header.format, _FURTHER[""]))
    if survey.cut:
        notes.append("the file has no end mark: more frames may have been in it")
    return Gathered(
        Metadata(
            icc=survey.icc or image.info.get("icc_profile") or None,
            exif=upright,
            xmp=upright_xmp(source.xmp),
            iptc=survey.iptc or _iptc(image),
            dpi=dpi_of(image.info),
            text=survey.text or _comment(image),
            colour=survey.colour,
            jpeg=coding_of(image),
            tiff=tiff_samples.coding_of(image.tag_v2) if isinstance(image, Tiff) else None,
            lossy=_is_lossy(source),
            duration=_duration(source),
            loop=_loop(source),
        ),
        tuple(notes),
    )


def _segments(image: Image.Image) -> list[tuple[str, bytes]]:
    """A JPEG's application segments: their names and data."""
    return getattr(image, "applist", None) or []


def _has_manifest(image: Image.Image) -> bool:
    """True where a C2PA manifest is in a JPEG's APP11 segments or in a TIFF's tag."""
    if isinstance(image, Tiff):
        return _C2PA_TAG in image.tag_v2
    return any(
        name == "APP11" and data.startswith(b"JP") and b"c2pa" in data[:128]
        for name, data in _segments(image)
    )


def _iptc(image: Image.Image) -> bytes | None:
    """The IIM record of a JPEG or a TIFF."""
    blocks: Any = image.info.get("photoshop") or {}
    if isinstance(image, Tiff):
        stated = image.tag_v2.get(_IPTC_TAG)
        if isinstance(stated, bytes) and stated.startswith(b"\x1c"):
            return stated.rstrip(b"\0")
        with suppress(Exception):  # as damaged as it likes
            blocks = {k: v["data"] for k, v in image.get_photoshop_blocks().items()}
    found = blocks.get(_IPTC)
    return found if isinstance(found, bytes) and found else None


def iptc_segment(record: bytes) -> bytes:
    """A JPEG's APP13 segment with an IIM record as a Photoshop resource."""
    block = b"8BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record + bytes(len(record) % 2)
    data = b"Photoshop 3.0\0" + block
    return b"\xff\xed" + (len(data) + 2).to_bytes(2, "big") + data


def _duration(source: Source) -> float | None:
    """Milliseconds; None for a picture that does not move."""
    if len(source.pages) == 1 or source.header.format == "TIFF":
        return None
    return float(source.image.info.get("duration") or 0)


def _loop(source: Source) -> int | None:
    """How many times all frames are shown, 0 without end."""
    if _duration(source) is None:
        return None
    stated = source.image.info.get("loop")
    if source.header.format == "GIF":  # which counts the repetitions
        return 1 if stated is None else stated + 1 if stated else 0
    return int(stated or 0)


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


def _comment(image: Image.Image) -> dict[str, str]:
    """The comment of a JPEG, a GIF or a JPEG 2000."""
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        comment = comment.decode("utf-8", "replace")
    if not isinstance(comment, str) or comment.startswith("Created by OpenJPEG"):
        return {}
    return {_COMMENT: comment}


def _is_lossy(source: Source) -> bool:
    return (
        source.survey.lossy
        or source.header.format in ("JPEG", "AVIF", "HEIC")
        or source.image.info.get("compression") in ("jpeg", "tiff_jpeg")
    )


def fit(metadata: Metadata, target: Format, size: tuple[int, int], channels: int) -> Gathered:
    """The part that `target` holds, for a picture of `size` (width, height) in pixels."""
    notes: list[str] = []
    fitted = metadata
    if fitted.exif:
        fitted = replace(fitted, exif=exif.sized(fitted.exif, *size))
    if fitted.xmp:
        fitted = replace(fitted, xmp=sized_xmp(fitted.xmp, *size))
    if fitted.icc and not _profile_fits(fitted.icc, channels):
        notes.append("the colour profile was left out: it is for another kind of colours")
        fitted = replace(fitted, icc=None)
    lost = [word for name, word in _WORDS.items() if _is_lost(fitted, name, target)]
    left_out: dict[str, Any] = {
        name: {} if name == "colour" else None
        for name in _WORDS
        if _cannot_hold(fitted, name, target)
    }
    fitted = replace(fitted, **left_out)
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
    if name == "colour":  # a profile says it better, and sRGB is what everyone takes for granted
        nominal = all(
            _NOMINAL_COLOUR.get(key, b"") in (None, data) for key, data in _gist(metadata)
        )
        return not (metadata.icc or nominal)
    return name != "dpi" or any(round(dots) not in _NOMINAL_DPI for dots in metadata.dpi or ())


def _gist(metadata: Metadata) -> list[tuple[str, bytes]]:
    """What a PNG says of colour, less what sRGB makes superfluous."""
    srgb = "sRGB" in metadata.colour
    return [(k, v) for k, v in metadata.colour.items() if not srgb or k not in ("gAMA", "cHRM")]


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
    fits = "comment" in target.holds and len(comment.encode()) <= _JPEG_COMMENT_BYTES
    return {_COMMENT: comment} if comment and fits else {}
