"""What a picture is promised on its way through: size, mode, depth, grey, alpha, strength."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from outer_kit import Run, noise, pixels_of, save
from PIL import Image

import restorekit
from restorekit.images import from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.samples import to_tensor
from restorekit.jobs.transparency import continued

Build = Callable[..., Restorer]


def half_up(value: float) -> int:
    return math.floor(value + 0.5)


@pytest.mark.user("B3")
@pytest.mark.user("D4")
@pytest.mark.parametrize("scale", [0.04, 0.5, 1.0, 1.37, 2.0, 2.5, 3.0, 4.0, 16.0])
def test_the_size_is_the_scale_times_the_input_rounded_half_up(model: Path, scale: float) -> None:
    for height, width in ((1, 1), (1, 9), (7, 5), (16, 11), (13, 2)):
        result = restorekit.upscale(noise(height, width), scale=scale, model=str(model))
        expected = (max(1, half_up(height * scale)), max(1, half_up(width * scale)), 3)
        assert result.shape == expected


@pytest.mark.user("B3")
def test_the_size_asked_for_is_the_size(model: Path) -> None:
    for size in ((31, 17), (1, 1), (200, 3)):
        result = restorekit.upscale(noise(9, 8), size=size, model=str(model))
        assert result.shape == (size[1], size[0], 3)
    result = restorekit.upscale(noise(9, 8), size="31x17", model=str(model))
    assert result.shape == (17, 31, 3)


def pictures() -> dict[str, tuple[Image.Image, str]]:
    """Mode → (a picture in it, the mode of its result)."""
    rgb = Image.fromarray(noise(12, 18))
    grey = Image.fromarray(noise(12, 18, 1))
    rgba = rgb.copy()
    rgba.putalpha(grey)
    palette = rgb.quantize(16)
    clear = palette.copy()
    clear.info["transparency"] = 3
    deep = Image.fromarray((noise(12, 18, 1).astype(np.uint16) << 8) + 3)
    la = Image.merge("LA", (grey, grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    return {
        "RGB": (rgb, "RGB"),
        "RGBA": (rgba, "RGBA"),
        "L": (grey, "L"),
        "LA": (la, "LA"),
        "P": (palette, "RGB"),
        "P with transparency": (clear, "RGBA"),
        "1": (grey.convert("1"), "L"),
        "I;16": (deep, "I;16"),
    }


@pytest.mark.user("B1")
@pytest.mark.user("B9")
@pytest.mark.user("B10")
@pytest.mark.parametrize("mode", list(pictures()))
def test_modes_and_depths_come_through_files(upscale: Run, tmp_path: Path, mode: str) -> None:
    image, expected = pictures()[mode]
    image.save(tmp_path / "a.png")
    ran = upscale(tmp_path / "a.png", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out" / "a.png") as result:
        assert (result.mode, result.size) == (expected, (36, 24))
        assert result.getextrema() != ()
        before = np.asarray(image.convert("RGBA") if "P" in mode else image, float)
        after = np.asarray(result, float)
    if mode == "P":
        before = before[..., :3]
    top = 65535 if mode == "I;16" else 255
    assert abs(before.mean() * (255 if mode == "1" else 1) - after.mean()) < 0.1 * top


@pytest.mark.user("B9")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_of_colour_stay_sixteen(upscale: Run, tmp_path: Path, suffix: str) -> None:
    from restorekit.images import Picture, read, write

    ramp = np.linspace(0, 1, 300, dtype=np.float32)
    color = np.stack([np.tile(ramp, (4, 1))] * 3, axis=2)
    path = tmp_path / f"a{suffix}"
    write(Picture(color, depth=16, mode="RGB;16"), path)
    assert upscale(path, "-o", tmp_path / "out").code == 0
    result = read(tmp_path / "out" / path.name)
    assert (result.depth, result.mode) == (16, "RGB;16")
    assert len(np.unique(result.color)) > 256


@pytest.mark.user("E2")
def test_grey_stays_exactly_grey(model: Path, upscale: Run, tmp_path: Path) -> None:
    grey = noise(12, 18, 1)
    result = restorekit.upscale(grey, scale=3, look="sharp", model=str(model))
    assert result.shape == (36, 54)
    jpeg = save(tmp_path / "a.jpg", grey)
    assert upscale(jpeg, "-o", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert image.mode == "L"


def disc(side: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A white disc with a soft edge: hidden colour is black where it is wholly transparent."""
    rows, columns = np.mgrid[0:side, 0:side] - (side - 1) / 2
    alpha = np.clip(side / 3 - np.hypot(rows, columns) + 2, 0, 4) / 4
    white = np.where(alpha > 0, 1.0, 0.0)
    return white.astype(np.float32), alpha.astype(np.float32)


