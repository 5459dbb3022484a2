"""Scores of agreement with what is known, by closed forms: source, frame before, edge of a hole."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_pictures import photo, unhurried

from restorekit.errors import UsageError
from restorekit.metrics import (
    flicker,
    hole_psnr,
    matlab_imresize,
    psnr,
    relmse,
    reprojection_error,
    seam,
    smape,
)


def hole(height: int, width: int, top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_reprojection_of_what_was_reduced_is_only_rounding() -> None:
    high = photo(64, 80, seed=3)
    low = matlab_imresize(high / 255.0, 0.25, border="clamp").clip(0, 1)
    assert reprojection_error(high, low) == pytest.approx(0, abs=1e-6)
    rounded = np.floor(low * 255 + 0.5).astype(np.uint8)
    assert reprojection_error(high, rounded) == pytest.approx(1 / math.sqrt(12), rel=0.1)


@pytest.mark.user("E4")
@pytest.mark.parametrize("levels", [1, 5])
def test_reprojection_sees_a_shift_of_brightness(levels: int) -> None:
    low, high = np.full((8, 9), 100, np.uint8), np.full((27, 30), 100 + levels, np.uint8)
    assert reprojection_error(high, low) == pytest.approx(levels)


def test_reprojection_refuses_what_is_no_enlargement() -> None:
    with pytest.raises(UsageError, match="at least as large"):
        reprojection_error(photo(20, 20), photo(21, 20))
    with pytest.raises(UsageError, match="same channels"):
        reprojection_error(photo(20, 20), photo(10, 10)[..., 0])


@unhurried
@given(st.floats(0, 50), st.floats(0, 50))
def test_relative_errors_of_constants(a: float, b: float) -> None:
    """Also above 1: renders hold linear light."""
    one, two = np.full((3, 4, 3), a), np.full((3, 4, 3), b)
    assert smape(one, two) == pytest.approx(abs(a - b) / (a + b + 0.01))
    assert smape(two, one) == smape(one, two) < 1
    assert relmse(one, two) == pytest.approx((a - b) ** 2 / (b**2 + 0.01))


def test_relative_errors_take_what_they_can() -> None:
    levels = photo(8, 9)
    assert smape(levels, levels) == relmse(levels, levels) == 0
    assert smape(levels, 255 - levels) == pytest.approx(smape(levels / 255, (255 - levels) / 255))
    for wrong in (np.full((3, 4), -0.1), np.full((3, 4), np.inf), np.full((3, 4), np.nan)):
        with pytest.raises(UsageError, match="the second image holds values below 0 or not finite"):
            smape(np.ones((3, 4)), wrong)
    with pytest.raises(UsageError, match="same shape"):
        relmse(photo(4, 5), photo(5, 4))


def test_a_standing_error_does_not_flicker() -> None:
    """The frames move, the error stays: only what changes beyond the truth counts."""
    truths = [photo(20, 24, seed=seed) // 2 for seed in (0, 1)]
    off = [truth + 40 for truth in truths]
    assert flicker(off[1], truths[1], (off[0], truths[0])) == pytest.approx(0, abs=1e-9)
    assert flicker(truths[1] + 7, truths[1], (truths[0], truths[0])) == pytest.approx(7)
    assert flicker(truths[1] + 7, truths[1], (truths[0] + 3, truths[0])) == pytest.approx(4)
    with pytest.raises(UsageError, match="same shape"):
        flicker(truths[1], truths[1], (photo(20, 25), truths[0]))


def test_psnr_of_a_hole_is_that_of_its_pixels() -> None:
    a, b = photo(30, 40, seed=1), photo(30, 40, seed=2)
    mask = hole(30, 40, 5, 8, 12)
    assert hole_psnr(a, b, mask) == pytest.approx(psnr(a[5:17, 8:20], b[5:17, 8:20]))
    outside = np.where(mask[..., None], b, a)
    assert hole_psnr(outside, b, mask) == math.inf
    whole = np.ones((30, 40), bool)
    assert hole_psnr(a, b, whole) == pytest.approx(psnr(a, b))


def test_a_seam_shows_where_brightness_jumps() -> None:
    """A ramp goes on evenly; a patch raised by d jumps by d at each of its edges."""
    ramp = np.repeat(np.linspace(0.2, 0.6, 40)[None], 30, 0)
    mask = hole(30, 40, 8, 10, 12)
    assert seam(ramp, ramp, mask) == pytest.approx(1)
    for levels in (10, 20):
        raised = ramp + mask * levels / 255
        assert seam(raised, ramp, mask) == pytest.approx((levels + 0.5) / 0.5)
    truth = photo(30, 40)
    assert seam(truth, truth, mask) == 1
    flat = np.where(mask[..., None], truth[mask].mean(0).astype(np.uint8), truth)
    assert seam(flat, truth, mask) > 1.2


def test_a_seam_is_the_same_when_turned_and_for_the_hole_s_other_side() -> None:
    a, b = photo(30, 40, seed=1), photo(30, 40, seed=2)
    mask = hole(30, 40, 8, 10, 12)
    turned = [np.ascontiguousarray(image.swapaxes(0, 1)) for image in (a, b)]
    assert seam(*turned, mask.T.copy()) == pytest.approx(seam(a, b, mask))
    assert seam(a, b, ~mask) == pytest.approx(seam(a, b, mask))


def test_holes_that_cannot_be_scored_are_refused() -> None:
    a = photo(30, 40)
    with pytest.raises(UsageError, match="the hole is empty"):
        hole_psnr(a, a, np.zeros((30, 40), bool))
    with pytest.raises(UsageError, match="shape"):
        seam(a, a, np.ones((30, 41), bool))
    with pytest.raises(UsageError, match="bool"):
        seam(a, a, np.ones((30, 40)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no edge inside"):
        seam(a, a, np.ones((30, 40), bool))
