"""Pictures of light: OpenEXR and PFM files as `Picture`s, linear, of any height.

Colours are the file's own numbers: not scaled, not clipped, multiplied by alpha where the file has
any; alpha is kept with the file's other channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restorekit.errors import ImageError
from restorekit.images import exr_layers
from restorekit.images.exr import ExrFile, plain_exr, read_exr, write_exr
from restorekit.images.failures import reading, unreadable
from restorekit.images.formats import Format
from restorekit.images.pfm import read_pfm, size_of
from restorekit.images.picture import Header, Metadata, Picture, Planes

PASSES = ("albedo", "normal")
"""Roles of layers that go with the beauty, beside itself."""


def light_header(path: Path, entry: Format) -> Header:
    """What a file says of itself. Raises ImageError."""
    if entry.name == "PFM":
        with reading(path), path.open("rb") as file:
            height, width, channels, _, _ = _told(path, lambda: size_of(file.read(128)))
        return Header("PFM", width, height, "RGB;32" if channels == 3 else "F", 32)
    file = read_exr(path)
    height, width = file.parts[_beauty(path, file).part].size
    return Header("EXR", width, height, "RGB;32", 32)


def light_picture(path: Path, entry: Format) -> Picture:
    """The picture in a file, with its further passes. Raises ImageError."""
    if entry.name == "PFM":
        with reading(path), path.open("rb") as file:
            light = _told(path, lambda: read_pfm(file))
        return Picture(light, None, 32, "RGB;32" if light.shape[2] == 3 else "F", "PFM")
    file = read_exr(path)
    beauty = _beauty(path, file)
    found = {role: exr_layers.find(file, role) for role in PASSES}
    size = file.parts[beauty.part].size
    layers = {
        role: layer
        for role, layer in found.items()
        if layer and file.parts[layer.part].size == size
    }
    named = [f"{role} from {layer.name}" for role, layer in layers.items()]
    return Picture(
        exr_layers.planes(file, beauty),
        None,
        32,
        "RGB;32",
        "EXR",
        Metadata(exr=file),
        (f"its passes: {', '.join(named)}",) if named else (),
        {role: exr_layers.planes(file, layer) for role, layer in layers.items()},
    )


def _beauty(path: Path, file: ExrFile) -> exr_layers.Layer:
    layer = exr_layers.find(file, "image")
    if layer is None:
        names = (
            ", ".join(found.name for found in exr_layers.layers(file)) or "none of three channels"
        )
        raise unreadable(path, f"none of its layers is the picture by its name; it has {names}")
    return layer


def _told(path: Path, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ImageError as error:
        raise unreadable(path, str(error)) from error


def write_light_exr(file: BinaryIO, light: Planes, source: ExrFile | None) -> None:
    """Write (H, W, 1 or 3) floats as the picture of the file they come from, or of a new one."""
    whole = plain_exr(light)
    if source is not None:
        layer = exr_layers.find(source, "image")
        if layer is not None and light.shape[:2] == source.parts[layer.part].size:
            values = np.broadcast_to(light, (*light.shape[:2], 3))
            whole = exr_layers.with_planes(source, layer, values)
    with tempfile.TemporaryDirectory() as folder:  # the package writes to names alone
        path = Path(folder) / "picture.exr"
        write_exr(whole, path)
        file.write(path.read_bytes())
