"""The layers of an OpenEXR file, and which of them is the beauty, the albedo and the normal.

Names are those that Blender's Cycles, Arnold, Mitsuba and RenderMan give, whatever stands before them
(a view layer, a part's name), in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorekit.errors import UsageError
from restorekit.images.exr import ExrFile
from restorekit.images.picture import Planes

_TRIPLES = (("R", "G", "B"), ("X", "Y", "Z"), ("red", "green", "blue"), ("x", "y", "z"))
_OPAQUE = 1 - 0.5 / 255  # renderers in half precision leave a little less than 1
_CHROMA = {"ry", "by"}  # beside a Y that is half of a colour
# By role, the usual name first: a layer of an earlier name is preferred.
_NAMES = {
    "image": (
        "",  # R, G and B alone: most renderers, Mitsuba's and Arnold's beauty
        "noisy image",  # Cycles, with denoising data
        "combined",  # Cycles
        "beauty",  # Arnold, V-Ray
        "rgba",
        "rgb",
        "ci",  # RenderMan
        "color",
        "image",
    ),
    "albedo": (
        "denoising albedo",  # Cycles
        "denoise_albedo_noisy",  # Arnold
        "albedo",  # Arnold, Mitsuba, RenderMan
        "diffuse_albedo",
        "diffcol",  # Cycles: diffuse colour
        "diffuse_color",
        "basecolor",
    ),
    "normal": (
        "denoising normal",
        "denoise_normal_noisy",
        "normal",  # Cycles, RenderMan
        "n",  # Arnold
        "nn",  # RenderMan, Mitsuba
        "sh_normal",  # Mitsuba
        "shading_normal",
        "normals",
    ),
}


@dataclass(frozen=True)
class Layer:
    """Three channels of a part, in order, or one of grey; `name` is what stands before the last dot."""

    part: int
    name: str
    channels: tuple[str, ...]

    @property
    def last(self) -> str:
        """The last part of its name, without view layer or part."""
        return self.name.rpartition(".")[2]


def same_size(file: ExrFile, one: Layer, other: Layer) -> bool:
    """Whether two layers have pixels at the same places."""
    return file.parts[one.part].size == file.parts[other.part].size


PREFIX = "layer:"
"""Before the name of a layer where a file could be named too."""


def layers(file: ExrFile) -> list[Layer]:
    """Every layer of three channels, in the order of the file; of grey (Y) where there is no other."""
    found: list[Layer] = []
    grey: list[Layer] = []
    for number, part in enumerate(file.parts):
        groups: dict[str, dict[str, str]] = {}
        for full in part.channels:
            name, _, last = full.rpartition(".")
            groups.setdefault(name, {})[last.lower()] = full
        for name, group in groups.items():
            whole = name or (part.name if len(file.parts) > 1 else "")
            if "y" in group and not _CHROMA & set(group):
                grey.append(Layer(number, whole, (group["y"],)))
            for triple in _TRIPLES:
                ordered = [group[c.lower()] for c in triple if c.lower() in group]
                if len(ordered) == 3:
                    found.append(Layer(number, whole, tuple(ordered)))
                    break
    return found or grey


def find(file: ExrFile, role: str, wanted: str = "") -> Layer | None:
    """The layer of a role ("image", "albedo", "normal"), or None.

    wanted: its name, whole or its last part, instead of the usual ones; UsageError where it is not
    there. The only layer of a file is its image.
    """
    known = layers(file)
    if wanted:
        for layer in known:
            if wanted in (layer.name, layer.last):
                return layer
        names = ", ".join(layer.name or "RGB" for layer in known) or "none"
        raise UsageError(f"there is no layer {wanted!r}; the file has {names}")
    for name in _NAMES[role]:
        for layer in known:
            if name in (layer.name.lower(), layer.last.lower()):
                return layer
    return known[0] if role == "image" and len(known) == 1 else None


def planes(file: ExrFile, layer: Layer) -> Planes:
    """A layer's pixels, (H, W, 3) float32, or (H, W, 1) of grey."""
    channels = file.parts[layer.part].channels
    return np.stack([channels[name].astype(np.float32) for name in layer.channels], 2)


def with_planes(file: ExrFile, layer: Layer, values: Planes) -> ExrFile:
    """The file with other pixels, as `planes` gives them, in a layer."""
    named = {name: values[..., i] for i, name in enumerate(layer.channels)}
    return file.replaced(layer.part, named)


def opacity(file: ExrFile, layer: Layer) -> Planes | None:
    """The alpha beside a layer, (H, W) float32 in [0, 1]; None where it has none, or 1 or 0 everywhere.

    Some programs leave 0 everywhere: that is no transparency, or there would be no picture.
    """
    own = layer.channels[0].rpartition(".")[0]
    for full, values in file.parts[layer.part].channels.items():
        name, _, last = full.rpartition(".")
        if name == own and last.lower() in ("a", "alpha"):
            alpha = np.clip(np.nan_to_num(values.astype(np.float32), nan=1), 0, 1)
            return alpha if alpha.min() < _OPAQUE and alpha.max() > 0 else None
    return None
