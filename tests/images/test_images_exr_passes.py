"""Light passes: which layers make the beauty, and that restored ones still do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restorekit.images import exr_passes
from restorekit.images.exr import ExrFile, Part
from restorekit.images.exr_layers import Layer, find, planes

HEIGHT, WIDTH = 4, 5
SIZE = (np.zeros(2, np.int32), np.array([WIDTH - 1, HEIGHT - 1], np.int32))


def file_of(names: tuple[str, ...], dtype: type = np.float32) -> ExrFile:
    rng = np.random.default_rng(len(names))
    channels = {
        f"{name}.{c}" if name else c: rng.random((HEIGHT, WIDTH)).astype(dtype)
        for name in names
        for c in "RGB"
    }
    return ExrFile([Part("", {"dataWindow": SIZE}, channels, {})])


def makeups(file: ExrFile) -> list[exr_passes.Makeup]:
    beauty = find(file, "image")
    assert beauty is not None
    return exr_passes.makeups(file, beauty)


def layer(file: ExrFile, name: str) -> Layer:
    found = find(file, "image", name)
    assert found is not None
    return found


def names(made: exr_passes.Makeup) -> set[tuple[str, str]]:
    return {(t.light.last, t.colour.last if t.colour else "") for t in made.terms}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            ("V.Combined", "V.DiffDir", "V.DiffInd", "V.DiffCol", "V.Emit", "V.Mist", "V.Normal"),
            {("DiffDir", "DiffCol"), ("DiffInd", "DiffCol"), ("Emit", "")},
        ),
        (
            ("V.Combined", "V.Glossy Direct", "V.Glossy Color", "V.Environment"),
            {("Glossy Direct", "Glossy Color"), ("Environment", "")},
        ),
        (  # Arnold
            ("", "diffuse_direct", "diffuse_indirect", "diffuse", "specular", "emission", "N"),
            {("diffuse_direct", ""), ("diffuse_indirect", ""), ("specular", ""), ("emission", "")},
        ),
        (  # RenderMan
            ("Ci", "directDiffuse", "indirectDiffuse", "directSpecular", "albedo"),
            {("directDiffuse", ""), ("indirectDiffuse", ""), ("directSpecular", "")},
        ),
        (  # RenderMan, lobe by lobe
            ("beauty", "directDiffuseLobe", "subsurfaceLobe", "transmissiveGlassLobe", "emissive"),
            {
                ("directDiffuseLobe", ""),
                ("subsurfaceLobe", ""),
                ("transmissiveGlassLobe", ""),
                ("emissive", ""),
            },
        ),
    ],
)
def test_terms_are_found_by_the_names_of_each_renderer(
    layers: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    (made,) = makeups(file_of(layers))
    assert names(made) == expected


def test_light_groups_make_the_beauty_a_second_time() -> None:
    file = file_of(
        ("V.Combined", "V.DiffDir", "V.DiffCol", "V.Emit", "V.Combined_key", "V.Combined_sky")
    )
    kinds, groups = makeups(file)
    assert len(kinds.terms) == 2
    assert names(groups) == {("Combined_key", ""), ("Combined_sky", "")}


@pytest.mark.parametrize("layers", [("",), ("", "emission"), ("Combined", "DiffDir", "DiffInd")])
def test_one_term_is_none(layers: tuple[str, ...]) -> None:
    assert makeups(file_of(layers)) == []


def test_a_residual_is_what_the_terms_leave_and_rounding_is_none() -> None:
    file = file_of(("", "diffuse", "specular"), np.float16)
    (made,) = makeups(file)
    whole = planes(file, layer(file, "diffuse")) + planes(file, layer(file, "specular"))
    assert exr_passes.residual(file, made, whole) is None
    assert exr_passes.residual(file, made, whole.astype(np.float16).astype(np.float32)) is None
    rest = exr_passes.residual(file, made, whole + 0.25)
    assert rest is not None
    np.testing.assert_allclose(rest, 0.25, atol=1e-6)


VALUES = arrays(np.float32, (HEIGHT, WIDTH, 3), elements=st.floats(0, 100, width=32))


@given(one=VALUES, two=VALUES, beauty=VALUES)
def test_terms_of_any_value_are_made_to_add_up(
    one: np.ndarray, two: np.ndarray, beauty: np.ndarray
) -> None:
    file = file_of(("", "diffuse", "specular"))
    (made,) = makeups(file)
    after = exr_passes.recombined(file, made, [one, two], None, beauty)
    total = planes(after, layer(after, "diffuse")) + planes(after, layer(after, "specular"))
    np.testing.assert_allclose(total, beauty, rtol=1e-4, atol=1e-30)


def test_shares_stay_and_the_residual_keeps_its_own() -> None:
    file = file_of(("", "diffuse", "specular"))
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    after = exr_passes.recombined(file, made, [3 * like, like], like, 10 * like)
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), 6)
    np.testing.assert_allclose(planes(after, layer(after, "specular")), 2)


def test_totals_follow_their_terms() -> None:
    file = file_of(("", "diffuse_direct", "diffuse_indirect", "diffuse", "emission"))
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    after = exr_passes.recombined(file, made, [like, 2 * like, 3 * like], None, 6 * like)
    parts = [planes(after, layer(after, f"diffuse_{kind}")) for kind in ("direct", "indirect")]
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), sum(parts))


def test_light_under_a_colour_of_nought_stays() -> None:
    file = file_of(("Combined", "DiffDir", "DiffCol", "Emit"))
    colour = planes(file, layer(file, "DiffCol"))
    colour[0] = 0
    for i, c in enumerate("RGB"):
        file = file.replaced(0, {f"DiffCol.{c}": colour[..., i]})
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    values = [like * (colour > 0) if term.colour else like for term in made.terms]
    after = exr_passes.recombined(file, made, values, None, 2 * like)
    before, got = (planes(f, layer(f, "DiffDir")) for f in (file, after))
    np.testing.assert_array_equal(got[0], before[0])
    made_of = sum(term.value(after) for term in made.terms)
    np.testing.assert_allclose(made_of, 2, rtol=1e-5)
