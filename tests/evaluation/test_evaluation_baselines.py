"""Classical baselines do what they are for, and touch nothing else."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from outer_kit import noise

from restorekit import evaluation
from restorekit.errors import UsageError
from restorekit.evaluation import BASELINES, Case, baselines, missing_package, usual_baselines
from restorekit.images import from_array
from restorekit.metrics import hole_psnr, psnr

DENOISING = ["opencv-nlm", "skimage-nlm", "skimage-wavelet", "bm3d"]
FILLING = ["opencv-telea", "opencv-navier-stokes", "skimage-biharmonic"]
SMOOTH = np.clip(
    np.add.outer(np.linspace(40, 120, 48), np.linspace(20, 90, 64))[..., None] + (0, 10, 30), 0, 255
).astype(np.uint8)


def usable(name: str) -> str:
    if missing_package(name):
        pytest.skip(f"no {missing_package(name)}")
    return name


def noisy(sigma: float) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(0, sigma, SMOOTH.shape)
    return np.clip(SMOOTH + drawn, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", DENOISING)
@pytest.mark.parametrize("told", [{"sigma": 20.0}, {}])
def test_denoising_takes_noise_out(name: str, told: dict) -> None:
    case = Case("a", {"image": from_array(noisy(20))}, SMOOTH, told)
    result = BASELINES[usable(name)](case, SMOOTH.shape[:2])
    assert result.dtype == np.uint8
    assert result.shape == SMOOTH.shape
    assert psnr(result, SMOOTH) > psnr(noisy(20), SMOOTH) + 3


@pytest.mark.parametrize("name", DENOISING)
def test_denoising_leaves_what_has_no_noise(name: str) -> None:
    case = Case("a", {"image": from_array(SMOOTH)}, SMOOTH, {"sigma": 0.0})
    assert psnr(BASELINES[usable(name)](case, SMOOTH.shape[:2]), SMOOTH) > 38


def test_the_noise_is_found_where_nobody_tells_it() -> None:
    for sigma in (5, 15, 25):
        case = Case("a", {"image": from_array(noisy(sigma))}, SMOOTH)
        assert baselines.noise_level(case, noisy(sigma)) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("name", FILLING)
def test_filling_changes_the_hole_alone(name: str) -> None:
    hole = np.zeros(SMOOTH.shape[:2], bool)
    hole[20:28, 25:40] = True
    holed = np.where(hole[..., None], 255, SMOOTH).astype(np.uint8)
    mask = hole.astype(np.uint8) * 255
    case = Case("a", {"image": from_array(holed), "mask": from_array(mask)}, SMOOTH)
    result = BASELINES[usable(name)](case, SMOOTH.shape[:2])
    assert np.array_equal(result[~hole], SMOOTH[~hole])
    assert hole_psnr(result, SMOOTH, hole) > 30
    with pytest.raises(UsageError, match="no mask"):
        BASELINES[name](Case("a", {"image": from_array(holed)}, SMOOTH), SMOOTH.shape[:2])


def test_resizing_gives_the_size_and_input_gives_the_input() -> None:
    case = Case("a", {"image": from_array(noise(16, 24))}, noise(32, 48))
    for name in ("bicubic", "lanczos"):
        assert BASELINES[name](case, (33, 47)).shape == (33, 47, 3)
    assert np.array_equal(BASELINES["input"](case, (16, 24)), noise(16, 24))


def test_each_kind_of_task_has_its_usual_baselines() -> None:
    assert usual_baselines(("image",), resizes=True) == ("bicubic", "lanczos")
    assert usual_baselines(("image", "mask"), resizes=False) == tuple(FILLING)
    assert usual_baselines(("image",), resizes=False)[0] == "input"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(baselines, "find_spec", lambda _: None)
    assert missing_package("opencv-nlm") == "cv2"
    assert missing_package("skimage-wavelet") == "skimage"
    assert missing_package("bicubic") == ""


def test_evaluating_is_repeatable() -> None:
    cases = [Case("a", {"image": from_array(noise(20, 20))}, noise(40, 40))]
    methods = {name: BASELINES[name] for name in ("bicubic", "lanczos")}
    results = [evaluation.evaluate(cases, methods, ["psnr"], scale=2.0) for _ in range(2)]
    assert results[0].values == results[1].values
    assert results[0].about == results[1].about


@pytest.mark.parametrize(
    ("name", "side"), [("skimage-nlm", 1), ("skimage-wavelet", 1), ("bm3d", 16)]
)
def test_pictures_too_small_for_denoising_are_told(name: str, side: int) -> None:
    """Below their least sides these fail, answer with another shape, or never end."""
    small = noise(side, 40)
    case = Case("a", {"image": from_array(small)}, small)
    with pytest.raises(
        UsageError, match=f"{side + 1} pixels a side and the picture is 40 x {side}"
    ):
        BASELINES[usable(name)](case, small.shape[:2])


@pytest.mark.parametrize("name", FILLING)
def test_masks_that_leave_nothing_to_fill_from_are_told(name: str) -> None:
    for mask, words in (
        (np.full((16, 24), 255, np.uint8), "white all over"),
        (np.full((8, 24), 255, np.uint8), "24 x 16 and its mask 24 x 8"),
    ):
        case = Case("a", {"image": from_array(noise()), "mask": from_array(mask)}, noise())
        with pytest.raises(UsageError, match=words):
            BASELINES[usable(name)](case, (16, 24))
