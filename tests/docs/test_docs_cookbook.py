"""Every recipe of the conditioning cookbook is a task that does what its chapter says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from docs_pages import RECIPES, ROOT

import restorekit
from restorekit.metrics import psnr
from restorekit.testing import photograph
from restorekit.testing.examination import PROMISES, tried
from restorekit.testing.subject import subject

COOKBOOK = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")


def noisy(truth: np.ndarray, sigma: float = 25.0, coarse: int = 1) -> np.ndarray:
    draw = np.random.default_rng(1)
    height, width = (side // coarse for side in truth.shape[:2])
    noise = draw.normal(0, sigma, (height, width, 3)).repeat(coarse, 0).repeat(coarse, 1)
    return np.clip(truth + noise + 0.5, 0, 255).astype(np.uint8)


def restored(name: str, picture: np.ndarray, **options: Any) -> np.ndarray:
    return getattr(restorekit, name.replace("-", "_"))(picture, device="cpu", **options)


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("*.py")))
def test_a_recipe_is_shown_and_keeps_the_rule_of_windows(
    recipes: dict[str, str], recipe: str
) -> None:
    assert f"<!-- generated: {recipe} -->" in COOKBOOK
    assert f"(images/cookbook/{recipe}.jpg)" in COOKBOOK
    assert (ROOT / "docs" / "images" / "cookbook" / f"{recipe}.jpg").is_file()
    examined = subject(recipes[recipe])
    for promise in PROMISES:
        if promise.name in ("declaration", "windows", "corrections", "sizes"):
            finding = tried(promise, examined)
            assert finding.kept is not False, str(finding)


@pytest.mark.usefixtures("recipes")
def test_concatenate_enlarges() -> None:
    truth = photograph(64, 80)
    small = truth.reshape(32, 2, 40, 2, 3).mean((1, 3)).astype(np.uint8)
    doubled = small.repeat(2, 0).repeat(2, 1)
    assert psnr(restored("enlarge", small), truth) > psnr(doubled, truth)


@pytest.mark.usefixtures("recipes")
def test_replace_keeps_what_is_known() -> None:
    truth = photograph(64, 80)
    given = noisy(truth)
    result = restored("denoise-dark", given)
    light = given.astype(int).sum(2) / 3 > 128
    np.testing.assert_array_equal(result[light], given[light])
    errors = [
        np.square(image[~light].astype(float) - truth[~light]).mean() for image in (result, given)
    ]
    assert errors[0] < errors[1] / 2


@pytest.mark.usefixtures("recipes")
def test_guide_leaves_as_much_as_is_asked_for() -> None:
    given = noisy(photograph(48, 48))
    np.testing.assert_array_equal(restored("keep-grain", given, grain=1), given)
    none, some = (restored("keep-grain", given, grain=grain).astype(float) for grain in (0, 0.3))
    expected = none + 0.3 * (given - none)
    assert np.abs(some - expected).max() <= 1.5  # each is rounded once


@pytest.mark.usefixtures("recipes")
def test_project_keeps_the_brightness() -> None:
    truth = (
        photograph(48, 48) // 2 + 64
    )  # away from the ends of the range, where samples are cut off
    given = noisy(truth, 12)
    result = restored("colour-noise", given)
    brightness = [image.astype(float).mean(2) for image in (result, given)]
    assert np.abs(brightness[0] - brightness[1]).max() <= 1
    assert psnr(result, truth) > psnr(given, truth) + 1


@pytest.mark.usefixtures("recipes")
def test_start_from_changes_less_the_later_it_starts() -> None:
    small = photograph(32, 40)
    plain = restored("enlarge-lightly", small, strength=0.0)
    change = [
        np.abs(restored("enlarge-lightly", small, time=time).astype(float) - plain).mean()
        for time in (0.1, 1.0)
    ]
    assert change[0] < change[1]


@pytest.mark.usefixtures("recipes")
def test_cascade_takes_coarse_grain_out() -> None:
    truth = photograph(96, 96)
    given = noisy(truth, 25, coarse=2)
    assert psnr(restored("coarse-grain", given), truth) > psnr(given, truth) + 1
