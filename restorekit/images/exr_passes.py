"""The light passes of an OpenEXR file: which of its layers make the beauty, and how.

Each renderer says so itself. Cycles: colour × (direct + indirect) for each kind of surface, and what
needs no surface (Blender manual, "Passes"). Arnold: the sum of the lobes, each of direct and indirect
light (Arnold user guide, "AOVs"). RenderMan: the sum of its lobes (RenderMan documentation, "Light Path
Expressions"). Light groups of Cycles and Arnold make the beauty a second time. Mitsuba has none
of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from restorekit.images.exr import ExrFile
from restorekit.images.exr_layers import Layer, layers, planes, same_size, with_planes
from restorekit.images.picture import Planes

_NEGLIGIBLE = 1e-3
"""A residual of this share of the beauty is the rounding of half precision."""


@dataclass(frozen=True)
class Term:
    """A part of the beauty: a layer of light, times a layer of colour where there is one."""

    light: Layer
    colour: Layer | None = None

    def value(self, file: ExrFile) -> Planes:
        """What it adds to the beauty, (H, W, 3) float32."""
        light = planes(file, self.light)
        return light if self.colour is None else light * planes(file, self.colour)

    def placed(self, file: ExrFile, value: Planes) -> ExrFile:
        """The file with other light in this term, so that it adds `value`.

        Where the colour is 0 nothing can be added, and the light stays.
        """
        if self.colour is None:
            return with_planes(file, self.light, value)
        colour, light = planes(file, self.colour), planes(file, self.light)
        known = colour > 0
        light = np.where(known, value / np.where(known, colour, 1), np.nan_to_num(light, posinf=0))
        return with_planes(file, self.light, light)


@dataclass(frozen=True)
class Makeup:
    """Terms whose sum is the beauty. totals: layers that are themselves sums of some of them."""

    terms: Sequence[Term]
    totals: Mapping[Layer, Sequence[Term]]


_CYCLES = (  # light, light, colour; the names of Blender 5 beside those before
    ("diffdir", "diffind", "diffcol"),
    ("diffuse direct", "diffuse indirect", "diffuse color"),
    ("glossdir", "glossind", "glosscol"),
    ("glossy direct", "glossy indirect", "glossy color"),
    ("transdir", "transind", "transcol"),
    ("transmission direct", "transmission indirect", "transmission color"),
    ("subsurfacedir", "subsurfaceind", "subsurfacecol"),
)
_CYCLES_ALONE = (
    *("emit", "emission", "env", "environment"),
    *("volumedir", "volume direct", "volumeind", "volume indirect"),
)
_ARNOLD = ("diffuse", "specular", "coat", "sheen", "transmission", "sss", "volume")
_ARNOLD_ALONE = ("emission", "background")
_RENDERMAN = (
    *("directdiffuse", "indirectdiffuse", "directspecular", "indirectspecular"),
    *("subsurface", "transmissive", "emissive"),
)
_GROUPS = ("combined_", "rgba_")


def makeups(file: ExrFile, beauty: Layer) -> list[Makeup]:
    """The ways in which a file's layers make its beauty; none where fewer than two terms are found."""
    beside = [layer for layer in layers(file) if layer != beauty and same_size(file, layer, beauty)]
    named = {layer.last.lower(): layer for layer in reversed(beside)}
    lobes = [name for name in named if name.endswith("lobe")]  # RenderMan's own, one by one
    families = [
        _cycles(named),
        _arnold(named),
        _plain(named, _RENDERMAN),
        _plain(named, [*lobes, "emissive"]),
    ]
    kinds = max(families, key=lambda made: len(made.terms))
    groups = _plain(named, [name for name in named if name.startswith(_GROUPS)])
    return [made for made in (kinds, groups) if len(made.terms) > 1]


def _plain(named: Mapping[str, Layer], names: Sequence[str]) -> Makeup:
    return Makeup([Term(named[name]) for name in names if name in named], {})


def _cycles(named: Mapping[str, Layer]) -> Makeup:
    terms = [
        Term(named[light], named[colour])
        for *lights, colour in _CYCLES
        for light in lights
        if light in named and colour in named
    ]
    return Makeup([*terms, *_plain(named, _CYCLES_ALONE).terms], {})


def _arnold(named: Mapping[str, Layer]) -> Makeup:
    """Of a lobe direct and indirect light where both are there, and then the lobe is their total."""
    terms, totals = list(_plain(named, _ARNOLD_ALONE).terms), {}
    for lobe in _ARNOLD:
        parts = _plain(named, (f"{lobe}_direct", f"{lobe}_indirect")).terms
        whole = named.get(lobe)
        if len(parts) == 2:
            terms += parts
            if whole:
                totals[whole] = parts
        elif whole:
            terms.append(Term(whole))
    return Makeup(terms, totals)


def residual(file: ExrFile, made: Makeup, beauty: Planes) -> Planes | None:
    """What the terms leave of the beauty, (H, W, 3); None where it is rounding alone."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        rest = beauty - np.sum([term.value(file) for term in made.terms], 0)
    size = np.abs(rest[np.isfinite(rest)]).sum(dtype=np.float64)
    whole = np.abs(beauty[np.isfinite(beauty)]).sum(dtype=np.float64)
    return rest if size > _NEGLIGIBLE * whole else None


def recombined(
    file: ExrFile, made: Makeup, values: Sequence[Planes], rest: Planes | None, beauty: Planes
) -> ExrFile:
    """The file with terms of about these values, that make the beauty together with the residual.

    Values, residual and beauty, (H, W, 3) each, were restored one by one and do not add up. Each term
    is scaled by the same gain, pixel by pixel and channel by channel, so none changes its share.
    """
    total = np.sum([*values, *([] if rest is None else [rest])], 0)
    # A gain needs something to act on: where the terms sum to next to nothing they share what is left.
    usable = np.abs(total) > 1e-6 * np.abs(beauty)
    gain = np.where(usable, beauty / np.where(usable, total, 1), 0)
    left = np.where(usable, 0, beauty) / len(values)
    scaled = [value * gain + left for value in values]
    for term, value in zip(made.terms, scaled, strict=True):
        file = term.placed(file, value)
    for layer, parts in made.totals.items():
        file = with_planes(file, layer, np.sum([part.value(file) for part in parts], 0))
    return file
