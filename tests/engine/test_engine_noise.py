"""Noise by place: the hash by a second implementation, its law, and that every window agrees."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from engine_oracles import few
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from torch import Tensor

from restorekit.engine.noise import noise_at
from restorekit.engine.tiles import Box

WORD, LONG = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def lowbias32(x: int) -> int:
    """Wellons' 32-bit finaliser, in Python's unbounded integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D & WORD
    x ^= x >> 15
    x = x * 0x846CA68B & WORD
    return x ^ x >> 16


def key(*words: int) -> int:
    """Low 32 bits of splitmix64's finaliser, run over the words."""
    x = 0
    for word in words:
        x = (x + (word & LONG) + 0x9E3779B97F4A7C15) & LONG
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & LONG
        x = (x ^ x >> 27) * 0x94D049BB133111EB & LONG
        x ^= x >> 31
    return x & WORD


def bits(seed: int, step: int, channel: int, row: int, column: int) -> int:
    """The 24 bits of one place, 0 … 2²⁴ − 1, counted from the middle of int32's range."""
    start = lowbias32((row * 0x85EBCA6B + key(seed, step, channel)) & WORD)
    word = lowbias32(start ^ (column * 0x9E3779B1 & WORD))
    signed = word - (1 << 32) if word >> 31 else word
    return (signed >> 8) + (1 << 23)


PLACES = {
    (0, 0, 0, 0, 0): 10_261_636,
    (0, 0, 0, 0, 1): 9_845_506,
    (0, 0, 0, 1, 0): 1_159_814,
    (0, 0, 1, 0, 0): 136_404,
    (0, 1, 0, 0, 0): 5_535_268,
    (1, 0, 0, 0, 0): 10_671_705,
    (2**63, 7, 2, 40_000, 65_537): 3_233_230,
    (-1, 99, 5, 123_456, 7): 2_138_367,
}


@pytest.mark.parametrize("place", PLACES)
def test_golden_values(place: tuple[int, int, int, int, int]) -> None:
    """Noise must not change with the version: a seed names a picture."""
    seed, step, channel, row, column = place
    assert bits(*place) == PLACES[place]
    value = noise_at(Box(row, column, 1, 1), channel + 1, seed=seed, step=step)[0, channel, 0, 0]
    quantile = special.ndtri((PLACES[place] + 0.5) / 2**24)
    assert float(value) == pytest.approx(quantile, rel=2e-6, abs=1e-7)


def test_a_window_is_the_second_implementation_everywhere() -> None:
    box = Box(1000, 777, 9, 11)
    made = noise_at(box, 3, seed=42, step=5).double()
    for c, i, j in itertools.product(range(3), range(9), range(11)):
        expected = special.ndtri((bits(42, 5, c, 1000 + i, 777 + j) + 0.5) / 2**24)
        assert float(made[0, c, i, j]) == pytest.approx(expected, rel=2e-6, abs=1e-7)


@pytest.mark.user("D3")
@pytest.mark.user("M1")
@few
@given(
    st.integers(0, 2**20),
    st.integers(0, 2**20),
    st.integers(1, 40),
    st.integers(1, 40),
    st.data(),
)
def test_any_crop_is_the_crop_of_the_whole(
    top: int, left: int, height: int, width: int, data: st.DataObject
) -> None:
    whole = noise_at(Box(top, left, height, width), 2, seed=3, step=1)
    first_row, first_column = (
        data.draw(st.integers(0, height - 1)),
        data.draw(st.integers(0, width - 1)),
    )
    rows = data.draw(st.integers(1, height - first_row))
    columns = data.draw(st.integers(1, width - first_column))
    crop = noise_at(Box(top + first_row, left + first_column, rows, columns), 2, seed=3, step=1)
    inside = whole[..., first_row : first_row + rows, first_column : first_column + columns]
    assert torch.equal(crop, inside)


def test_windows_larger_than_a_working_group_agree() -> None:
    whole = noise_at(Box(0, 0, 9, 70_000), 1, seed=1)
    assert torch.equal(noise_at(Box(2, 69_000, 5, 900), 1, seed=1), whole[..., 2:7, 69_000:69_900])


