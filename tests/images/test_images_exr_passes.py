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


def file_of(names: tuple[str, ...], dtype: type = np.float32, top: float = 1.0) -> ExrFile:
    """Layers of values from 0 to `top`, which both are there."""
    rng = np.random.default_rng(len(names))
    edge = np.zeros((HEIGHT, WIDTH), bool)
    edge[0, :2] = True
    channels = {
        f"{name}.{c}" if name else c: np.where(
            edge, top * np.arange(WIDTH), top * rng.random((HEIGHT, WIDTH))
        ).astype(dtype)
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
def test_terms_of_any_value_are_made_to_add_up_as_far_as_they_may(
    one: np.ndarray, two: np.ndarray, beauty: np.ndarray
) -> None:
    file = file_of(("", "diffuse", "specular"), top=70.0)
    (made,) = makeups(file)
    after = exr_passes.recombined(file, made, [one, two], None, beauty)
    least, most, total = (np.zeros_like(beauty) for _ in range(3))
    for name, value in (("diffuse", one), ("specular", two)):
        low, high = exr_passes.span(planes(file, layer(file, name)))
        got, start = planes(after, layer(after, name)), np.clip(value, low, high)
        assert bool((got >= low).all())
        assert bool((got <= np.minimum(high, 4 * start)).all())
        least, most, total = least + low, most + np.minimum(high, 4 * start), total + got
    np.testing.assert_allclose(total, np.clip(beauty, least, most), rtol=1e-4, atol=1e-30)


def test_a_term_at_its_limit_leaves_the_rest_to_the_others() -> None:
    file = file_of(("", "diffuse", "specular"), top=100.0)
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    for i, c in enumerate("RGB"):
        file = file.replaced(0, {f"diffuse.{c}": 5 * like[..., i]})  # even, so it stays
    after = exr_passes.recombined(file, made, [5 * like, 10 * like], None, 35 * like)
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), 5)
    np.testing.assert_allclose(planes(after, layer(after, "specular")), 30, rtol=1e-5)


@pytest.mark.parametrize("beauty", [-3.0, 0.0, 0.001])
def test_a_beauty_of_next_to_nothing_turns_no_term(beauty: float) -> None:
    file = file_of(("", "diffuse", "specular"))
    for c in "RGB":
        for name in ("diffuse", "specular"):
            file = file.replaced(0, {f"{name}.{c}": np.eye(HEIGHT, WIDTH, dtype=np.float32)})
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    after = exr_passes.recombined(file, made, [0.3 * like, 0.6 * like], None, beauty * like)
    got = [planes(after, layer(after, name)) for name in ("diffuse", "specular")]
    np.testing.assert_allclose(got[0], max(beauty, 0) / 3, rtol=1e-4)
    np.testing.assert_allclose(got[1], max(beauty, 0) * 2 / 3, rtol=1e-4)


def test_terms_of_two_signs_do_not_cancel() -> None:
    """The one below 0 stays, whatever the gain of the others."""
    file = file_of(("", "diffuse", "specular"), top=100.0)
    dark = -planes(file, layer(file, "diffuse"))
    for i, c in enumerate("RGB"):
        file = file.replaced(0, {f"diffuse.{c}": dark[..., i]})
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    values = [np.float32(-10) * like, np.float32(10.01) * like]
    after = exr_passes.recombined(file, made, values, None, 20 * like)
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), -10)
    np.testing.assert_allclose(planes(after, layer(after, "specular")), 30, rtol=1e-5)


def test_shares_stay_and_the_residual_keeps_its_own() -> None:
    file = file_of(("", "diffuse", "specular"), top=100.0)
    (made,) = makeups(file)
    like = 10 * np.ones((HEIGHT, WIDTH, 3), np.float32)
    after = exr_passes.recombined(file, made, [3 * like, like], like, 10 * like)
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), 60, rtol=1e-5)
    np.testing.assert_allclose(planes(after, layer(after, "specular")), 20, rtol=1e-5)


def test_totals_follow_their_terms() -> None:
    file = file_of(("", "diffuse_direct", "diffuse_indirect", "diffuse", "emission"))
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    after = exr_passes.recombined(file, made, [like, 2 * like, 3 * like], None, 6 * like)
    parts = [planes(after, layer(after, f"diffuse_{kind}")) for kind in ("direct", "indirect")]
    np.testing.assert_allclose(planes(after, layer(after, "diffuse")), sum(parts))


def test_light_under_a_colour_of_nought_stays() -> None:
    file = file_of(("Combined", "DiffDir", "DiffCol", "Emit"), top=100.0)
    colour = planes(file, layer(file, "DiffCol"))
    colour[0] = 0
    for i, c in enumerate("RGB"):
        file = file.replaced(0, {f"DiffCol.{c}": colour[..., i]})
    (made,) = makeups(file)
    like = np.ones((HEIGHT, WIDTH, 3), np.float32)
    values = [10 * like * (colour > 0) if term.colour else 10 * like for term in made.terms]
    after = exr_passes.recombined(file, made, values, None, 20 * like)
    before, got = (planes(f, layer(f, "DiffDir")) for f in (file, after))
    np.testing.assert_array_equal(got[0], before[0])
    made_of = sum(term.value(after) for term in made.terms)
    np.testing.assert_allclose(made_of, 20, rtol=1e-5)
