"""The renders that train and test denoise-render: scenes, meshes, the protocol and its filters."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benchmarks" / "renders"


@pytest.fixture
def renders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The modules of benchmarks/renders, forgotten after the test."""
    import importlib

    if not FOLDER.is_dir():
        pytest.skip("no benchmarks beside the tests")
    monkeypatch.syspath_prepend(FOLDER)

    class Modules(SimpleNamespace):
        def __getattr__(self, name: str) -> Any:
            return importlib.import_module(name)

    yield Modules()
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def mitsuba() -> Any:
    found = pytest.importorskip("mitsuba")
    found.set_variant("scalar_rgb")
    return found


def test_textures_depend_on_their_seed_and_lie_in_their_range(renders: Any) -> None:
    for name in renders.textures.TEXTURES:
        one, same, other = (
            renders.textures.draw(np.random.default_rng(seed), name) for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        assert one.shape == (256, 256, 3)
        assert one.dtype == np.float32
        assert one.min() >= 0.01
        assert one.max() <= 0.95


def test_normals_of_meshes_point_where_their_faces_do(renders: Any) -> None:
    for name, (vertices, faces) in renders.shapes.meshes().items():
        points, normals = vertices[:, :3], vertices[:, 3:6]
        assert np.abs(points).max() <= 1 + 1e-6, name
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
        corners = points[faces]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        wide = np.linalg.norm(across, axis=1) > 1e-9
        assert ((across * normals[faces].mean(1)).sum(1)[wide] > 0).all(), name


@pytest.mark.parametrize("name", ["sphere", "cube", "bumpy"])
def test_solid_meshes_are_seen_from_outside(name: str, renders: Any) -> None:
    vertices, faces = renders.shapes.meshes()[name]
    corners = vertices[:, :3][faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((across * corners.mean(1)).sum(1) > -1e-12).all()


def scenes_of(described: dict[str, Any]) -> str:
    """A scene as text, in which transforms and bitmaps are written out."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(inner) for key, inner in value.items()}
        return str(np.array(value).sum()) if type(value).__name__ == "Bitmap" else str(value)

    return str(told(described))


@pytest.mark.slow
@pytest.mark.usefixtures("mitsuba")
def test_a_seed_is_a_scene(renders: Any, tmp_path: Path) -> None:
    texts = [scenes_of(renders.scenes.generate(seed, tmp_path, 8)) for seed in (5, 5, 6)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


@pytest.mark.slow
@pytest.mark.usefixtures("mitsuba")
def test_splits_share_no_seed(renders: Any) -> None:
    firsts = sorted(renders.make.FIRST.values())
    assert all(after - before >= 100_000 for before, after in itertools.pairwise(firsts))


@pytest.mark.slow
@pytest.mark.usefixtures("mitsuba")
def test_a_scene_is_rendered_with_its_passes(renders: Any, tmp_path: Path) -> None:
    """Frames of one view are independent, their passes those of the surfaces, glass white."""
    renders.shapes.save(tmp_path)
    described = renders.scenes.complete(renders.handmade.caustic(), tmp_path, 24)
    pair = renders.make.load(described)
    arrays = renders.make.bundle(pair, 0, (1, 1, 2), 0, 4)
    assert arrays["color"].shape == (3, 24, 24, 3)
    assert arrays["samples"].tolist() == [1, 1, 2]
    assert not np.array_equal(arrays["color"][0], arrays["color"][1])
    later = renders.make.bundle(pair, 0, (1, 1, 2), 1, 0)  # as what an older file gets
    for name in ("color", "albedo", "normal", "samples"):
        np.testing.assert_array_equal(later[name], arrays[name][1:])
    albedo, normal = (arrays[f"reference_{name}"].astype(float) for name in ("albedo", "normal"))
    assert albedo.min() >= 0
    assert albedo.max() <= 1.001
    assert (albedo.min(-1) > 0.99).any()  # the balls of glass
    length = np.linalg.norm(normal, axis=-1)
    assert length.max() <= 1.001
    assert np.median(length) > 0.9


@pytest.mark.usefixtures("mitsuba")
def test_a_file_is_filled_up_where_it_holds_the_first_renders(renders: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    assert renders.make._held(path, (1, 1, 2)) == 0
    np.savez(path, samples=np.array([1, 1]), color=np.zeros((2, 2, 2, 3)))
    assert renders.make._held(path, (1, 1, 2)) == 2
    more = {"samples": np.array([2]), "color": np.ones((1, 2, 2, 3))}
    joined = renders.make._joined(path, more)
    assert joined["samples"].tolist() == [1, 1, 2]
    assert joined["color"][:, 0, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.usefixtures("mitsuba")
def test_a_file_of_other_renders_is_left_as_it_is(renders: Any, tmp_path: Path) -> None:
    """A reference takes minutes: a run with other samples must not write over it."""
    path = tmp_path / "test" / "0000-0.npz"
    path.parent.mkdir()
    np.savez(path, samples=np.array([1, 4, 16, 64]))
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="holds renders of"):
        renders.make.make(tmp_path, "test", range(1), 0, 1)
    assert path.read_bytes() == before


def test_the_protocol_knows_no_unit_and_gives_middle_grey_its_place(renders: Any) -> None:
    even = np.full((8, 8, 3), 5.0, np.float32)
    picture = renders.measure.tonemapped(even, even)
    bright = 0.18 / 1.18
    np.testing.assert_allclose(picture, 1.055 * bright ** (1 / 2.4) - 0.055, rtol=1e-5)
    np.testing.assert_allclose(renders.measure.tonemapped(even * 7, even * 7), picture, rtol=1e-5)


def test_a_perfect_result_scores_perfectly(renders: Any) -> None:
    light = np.random.default_rng(0).random((32, 32, 3), np.float32) * 4
    found = renders.measure.scores(light, light)
    assert found["psnr"] == np.inf
    assert found["ssim"] == pytest.approx(1)
    assert found["smape"] == 0


@pytest.mark.parametrize("method", ["joint_bilateral", "non_local_means"])
def test_filters_are_fair_rivals(method: str, renders: Any) -> None:
    """They take most of the noise from even light on two walls, and keep the edge."""
    pytest.importorskip("skimage")
    pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    truth = np.ones((48, 48, 3), np.float32)
    truth[:, 24:] = 3
    albedo = truth / 4
    noisy = truth * rng.gamma(8, 1 / 8, truth.shape).astype(np.float32)
    inputs = {"image": noisy, "albedo": albedo, "normal": np.zeros_like(truth)}
    result = getattr(renders.measure, method)(inputs)
    before, after = (np.mean(np.square(image / truth - 1)) for image in (noisy, result))
    assert after < 0.4 * before


def test_the_table_has_a_line_for_every_method(renders: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    (tmp_path / "test").mkdir()
    planes = {name: rng.random((2, 32, 32, 3)) for name in ("color", "albedo", "normal")}
    reference = {"reference_color": rng.random((32, 32, 3))}
    np.savez(tmp_path / "test" / "0-0.npz", samples=np.array([1, 4]), **planes, **reference)
    chosen = {"noisy": renders.measure.noisy}
    table = list(renders.measure.rows(tmp_path, chosen, (1, 4)))
    assert [(row["samples"], row["guides"]) for row in table] == [
        (1, "with"),
        (1, "without"),
        (4, "with"),
        (4, "without"),
    ]
    assert len(list(renders.measure.summary(table))) == 4
