"""Spectra of pictures whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest
from metric_pictures import photo, read

from restorekit.errors import UsageError
from restorekit.metrics import flat_patch_highpass, period_energy, radial_spectrum

# Y's slope for a grey picture: 219 levels for the range of 255.
STUDIO = 219 / 255


def noise(size: int = 256, levels: float = 8, seed: int = 0) -> np.ndarray:
    """Grey white noise of the given deviation of Y in 8-bit levels, floats in [0, 1]."""
    rng = np.random.default_rng(seed)
    return 0.5 + rng.normal(0, levels / 255 / STUDIO, (size, size)).clip(-0.5, 0.5)


def wave(fx: float, fy: float, size: int = 128) -> np.ndarray:
    y, x = np.mgrid[0:size, 0:size]
    return 0.5 + 0.4 * np.cos(2 * np.pi * (fx * x + fy * y))


def test_white_noise_is_flat() -> None:
    frequencies, decibels = radial_spectrum(noise(levels=8))
    assert frequencies[[0, -1]].tolist() == [1 / 128, 63 / 128]
    assert decibels[2:] == pytest.approx(20 * np.log10(8), abs=1.5)
    assert decibels[8:].mean() == pytest.approx(20 * np.log10(8), abs=0.1)


@pytest.mark.parametrize(("fx", "fy"), [(0.25, 0.0), (0.0, 0.125), (0.1875, 0.25), (0.3, 0.3)])
def test_a_sinusoid_is_one_band(fx: float, fy: float) -> None:
    frequencies, decibels = radial_spectrum(wave(fx, fy), bands=16)
    peak = int(np.argmax(decibels))
    assert abs(frequencies[peak] - np.hypot(fx, fy)) <= 1 / 32 + 1 / 128
    far = np.abs(np.arange(16) - peak) > 1
    assert decibels[far].max() < decibels[peak] - 50


def test_power_is_that_of_the_window() -> None:
    """Parseval: a sinusoid's mean square, spread over its ring's bins."""
    _, decibels = radial_spectrum(wave(0.25, 0.0), bands=1)
    fy, fx = np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128))
    count = np.count_nonzero(np.hypot(fy, fx) < 0.5)
    power = (0.4 * 219) ** 2 / 2 * 128**2 / count
    assert decibels[0] == pytest.approx(10 * np.log10(power), abs=1e-3)


def test_a_constant_has_no_power_and_no_warning() -> None:
    _, decibels = radial_spectrum(np.full((70, 64), 0.0), bands=8)
    assert (decibels < -200).all()
    assert period_energy(np.full((70, 64), 0.3), 4) == 1


@pytest.mark.parametrize("period", [2, 3, 4, 8])
def test_white_noise_has_no_period(period: int) -> None:
    ratios = [period_energy(noise(seed=seed), period) for seed in range(8)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert np.max(np.abs(np.subtract(ratios, 1))) < 0.2


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("size", [64, 101, 256])
def test_a_dotted_grid_stands_out(period: int, size: int) -> None:
    grid = noise(size, levels=2)
    before = period_energy(grid, period)
    grid[::period, ::period] += 8 / 255
    assert before < 1.5
    assert period_energy(grid, period) > 5
    assert period_energy(grid.T, period) == pytest.approx(period_energy(grid, period), rel=0.5)


def test_stripes_of_either_direction_stand_out() -> None:
    for stripes in (np.s_[::4], np.s_[:, ::4]):
        grid = noise(levels=2)
        grid[stripes] += 4 / 255
        assert period_energy(grid, 4) > 5
        assert period_energy(grid, 3) < 1.3


def test_a_photograph_has_no_period(data) -> None:
    for name in ("kodim05", "kodim19", "kodim23"):
        picture = read(data / "testsets" / "Kodak24" / f"{name}.png")
        assert [period_energy(picture, period) for period in (2, 4)] == pytest.approx(
            [1, 1], abs=0.35
        )


def test_flat_patches_compare_noise() -> None:
    flat = np.full((64, 64), 0.5)
    assert flat_patch_highpass(photo(), photo()) == 1
    # Both have the floor of rounding in them, hence 3 %.
    ratio = flat_patch_highpass(noise(64, 8), noise(64, 4, seed=1))
    assert 2.5 < ratio < 6
    assert flat_patch_highpass(noise(64, 4), flat) > 100
    assert flat_patch_highpass(flat, noise(64, 4)) < 0.02
    assert flat_patch_highpass(flat, flat) == 1


def test_only_the_flattest_patches_count() -> None:
    reference = noise(160, 20)  # 100 patches of 16x16
    reference[:32, :80] = 0.5 + (noise(160, 2, seed=1)[:32, :80] - 0.5)  # ten calm ones
    result = reference.copy()
    result[32:] = 0.5
    # Not 1: the filter sees one pixel beyond a patch.
    assert flat_patch_highpass(result, reference) == pytest.approx(1, abs=0.15)
    result[:32, :80] = 0.5
    assert flat_patch_highpass(result, reference) < 0.2


def test_refusals() -> None:
    with pytest.raises(UsageError, match="period is 9; give 2 to 8"):
        period_energy(photo(), 9)
    with pytest.raises(UsageError, match="63x80; a period needs 64"):
        period_energy(photo(80, 63), 4)
    with pytest.raises(UsageError, match="bands is 0"):
        radial_spectrum(photo(), 0)
    with pytest.raises(UsageError, match="15x20; flat patches need 16"):
        flat_patch_highpass(photo(20, 15), photo(20, 15))
