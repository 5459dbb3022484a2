"""Protocols say what they measure; intervals cover."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_pictures import photo, unhurried

from restorekit.errors import UsageError
from restorekit.metrics import (
    Beside,
    Protocol,
    flicker,
    hole_psnr,
    interval,
    metric_names,
    protocol_for,
    psnr,
    relmse,
    reprojection_error,
    score,
    seam,
    smape,
    ssim,
)

LABELS = {
    "psnr-y": "PSNR-Y, border 4, 8 bit",
    "psnr": "PSNR-RGB, no border, 8 bit",
    "ssim-y": "SSIM-Y, border 4, 8 bit",
    "ssim": "SSIM-RGB, no border, 8 bit",
    "lpips": "LPIPS v0.1 AlexNet, no border, 8 bit",
    "lpips-squeeze": "LPIPS v0.1 SqueezeNet, no border, 8 bit",
    "lpips-vgg": "LPIPS v0.1 VGG16, no border, 8 bit",
    "smape": "SMAPE, no border, 8 bit",
    "relmse": "relMSE, no border, 8 bit",
    "reprojection": "Re-projection error, no border, 8 bit",
    "flicker": "Flicker, no border, 8 bit",
    "psnr-hole": "PSNR-RGB in the hole, no border, 8 bit",
    "seam": "Seam, no border, 8 bit",
}
PACKAGES = {"ssim": "scikit-image", "lpips": "torch"}


@pytest.mark.user("K2")
def test_labels() -> None:
    assert {name: protocol_for(name, 4).label for name in metric_names()} == LABELS
    assert protocol_for("psnr-y").label == "PSNR-Y, no border, 8 bit"
    assert Protocol("float", "psnr", "rgb", 2, bits=None).label == "PSNR-RGB, border 2, float"


@pytest.mark.user("K6")
def test_json_names_the_implementation() -> None:
    for name in metric_names():
        record = protocol_for(name, 3).to_json()
        assert json.loads(json.dumps(record)) == record
        assert record["label"] == protocol_for(name, 3).label
        assert record["border"] == (3 if name.endswith("-y") else 0)
        package = PACKAGES.get(record["metric"], "numpy")
        assert f" on {package} " in record["implementation"]
    assert protocol_for("lpips").to_json()["higher_is_better"] is False
    assert protocol_for("psnr").to_json()["unit"] == "dB"


def test_scores_follow_their_protocol() -> None:
    pytest.importorskip("skimage")
    a, b = photo(seed=1), photo(seed=2)
    assert score("psnr-y", a, b, scale=3) == psnr(a, b, channels="y", border=3)
    assert score("psnr", a, b, scale=3) == psnr(a, b)
    assert score("ssim-y", a, b, scale=3) == ssim(a, b, channels="y", border=3)
    assert score("ssim", a, b, scale=3) == ssim(a, b)
    mine = Protocol("mine", "psnr", "y", border=7)
    assert score(mine, a, b) == psnr(a, b, channels="y", border=7)


def test_scores_take_what_they_need_beside() -> None:
    a, b, c, d = (photo(seed=seed) for seed in range(4))
    hole = np.zeros(a.shape[:2], bool)
    hole[20:30, 20:40] = True
    beside = Beside(source=c[::2, ::2], hole=hole, before=(c, d))
    assert score("smape", a, b) == smape(a, b)
    assert score("relmse", a, b) == relmse(a, b)
    assert score("reprojection", a, b, beside=beside) == reprojection_error(a, c[::2, ::2])
    assert score("flicker", a, b, beside=beside) == flicker(a, b, (c, d))
    assert score("psnr-hole", a, b, beside=beside) == hole_psnr(a, b, hole)
    assert score("seam", a, b, beside=beside) == seam(a, b, hole)
    for name in ("reprojection", "flicker", "psnr-hole", "seam"):
        with pytest.raises(UsageError, match=f"{name} needs the "):
            score(name, a, b)


def test_floats_are_scored_as_the_8_bit_file_they_would_become() -> None:
    a = np.random.default_rng(0).random((20, 20, 3))
    b = photo(20, 20)
    saved = np.floor(a * 255 + 0.5).astype(np.uint8)
    assert score("psnr", a, b) == psnr(saved, b)
    assert score(Protocol("float", "psnr", bits=None), a, b) == psnr(a, b)


def test_lpips_by_name(lpips_weights) -> None:
    a, b = photo(seed=1), photo(seed=2)
    assert score("lpips", a, a) == 0
    assert score("lpips", a, b, scale=4) == pytest.approx(score("lpips", a / 255, b / 255))
    assert score("lpips", a, b) != score("lpips-squeeze", a, b)


def test_wrong_protocols_are_refused() -> None:
    with pytest.raises(UsageError, match="'fid' is no metric; known are psnr-y, psnr, ssim-y"):
        score("fid", photo(), photo())
    with pytest.raises(UsageError, match="scale is 0"):
        score("psnr-y", photo(), photo(), scale=0)
    for wrong in (
        {"metric": "fid"},
        {"metric": "psnr", "net": "alex"},
        {"metric": "lpips"},
        {"metric": "lpips", "net": "alex", "channels": "y"},
        {"metric": "psnr", "channels": "hsv"},
        {"metric": "psnr", "border": -1},
        {"metric": "seam", "border": 2},
        {"metric": "psnr", "hole": True, "border": 2},
        {"metric": "ssim", "hole": True},
        {"metric": "psnr", "hole": True, "channels": "y"},
    ):
        with pytest.raises(UsageError):
            Protocol("wrong", **wrong)
    with pytest.raises(UsageError, match=r"the result holds floats from -1 to"):
        score("psnr", np.full((9, 9), -1.0), photo(9, 9)[..., 0])
    with pytest.raises(FrozenInstanceError):
        protocol_for("psnr").border = 3  # type: ignore[misc]


values = st.lists(st.floats(-100, 100), min_size=2, max_size=30)


@unhurried
@given(values, st.integers(0, 3))
def test_interval_is_deterministic_and_between_the_extremes(sample, seed: int) -> None:
    low, high = interval(sample, seed)
    assert (low, high) == interval(sample, seed)
    slack = 1e-9
    assert min(sample) - slack <= low <= high <= max(sample) + slack


def test_interval_does_not_touch_the_global_generator() -> None:
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    interval([1.0, 2.0, 3.0])
    assert np.random.random() == expected


def test_interval_moves_and_stretches_with_its_values() -> None:
    sample = np.random.default_rng(0).normal(size=14)
    low, high = interval(sample)
    assert interval(3 * sample + 5) == pytest.approx((3 * low + 5, 3 * high + 5))


def test_interval_of_many_is_the_normal_one() -> None:
    sample = np.random.default_rng(0).normal(30, 2, 400)
    half = 1.96 * sample.std(ddof=1) / 20
    expected = (sample.mean() - half, sample.mean() + half)
    assert interval(sample) == pytest.approx(expected, abs=0.02)


def test_interval_covers_the_mean_19_times_in_20() -> None:
    """14 normal values, as Set14: 400 trials; 95 % has a deviation of 1.1 % there."""
    rng = np.random.default_rng(1)
    inside = 0
    for trial in range(400):
        low, high = interval(rng.normal(28, 3, 14), trial)
        inside += low < 28 < high
    assert 0.92 < inside / 400 < 0.98


@pytest.mark.parametrize("sample", [[], [3.0], [1.0, math.inf], [1.0, math.nan]])
def test_interval_is_undefined_for_too_little(sample) -> None:
    assert all(math.isnan(end) for end in interval(sample))
