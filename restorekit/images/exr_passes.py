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


_MOST_GAIN = 4.0
"""What a pixel of a pass is multiplied by at most, for the passes to make the beauty."""

_EXACT = 1e-5
"""Passes that make the beauty to this share of it are not scaled any further."""


@dataclass(frozen=True)
class Term:
    """A part of the beauty: a layer of light, times a layer of colour where there is one."""

    light: Layer
    colour: Layer | None = None

    def value(self, file: ExrFile) -> Planes:
        """What it adds to the beauty, (H, W, 3) float32."""
        light = planes(file, self.light)
        return light if self.colour is None else light * planes(file, self.colour)

    def limits(self, file: ExrFile) -> tuple[Planes, Planes]:
        """What it adds at the least and at the most, where its light is nowhere below or above what
        it is somewhere, channel by channel."""
        low, high = span(planes(file, self.light))
        if self.colour is None:
            return low, high
        colour = np.maximum(planes(file, self.colour), 0)
        return low * colour, high * colour

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


def span(values: Planes) -> tuple[Planes, Planes]:
    """(C,) the least and (C,) the greatest number of each channel; 0 in one without a number."""
    finite = np.isfinite(values)
    low = values.min((0, 1), where=finite, initial=np.inf)
    high = values.max((0, 1), where=finite, initial=-np.inf)
    none = low > high
    return np.where(none, 0, low), np.where(none, 0, high)


def total(file: ExrFile, made: Makeup, rest: Planes | None = None) -> Planes:
    """What the terms add up to, (H, W, 3) float32, with a residual where there is one."""
    made_of = [term.value(file) for term in made.terms]
    return np.sum(made_of if rest is None else [*made_of, rest], 0)


def residual(file: ExrFile, made: Makeup, beauty: Planes) -> Planes | None:
    """What the terms leave of the beauty, (H, W, 3); None where it is rounding alone."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        rest = beauty - total(file, made)
    size = np.abs(rest[np.isfinite(rest)]).sum(dtype=np.float64)
    whole = np.abs(beauty[np.isfinite(beauty)]).sum(dtype=np.float64)
    return rest if size > _NEGLIGIBLE * whole else None


def recombined(
    file: ExrFile, made: Makeup, values: Sequence[Planes], rest: Planes | None, beauty: Planes
) -> ExrFile:
    """The file with terms of about these values, that make the beauty together with the residual.

    Values, residual and beauty, (H, W, 3) each, were restored one by one and do not add up. Each term
    is scaled by the same gain, pixel by pixel and channel by channel, so none changes its share, but
    within its limits and by `_MOST_GAIN` at the most; so `total` may differ from the beauty.
    """
    bounds = [term.limits(file) for term in made.terms]
    values = [np.clip(value, *ends) for value, ends in zip(values, bounds, strict=True)]
    if rest is not None:
        values, bounds = [*values, rest], [*bounds, (np.float32(-np.inf), np.float32(np.inf))]
    scaled = _adding_up(values, bounds, beauty)[: len(made.terms)]
    for term, value in zip(made.terms, scaled, strict=True):
        file = term.placed(file, value)
    for layer, parts in made.totals.items():
        file = with_planes(file, layer, np.sum([part.value(file) for part in parts], 0))
    return file


def _adding_up(
    values: Sequence[Planes], bounds: Sequence[tuple[Planes, Planes]], total: Planes
) -> Sequence[Planes]:
    """Values within bounds, scaled so that they make the total as far as the bounds let them.

    Only what is above 0 is scaled, and stays so: what is below would cancel it, at any gain.
    """
    lows = [np.maximum(low, 0) for low, _ in bounds]
    highs = [np.minimum(high, _MOST_GAIN * v) for v, (_, high) in zip(values, bounds, strict=True)]
    ends = list(zip(lows, highs, strict=True))
    for _ in values:  # each time all is done at a pixel, or one value more is at its bound
        missing = total - np.sum(values, 0)
        free = [
            (v > 0) & np.where(missing > 0, v < high, v > low)
            for v, (low, high) in zip(values, ends, strict=True)
        ]
        weight = np.sum([np.where(f, v, 0) for f, v in zip(free, values, strict=True)], 0)
        held = np.sum([np.where(f, 0, v) for f, v in zip(free, values, strict=True)], 0)
        wanted = (weight > 0) & (np.abs(missing) > _EXACT * np.abs(total))
        if not wanted.any():
            break
        with np.errstate(over="ignore", invalid="ignore"):  # of next to nothing: up to its bound
            ratio = np.maximum(total - held, 0) / np.where(wanted, weight, 1)
            gain = np.where(wanted, ratio, 1)
            values = [
                np.where(f, np.clip(v * gain, *e), v)
                for f, v, e in zip(free, values, ends, strict=True)
            ]
    return values