def rgba(white: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    samples = np.stack([white, white, white, alpha], axis=2)
    return np.rint(255 * samples).astype(np.uint8)


@pytest.mark.user("B1")
@pytest.mark.parametrize("colour", [(255, 255, 255), (30, 60, 200), (128, 128, 128)])
@pytest.mark.parametrize("look", ["faithful", "sharp"])
@pytest.mark.parametrize("weights", ["shipped", "tiny"])
def test_a_soft_disc_of_one_colour_gets_no_fringe(
    model: Path, look: str, weights: str, colour: tuple[int, int, int]
) -> None:
    """Beneath the disc the colours are those of an even ground, whatever the weights make of one."""
    chosen = {"model": str(model)} if weights == "tiny" else {}
    picture = rgba(*disc())
    picture[picture[..., 3] > 0, :3] = colour
    result = restorekit.upscale(picture, scale=3.0, look=look, **chosen).astype(float)
    even = np.full((*picture.shape[:2], 3), colour, np.uint8)
    ground = restorekit.upscale(even, scale=3.0, look=look, **chosen).astype(float)
    shows = result[..., 3] > 0
    assert np.abs(result[..., :3] - ground)[shows].max() <= 1
    if weights == "shipped":
        most = 2 if look == "faithful" else 4
        assert np.abs(colour - result[..., :3])[shows].max() <= most


@pytest.mark.user("B1")
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_what_is_wholly_clear_or_opaque_stays_so(model: Path, look: str, scale: float) -> None:
    picture = rgba(*disc(60))
    picture[..., :3] = noise(60, 60)
    result = restorekit.upscale(picture, scale=scale, look=look, model=str(model))
    rows, columns = np.mgrid[0 : result.shape[0], 0 : result.shape[1]]
    centre = (result.shape[0] - 1) / 2
    distance = np.hypot(rows - centre, columns - centre) / scale
    clear, opaque = distance > 60 / 3 + 6 / min(scale, 1), distance < 60 / 3 - 6 / min(scale, 1)
    assert clear.any()
    assert opaque.any()
    assert np.all(result[clear] == 0)
    assert np.all(result[opaque][:, 3] == 255)
    assert len(np.unique(result[..., 3])) > 5  # the edge is soft


@pytest.mark.user("B1")
@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_constant_alpha_stays_constant(model: Path, value: int) -> None:
    picture = np.concatenate([noise(), np.full((16, 24, 1), value, np.uint8)], axis=2)
    for look in ("faithful", "sharp"):
        result = restorekit.upscale(picture, scale=2, look=look, model=str(model))
        assert np.all(result[..., 3] == value)
        plain = restorekit.upscale(picture[..., :3], scale=2, look=look, model=str(model))
        np.testing.assert_array_equal(result[..., :3], plain)


@pytest.mark.user("B1")
def test_hidden_colours_neither_show_nor_fail_the_file(upscale: Run, tmp_path: Path) -> None:
    """A logo as programs save it: white everywhere, and transparent but for a small dark sign."""
    picture = np.full((40, 40, 4), 255, np.uint8)
    picture[..., 3] = 0
    picture[16:24, 16:24] = (20, 30, 40, 255)
    save(tmp_path / "logo.png", picture)
    save(tmp_path / "clear.png", np.dstack([noise(), np.zeros((16, 24), np.uint8)]))
    for name in ("logo.png", "clear.png"):
        ran = upscale(tmp_path / name, "-o", tmp_path / "out")
        assert ran.code == 0, ran.err
    result = pixels_of(tmp_path / "out" / "logo.png").astype(float)
    edge = result[..., 3] > 128
    assert result[edge][:, :3].max() < 120  # no white bleeds in


@pytest.mark.user("E1")
@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_strength_zero_is_the_plain_resize(model: Path, look: str) -> None:
    picture = noise(13, 17)
    result = restorekit.upscale(picture, scale=2.3, strength=0, look=look, model=str(model))
    plain = restorekit.resample(to_tensor(from_array(picture).color), (30, 39))
    expected = plain[0].permute(1, 2, 0).add(1).mul(127.5).clamp(0, 255).round().numpy()
    assert np.abs(result.astype(float) - expected).max() <= 1
    assert (result != expected).mean() < 0.001


@pytest.mark.user("E1")
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.3])
def test_strength_zero_resizes_alpha_and_the_colours_that_go_on_beneath_it(
    model: Path, scale: float
) -> None:
    picture = noise(15, 20, 4).astype(np.float32) / 255
    result = restorekit.upscale(picture, scale=scale, strength=0, model=str(model))
    planes = np.dstack([continued(picture[..., :3], picture[..., 3]), picture[..., 3]])
    tensor = torch.from_numpy(planes).permute(2, 0, 1)[None].contiguous()
    plain = restorekit.resample(tensor, result.shape[:2])[0].permute(1, 2, 0).clamp(0, 1).numpy()
    np.testing.assert_allclose(result[..., 3], plain[..., 3], atol=1e-6)
    shows = plain[..., 3] > 0
    np.testing.assert_allclose(result[..., :3][shows], plain[..., :3][shows], atol=1e-5)