def test_threads_do_not_matter() -> None:
    before = torch.get_num_threads()
    one = noise_at(Box(5, 5, 301, 307), 1, seed=1)
    try:
        torch.set_num_threads(3)
        assert torch.equal(noise_at(Box(5, 5, 301, 307), 1, seed=1), one)
    finally:
        torch.set_num_threads(before)


def test_the_global_generator_is_not_touched() -> None:
    state = torch.random.get_rng_state()
    noise_at(Box(0, 0, 8, 8), 3, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.fixture(scope="module")
def field() -> Tensor:
    """A megapixel's worth of draws, float64: (3, 512, 512)."""
    return noise_at(Box(0, 0, 512, 512), 3, seed=2026)[0].double()


def test_moments_are_the_normal_law_s(field: Tensor) -> None:
    """Each within four of its standard errors at n draws: √(1/n), √(2/n), √(6/n), √(24/n)."""
    count = field.numel()
    values = field.flatten().numpy()
    assert abs(values.mean()) < 4 / math.sqrt(count)
    assert abs(values.var() - 1) < 4 * math.sqrt(2 / count)
    assert abs(stats.skew(values)) < 4 * math.sqrt(6 / count)
    assert abs(stats.kurtosis(values)) < 4 * math.sqrt(24 / count)


def test_kolmogorov_smirnov(field: Tensor) -> None:
    for channel in field:
        assert stats.kstest(channel.flatten().numpy(), "norm").pvalue > 0.001


def test_tails_are_there_and_finite(field: Tensor) -> None:
    largest = float(field.abs().max())
    assert 4.3 < largest <= special.ndtri(1 - 2.0**-25) + 1e-3


def test_the_spectrum_is_flat(field: Tensor) -> None:
    """The periodogram of white noise is exponential of mean 1 at every frequency."""
    side = field.shape[-1]
    power = torch.fft.rfft2(field)[:, 1:, 1 : side // 2].abs().square() / side**2
    values = power.flatten().numpy()
    assert values.mean() == pytest.approx(1, abs=4 / math.sqrt(len(values)))
    assert values.std() == pytest.approx(1, abs=8 / math.sqrt(len(values)))
    assert stats.kstest(values, "expon").pvalue > 0.001
    for axis in (1, 2):  # no line of frequencies stands out
        lines = power.mean((0, axis)).numpy()
        spread = 1 / math.sqrt(power.shape[0] * power.shape[axis])
        assert abs(lines - 1).max() < 5 * spread


def correlation(a: Tensor, b: Tensor) -> float:
    return float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1])


def test_nothing_correlates() -> None:
    """Channels, steps, seeds (also neighbouring ones), and places up to three pixels apart."""
    box, limit = Box(0, 0, 256, 256), 4.5 / 256
    base = noise_at(box, 3, seed=10, step=0)[0].double()
    others = [
        noise_at(box, 1, seed=seed, step=step)[0, 0].double()
        for seed, step in ((10, 1), (10, 2), (11, 0), (9, 0), (0, 10), (10 + 2**32, 0), (-10, 0))
    ]
    fields = [*base, *others]
    assert max(abs(correlation(a, b)) for a, b in itertools.combinations(fields, 2)) < limit
    for down, right in itertools.product(range(-3, 4), range(4)):
        if (down, right) > (0, 0) or right:
            moved = torch.roll(base, (down, right), (-2, -1))
            assert abs(correlation(base[0], moved[0])) < limit, (down, right)


def test_squares_do_not_correlate_either(field: Tensor) -> None:
    """A hash that is white but not independent shows in the squares."""
    squares = field.square()
    assert abs(correlation(squares[:, 1:], squares[:, :-1])) < 4.5 / math.sqrt(field.numel())
    assert abs(correlation(squares[..., 1:], squares[..., :-1])) < 4.5 / math.sqrt(field.numel())
    assert abs(correlation(squares[0], squares[1])) < 4.5 / 512
