"""Scores by closed forms, what stands beside them, and what cannot be scored."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from outer_kit import noise

from restorekit.errors import UsageError
from restorekit.evaluation import Case, Results, as_rgb, as_text, evaluate
from restorekit.images import Picture, from_array
from restorekit.metrics import flicker, interval, reprojection_error


def case(seed: int = 0, **inputs: np.ndarray) -> Case:
    truth = noise(24, 32, seed=seed) // 2
    given = {"image": truth, **inputs}
    return Case(f"p{seed}", {name: from_array(image) for name, image in given.items()}, truth)


def brighter(levels: int):
    return lambda case, _: as_rgb(case.picture) + np.uint8(levels)


def test_a_constant_error_has_its_psnr() -> None:
    cases = [case(seed) for seed in range(3)]
    found = evaluate(cases, {"one": brighter(1), "five": brighter(5)}, ["psnr", "ssim"])
    for name, levels in (("one", 1), ("five", 5)):
        assert found.mean(name, "psnr") == pytest.approx(20 * np.log10(255 / levels))
    assert found.cases == ("p0", "p1", "p2")
    assert found.mean("one", "ssim") > found.mean("five", "ssim")


def test_a_metric_without_its_package_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    found = evaluate([case()], {"one": brighter(1)}, ["psnr", "ssim"])
    assert found.metrics == ("psnr",)
    assert found.mean("one", "psnr") == pytest.approx(20 * np.log10(255))
    (told,) = found.not_run
    assert told.startswith("ssim: SSIM needs scikit-image; install it with: pip install")


def test_flicker_takes_the_cases_as_frames() -> None:
    cases = [case(seed) for seed in range(3)]
    steady = brighter(3)
    found = evaluate(
        cases,
        {"steady": steady, "blinking": lambda c, s: brighter(4 * (c.name == "p1"))(c, s)},
        ["flicker", "psnr"],
    )
    assert list(found.values["steady"]["flicker"]) == [pytest.approx(0), pytest.approx(0)]
    assert list(found.values["blinking"]["flicker"]) == [pytest.approx(4), pytest.approx(4)]
    second, first = (as_rgb(c.picture) for c in (cases[1], cases[0]))
    assert flicker(second + 4, second, (first, first)) == pytest.approx(4)
    assert len(found.values["steady"]["psnr"]) == 3
    alone = evaluate(cases[:1], {"steady": steady}, ["flicker"])
    record = json.loads(json.dumps(alone.to_json(), allow_nan=False))
    assert record["methods"]["steady"]["flicker"]["mean"] is None


def test_reprojection_is_against_the_input_not_the_truth() -> None:
    low = noise(12, 16)
    enlarged = np.repeat(np.repeat(low, 2, 0), 2, 1)
    given = Case("a", {"image": from_array(low)}, noise(24, 31, seed=5))
    found = evaluate([given], {"near": lambda *_: enlarged}, ["reprojection"], scale=2.0)
    assert found.mean("near", "reprojection") == reprojection_error(enlarged, low)


def test_a_hole_is_scored_by_its_mask() -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[8:16, 8:20] = 255
    holed = case(0, mask=mask)
    found = evaluate([holed], {"ten": brighter(10)}, ["psnr-hole", "seam"])
    assert found.mean("ten", "psnr-hole") == pytest.approx(20 * np.log10(25.5))
    assert found.mean("ten", "seam") == pytest.approx(1)
    with pytest.raises(UsageError, match="p0: psnr-hole needs the mask"):
        evaluate([case()], {"ten": brighter(10)}, ["psnr-hole"])


def test_a_result_of_another_size_is_told() -> None:
    with pytest.raises(UsageError, match="half gives 16 x 12 and the truth is 32 x 24"):
        evaluate([case()], {"half": lambda *_: noise(12, 16)}, ["psnr"])


def test_what_is_kept_and_hashed() -> None:
    cases = [case(seed) for seed in range(3)]
    found = evaluate(cases, {"one": brighter(1)}, ["psnr"], keep=2, about={"task": "tint"})
    assert list(found.pictures) == ["p0", "p1"]
    assert list(found.pictures["p0"]) == ["truth", "one"]
    assert found.to_json()["task"] == "tint"
    other = evaluate([*cases[:2], case(7)], {"one": brighter(1)}, ["psnr"])
    assert other.about["data_sha256"] != found.about["data_sha256"]
    again = evaluate(cases, {"one": brighter(2)}, ["psnr"])
    assert again.about["data_sha256"] == found.about["data_sha256"]


def test_floats_are_restored_as_floats_and_scored_at_8_bits() -> None:
    truth = noise(12, 16)
    wide = Picture((truth / 255 * 1.5 - 0.25).astype(np.float32), depth=32, mode="RGB;32")
    given = Case("a", {"image": wide}, truth)
    seen = []

    def method(c, size):
        seen.append((c.picture.color.min(), c.picture.color.max()))
        return as_rgb(c.picture)

    found = evaluate([given], {"clip": method}, ["psnr"])
    assert seen[0][1] > 1
    clipped = np.clip(np.rint(wide.color * 255), 0, 255).astype(np.uint8)
    assert np.array_equal(as_rgb(wide), clipped)
    assert np.isfinite(found.mean("clip", "psnr"))


def test_intervals_and_table() -> None:
    values = {"a": {"psnr": [30.0, 31.0, 35.5]}, "long name": {"psnr": [1.0, 2.0, 3.0]}}
    found = Results(("x", "y", "z"), ("psnr",), 1.0, values, {"a": 1.0, "long name": 2.0})
    low, high = interval([30.0, 31.0, 35.5])
    assert found.interval("a", "psnr") == (low, high)
    rows = found.table().splitlines()
    assert len({len(row) for row in rows}) == 1
    assert rows[1].startswith("a ")
    assert f"32.17 ±{(high - low) / 2:.2f}" in rows[1]
    assert as_text([["", "b"], ["a", "1"]]) == "   b\na  1"


def test_where_nothing_is_resized_a_pixel_is_another_size() -> None:
    """Else a picture would be equal to another that has a row more."""
    low, truth = noise(23, 32), noise(24, 32)
    given = Case("a", {"image": from_array(low)}, truth)
    with pytest.raises(UsageError, match="a: the input is 32 x 23 and its truth is 32 x 24"):
        evaluate([given], {"same": lambda *_: low}, ["psnr"])
    with pytest.raises(UsageError, match="cut gives 32 x 23"):
        evaluate([case()], {"cut": lambda c, _: as_rgb(c.picture)[:23]}, ["psnr"])
    enlarged = Case("a", {"image": from_array(low)}, noise(34, 48))
    found = evaluate([enlarged], {"larger": lambda *_: noise(35, 48)}, ["psnr"], scale=1.5)
    assert found.cases == ("a",)


def test_a_method_that_refuses_a_picture_names_it() -> None:
    def refuses(*_: object) -> np.ndarray:
        raise UsageError("nothing is white")

    with pytest.raises(UsageError, match="p0, fill: nothing is white"):
        evaluate([case()], {"fill": refuses}, ["psnr"])


def test_where_the_input_was_rounded_up_a_method_makes_all_of_it() -> None:
    """Resampled to the truth's size instead, it would lie askew on it."""
    low, truth = noise(25, 32), noise(97, 125)
    asked = []

    def method(c, size):
        asked.append(size)
        return np.repeat(np.repeat(as_rgb(c.picture), 4, 0), 4, 1)

    evaluate([Case("a", {"image": from_array(low)}, truth)], {"four": method}, ["psnr"], scale=4)
    assert asked == [(100, 128)]