@pytest.mark.user("E1")
@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_change_grows_with_strength(model: Path, look: str) -> None:
    picture = noise().astype(np.float32) / 255 * 0.5 + 0.25
    options = {"scale": 2, "look": look, "model": str(model)}
    results = [
        restorekit.upscale(picture, strength=share, **options) for share in (0, 0.2, 0.4, 0.7, 1)
    ]
    changes = [float(np.abs(result - results[0]).mean()) for result in results]
    assert changes == sorted(changes)
    assert len(set(changes)) == 5
    for share, change in zip((0, 0.2, 0.4, 0.7, 1), changes, strict=True):
        assert change == pytest.approx(share * changes[-1], rel=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_fidelity_is_the_weighted_mean_of_both_looks(model: Path, share: float) -> None:
    picture = noise().astype(np.float32) / 255 * 0.5 + 0.25
    options = {"scale": 2, "model": str(model)}
    faithful = restorekit.upscale(picture, look="faithful", **options)
    sharp = restorekit.upscale(picture, look="sharp", **options)
    mixed = restorekit.upscale(picture, fidelity=share, **options)
    np.testing.assert_allclose(mixed, share * faithful + (1 - share) * sharp, atol=1e-6)


def test_the_seed_changes_what_draws_noise_and_nothing_else(model: Path) -> None:
    def result(**options: object) -> np.ndarray:
        return restorekit.upscale(noise(), scale=2, model=str(model), **options)

    np.testing.assert_array_equal(result(seed=1), result(seed=2))
    assert np.any(result(look="sharp", seed=1) != result(look="sharp", seed=2))
    np.testing.assert_array_equal(result(look="sharp", seed=1), result(look="sharp", seed=1))


def charts() -> dict[str, np.ndarray]:
    rows, columns = np.mgrid[0:32, 0:32]
    steps = (rows // 8 * 4 + columns // 8) * 17
    board = 255 * ((rows + columns) % 2)
    lines = 255 * (columns % 2)
    return {
        name: np.stack([values.astype(np.uint8)] * 3, axis=2)
        for name, values in (("chart", steps), ("board", board), ("lines", lines))
    }


@pytest.mark.user("E2")
@pytest.mark.parametrize("name", ["chart", "board", "lines", "photo"])
@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_shipped_weights_keep_colours(look: str, name: str, record_property: Callable) -> None:
    """The mean of each channel is kept within 1/255 and what is grey stays exactly grey. Lines and
    squares of one pixel are wider off while the weights are not final."""
    picture = charts().get(name, noise(32, 32))
    result = restorekit.upscale(picture, scale=4, look=look).astype(float)
    drift = np.abs(result.mean((0, 1)) - picture.astype(float).mean((0, 1))).max()
    record_property("drift", round(float(drift), 3))
    assert drift <= (1.0 if name in ("chart", "photo") else 32.0)
    if name != "photo":
        assert np.all(result.max(2) == result.min(2))


@pytest.mark.user("D2")
def test_the_tiles_of_these_tests_are_many(restorer: Build) -> None:
    made = restorer(tile=64)
    counts = [
        len(
            made.engine.__class__(**{**vars(made.engine), "budget": b}).regions(
                (240, 200), made.runs()
            )
        )
        for b in (made.budget, 1 << 22)
    ]
    assert counts[0] > 4
    assert counts[1] == 1


@pytest.mark.user("D2")
@pytest.mark.parametrize("options", [{}, {"look": "sharp", "steps": 2}, {"fidelity": 0.3}])
@pytest.mark.parametrize("kind", ["rgb", "rgba", "grey"])
def test_tiles_change_no_kind_of_picture(model: Path, kind: str, options: dict) -> None:
    picture = {"rgb": noise(90, 75), "rgba": noise(90, 75, 4), "grey": noise(90, 75, 1)}[kind]
    options = {**options, "scale": 2, "model": str(model)}
    whole = restorekit.upscale(picture, **options)
    np.testing.assert_array_equal(restorekit.upscale(picture, tile=64, **options), whole)


def test_a_picture_is_not_changed_by_being_restored(restorer: Build) -> None:
    picture = from_array(noise(16, 24, 4))
    copies = picture.color.copy(), picture.alpha.copy()  # type: ignore[union-attr]
    restorer()(picture)
    np.testing.assert_array_equal(picture.color, copies[0])
    np.testing.assert_array_equal(picture.alpha, copies[1])  # type: ignore[arg-type]


def test_to_tensor_is_the_same_for_every_kind_of_sample() -> None:
    eight = noise(5, 6)
    unit = eight.astype(np.float32) / 255
    deep = eight.astype(np.uint16) * 257
    for samples in (eight, deep):
        torch.testing.assert_close(to_tensor(samples), to_tensor(unit), atol=1e-6, rtol=0)
        assert to_tensor(samples).dtype == torch.float32
