"""OpenEXR files, whole: every part, channel and attribute, through the OpenEXR package.

What is read is written again as it was; only channels that are replaced change. Alpha is a channel like
any other: colours in these files are multiplied by it, and stay so.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.errors import ImageError, UsageError
from restorekit.images.exr_whole import check_whole
from restorekit.images.failures import reading, unreadable, writing
from restorekit.images.picture import Planes
from restorekit.images.source import check_pixels

SIGNATURE = b"v/1\x01"
HALF_TOP = 65504.0
"""The largest number of half precision."""
# Attributes that say where pixels lie, how they are coded and what their numbers mean.
_OF_PIXELS = {
    "channels",
    "compression",
    "dataWindow",
    "displayWindow",
    "lineOrder",
    "pixelAspectRatio",
    "screenWindowCenter",
    "screenWindowWidth",
    "type",
    "name",
    "tiles",
    "version",
    "chunkCount",
    "view",
    "multiView",
    "chromaticities",
    "whiteLuminance",
    "adoptedNeutral",
    "dwaCompressionLevel",
}


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a file. channels: (h, w) float16, float32 or uint32 by name, of the data window;
    header: its attributes; coding: how the channels are sampled, the package's own records."""

    name: str
    header: Mapping[str, Any]
    channels: Mapping[str, Planes]
    coding: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the data window."""
        (left, top), (right, bottom) = self.header["dataWindow"]
        return int(bottom - top) + 1, int(right - left) + 1


@dataclass(frozen=True, eq=False)
class ExrFile:
    """Everything that a file holds. picture: the name of the layer that is its picture; "" for the one
    that has a usual name."""

    parts: Sequence[Part]
    picture: str = ""

    def stripped(self) -> ExrFile:
        """The file without the attributes that its pixels do not need."""
        parts = [
            replace(part, header={k: v for k, v in part.header.items() if k in _OF_PIXELS})
            for part in self.parts
        ]
        return replace(self, parts=parts)

    def replaced(self, part: int, values: Mapping[str, Planes]) -> ExrFile:
        """The file with other values in some channels of a part, each in the type it has.

        What half precision cannot hold becomes its largest number. UsageError for a channel that is
        not there or values of another size.
        """
        old = self.parts[part]
        for name, plane in values.items():
            if name not in old.channels or plane.shape != old.channels[name].shape:
                raise UsageError(
                    f"part {old.name!r} has no channel {name!r} of shape {plane.shape}"
                )
        new = {name: _like(plane, old.channels[name]) for name, plane in values.items()}
        parts = list(self.parts)
        parts[part] = replace(old, channels={**old.channels, **new})
        return replace(self, parts=parts)


def _like(plane: Planes, old: Planes) -> Planes:
    if old.dtype == np.float16:
        plane = np.clip(plane, -HALF_TOP, HALF_TOP)
    return plane.astype(old.dtype)


def _library(path: Path) -> Any:
    try:
        return import_module("OpenEXR")
    except ImportError:
        raise unreadable(
            path, "it is OpenEXR, for which a part is missing: pip install OpenEXR"
        ) from None


def read_exr(path: Path, max_pixels: int = sys.maxsize) -> ExrFile:
    """A file with all its parts.

    Raises ImageError, one sentence, for a missing or damaged file, for a part of more pixels than are
    allowed, before any is decoded, and for deep pixels and tiles of several resolutions, which would
    not come back whole.
    """
    library = _library(path)
    with reading(path):
        with path.open("rb") as opened:
            sizes = check_whole(opened)
        for height, width in sizes:
            check_pixels(path, width, height, max_pixels)
        file = library.File(str(path), separate_channels=True)
        if len(file.parts) != len(sizes):  # the package leaves out what it cannot decode
            raise ValueError("a part of it could not be decoded")
    for part in file.parts:
        kind, tiles = part.header.get("type"), part.header.get("tiles")
        if kind in (library.deepscanline, library.deeptile):
            raise unreadable(path, "it holds deep pixels; flatten it in your compositor")
        if tiles is not None and tiles.mode != library.ONE_LEVEL:
            raise unreadable(path, "it holds tiles of several resolutions; save it with one")
    return ExrFile([_part(part) for part in file.parts])


def _part(part: Any) -> Part:
    channels = {name: channel.pixels for name, channel in part.channels.items()}
    return Part(part.name(), dict(part.header), channels, dict(part.channels))


def write_exr(file: ExrFile, path: Path) -> None:
    """Write a file whole; the bytes depend on the file alone. Raises ImageError."""
    library = _library(path)
    parts = []
    for part in file.parts:
        channels = {
            name: _channel(library, part.coding.get(name), name, pixels)
            for name, pixels in part.channels.items()
        }
        parts.append(library.Part(dict(part.header), channels, part.name))
    with writing(path):
        try:
            library.File(parts).write(str(path))
        except RuntimeError as error:
            raise ImageError(f"{path} was not written: {' '.join(str(error).split())}") from error


def _channel(library: Any, coding: Any, name: str, pixels: Planes) -> Any:
    if coding is None:
        return library.Channel(name, pixels, 1, 1)
    return library.Channel(name, pixels, coding.xSampling, coding.ySampling, bool(coding.pLinear))


def plain_exr(light: Planes, half: bool = False) -> ExrFile:
    """A new file of one part, R, G, B (or Y for one channel), from (H, W, 1 or 3) floats."""
    names = "RGB" if light.shape[2] == 3 else "Y"
    old = np.zeros(0, np.float16 if half else np.float32)
    channels = {name: _like(light[..., i], old) for i, name in enumerate(names)}
    corners = (np.zeros(2, np.int32), np.array([light.shape[1] - 1, light.shape[0] - 1], np.int32))
    header = {"dataWindow": corners, "displayWindow": corners}
    return ExrFile([Part("", header, channels, {})])
