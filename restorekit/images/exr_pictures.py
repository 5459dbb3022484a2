"""Pictures of light: OpenEXR and PFM files as `Picture`s, linear, of any height.

Colours are the file's own numbers: not scaled, not clipped, multiplied by alpha where the file has
any; alpha is kept with the file's other channels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restorekit.errors import ImageError, UsageError
from restorekit.images import exr_layers, exr_passes
from restorekit.images.exr import ExrFile, plain_exr, read_exr, write_exr
from restorekit.images.exr_layers import Layer
from restorekit.images.failures import reading, unreadable
from restorekit.images.formats import Format
from restorekit.images.pfm import read_pfm, size_of
from restorekit.images.picture import Header, Metadata, Picture, Planes
from restorekit.images.source import check_pixels

PASSES = ("albedo", "normal")
"""Roles of layers that go with the beauty, beside itself."""

_MODES = {1: "F", 3: "RGB;32"}  # by the number of channels


def light_header(path: Path, entry: Format, max_pixels: int) -> Header:
    """What a file says of itself. Raises ImageError."""
    if entry.name == "PFM":
        with reading(path), path.open("rb") as file:
            height, width, channels, _, _ = _told(path, lambda: size_of(file.read(128)))
        check_pixels(path, width, height, max_pixels)
        return Header("PFM", width, height, _MODES[channels], 32)
    file = read_exr(path, max_pixels)
    layer = _shown(path, file)
    height, width = file.parts[layer.part].size
    return Header("EXR", width, height, _MODES[len(layer.channels)], 32)


def light_picture(path: Path, entry: Format, max_pixels: int) -> Picture:
    """The picture in a file, with its further passes. Raises ImageError."""
    if entry.name == "PFM":
        light_header(path, entry, max_pixels)
        with reading(path), path.open("rb") as file:
            light = _told(path, lambda: read_pfm(file))
        return Picture(light, None, 32, _MODES[light.shape[2]], "PFM")
    file = read_exr(path, max_pixels)
    return _of_layer(file, _shown(path, file), {})


def _shown(path: Path, file: ExrFile) -> Layer:
    """The beauty, or the first layer of a file that names none."""
    layer = exr_layers.find(file, "image") or next(iter(exr_layers.layers(file)), None)
    if layer is None:
        raise unreadable(path, "none of its layers is RGB or grey (Y); save one of them as RGB")
    return layer


def _of_layer(file: ExrFile, beauty: Layer, wanted: Mapping[str, str]) -> Picture:
    """A layer as a picture, with the passes of its size; wanted: names of passes by role."""
    found = {role: exr_layers.find(file, role, wanted.get(role, "")) for role in PASSES}
    layers = {
        role: layer
        for role, layer in found.items()
        if layer and (role in wanted or exr_layers.same_size(file, layer, beauty))
    }
    named = [f"{role} from {layer.name}" for role, layer in layers.items()]
    usual = exr_layers.find(file, "image")
    if beauty != usual:
        file = replace(file, picture=beauty.name)
        named.insert(0, f"picture from {beauty.name or 'RGB'}")
    return Picture(
        exr_layers.planes(file, beauty),
        None,
        32,
        _MODES[len(beauty.channels)],
        "EXR",
        Metadata(exr=file),
        (f"its layers: {', '.join(named)}",) if named else (),
        {role: exr_layers.planes(file, layer) for role, layer in layers.items()},
    )


def chosen(picture: Picture, name: str, passes: Mapping[str, str]) -> Picture:
    """The picture that a person chose of its file: the layer of a name, or the beauty where it is "".

    passes: names of layers by role ("albedo", "normal"). Raises UsageError for a layer that is not
    there, for names where there is no OpenEXR file, and where there is no name and no beauty.
    """
    file = picture.metadata.exr
    if file is None:
        if name or passes:
            asked = name or next(iter(passes.values()))
            raise UsageError(f"there is no layer {asked!r}; only OpenEXR files have layers")
        return picture
    beauty = exr_layers.find(file, "image", name)
    if beauty is None:
        names = ", ".join(layer.name for layer in exr_layers.layers(file))
        raise UsageError(f"none of its layers is the picture by its name; it has {names}")
    if not passes and beauty == exr_layers.find(file, "image", file.picture):
        return picture
    return _of_layer(file, beauty, passes)


def opacity(picture: Picture) -> Planes | None:
    """The alpha of a picture of light, which its colours are multiplied by; None where it has none."""
    file = picture.metadata.exr
    layer = exr_layers.find(file, "image", file.picture) if file else None
    alpha = exr_layers.opacity(file, layer) if file and layer else None
    return alpha if alpha is not None and alpha.shape == picture.color.shape[:2] else None


def with_light_passes(
    picture: Picture, result: Picture, restore: Callable[[Picture], Picture]
) -> Picture:
    """The result with the light passes of its file restored as well, so that they still make it.

    restore: what makes a result of a picture and its passes. A term of Cycles is restored as light
    times colour, that colour for its albedo. Where the passes cannot make the result within their
    bounds, the result is what they make. Raises UsageError where there are none.
    """
    file = picture.metadata.exr
    beauty = exr_layers.find(file, "image", file.picture) if file else None
    made = exr_passes.makeups(file, beauty) if file and beauty else []
    if not file or not made:
        raise UsageError("it has no light passes of a name that is known")

    def restored(light: Planes, colour: Layer | None = None) -> Planes:
        own = {} if colour is None else {"albedo": exr_layers.planes(file, colour)}
        part = replace(picture, color=light, passes={**picture.passes, **own}, notes=())
        return np.clip(restore(part).color, *exr_passes.span(light))

    after, color = file, result.color
    for number, makeup in enumerate(made):
        values = [restored(term.value(file), term.colour) for term in makeup.terms]
        rest = exr_passes.residual(file, makeup, picture.color)
        rest = None if rest is None else restored(rest)
        after = exr_passes.recombined(after, makeup, values, rest, color)
        if number == 0:
            total = exr_passes.total(after, makeup, rest)
            color = np.maximum(total, np.minimum(color, 0))
    return replace(result, color=color, metadata=replace(result.metadata, exr=after))


def _told(path: Path, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ImageError as error:
        raise unreadable(path, str(error)) from error


def write_light_exr(file: BinaryIO, light: Planes, source: ExrFile | None) -> None:
    """Write (H, W, 1 or 3) floats as the picture of the file they come from, or of a new one."""
    whole = plain_exr(light)
    if source is not None:
        layer = exr_layers.find(source, "image", source.picture)
        if layer is not None and light.shape[:2] == source.parts[layer.part].size:
            values = np.broadcast_to(light, (*light.shape[:2], len(layer.channels)))
            whole = exr_layers.with_planes(source, layer, values)
    with tempfile.TemporaryDirectory() as folder:  # the package writes to names alone
        path = Path(folder) / "picture.exr"
        write_exr(whole, path)
        file.write(path.read_bytes())
