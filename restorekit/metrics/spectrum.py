"""What an image's spectrum tells: sharpness by frequency, codec grids, noise in flat parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from restorekit.errors import UsageError
from restorekit.metrics.checks import Picture, check_pair, luma

_SMALLEST = 64  # pixels a side: below, the bands around a spectral line hold too few bins
_PATCH = 16
_FLATTEST = 0.1

# Variance of rounding to 8 bit, in levels², after the high-pass filter (the sum of its
# squared taps is 0.640625).
_ROUNDING_ENERGY = 0.640625 / 12


def radial_spectrum(
    image: Picture, bands: int = 32
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The power of Y by spatial frequency, averaged over all directions.

    Y in 8-bit levels, less its mean, times a separable Hann window w, gives the periodogram
    P(fx, fy) = |FFT|² / Σ w². A band's value is 10 log10 of the mean of P over the ring
    low <= √(fx² + fy²) < high, equal rings from 0 to 0.5 cycles a pixel, corners left out.
    White noise of one level's deviation has 0 dB in every band; a band without power has
    -inf, one without a single bin nan.

    Returns:
        (frequencies, decibels), each (bands,): the rings' middles in cycles a pixel and
        their power in dB over one level².

    Raises:
        UsageError: not a picture, or fewer than 1 band.
    """
    if bands < 1:
        raise UsageError(f"bands is {bands}; give 1 or more")
    power = _periodogram(_levels(image))
    ring = np.floor(_radius(power.shape) * 2 * bands).astype(np.intp)
    inside = ring < bands
    sums = np.bincount(ring[inside], weights=power[inside], minlength=bands)
    counts = np.bincount(ring[inside], minlength=bands)
    with np.errstate(divide="ignore", invalid="ignore"):
        decibels = 10 * np.log10(sums / counts)
    return (np.arange(bands) + 0.5) / (2 * bands), decibels


def period_energy(image: Picture, period: int) -> float:
    """Energy at one period in pixels over that of the frequencies beside it: grids show.

    For each axis, cropped from the top left to N pixels, a multiple of `period`: Y less its
    mean times a separable Hann window, Fourier-transformed along that axis, and |FFT|²
    averaged over the lines. The line is the mean of the bins within one of N / period; its
    surroundings are the geometric mean of the two bands from 1/32 to 1/16 cycles a pixel
    below and above it, so that a spectrum falling as a power of frequency gives about 1. The
    result is the mean over both axes of line / surroundings.

    White noise gives about 1. The 73 pictures of Kodak24, LIVE1 and gb82 give .66 to 1.20 at
    period 4, .74 to 1.50 at 8, and .62 to 1.12 at 2, where a falling spectrum has its end and
    no other side. A dotted grid, such as transposed convolutions and perceptual losses leave,
    gives far more. Compare the result with its reference.

    Returns:
        A ratio of at least 0; 1 for a picture without any energy there, such as a constant,
        and inf for a line in an otherwise empty spectrum.

    Raises:
        UsageError: not a picture, smaller than 64 pixels a side, or a period outside 2..8.
    """
    if not 2 <= period <= 8:
        raise UsageError(f"period is {period}; give 2 to 8 pixels")
    levels = _levels(image)
    if min(levels.shape) < _SMALLEST:
        raise UsageError(
            f"the image is {levels.shape[1]}x{levels.shape[0]}; a period needs {_SMALLEST} "
            "pixels a side to be seen"
        )
    height, width = (side - side % period for side in levels.shape)
    levels = _windowed(levels[:height, :width])
    return (_line_ratio(levels, period) + _line_ratio(levels.T, period)) / 2


def flat_patch_highpass(result: Picture, reference: Picture) -> float:
    """High-pass energy of `result` over that of `reference`, where the reference is flattest.

    The patches are the tenth (at least one) of the reference's 16x16 tiles, counted from
    the top left, whose Y has the least variance. The high-pass part is Y in 8-bit levels
    less Y filtered by [1 2 1]/4 along both axes (edges repeated); its energy is the mean
    square over the patches. The energy of rounding to 8 bit, .0534 levels², is added above
    and below, so that perfectly flat patches compare too.

    Below 1 the result has smoothed grain away; above 1 it has added noise or texture.

    Raises:
        UsageError: not pictures of one shape, or smaller than 16 pixels a side.
    """
    check_pair(result, reference)
    flat = _flattest(_levels(reference))
    above, below = (_tiles(_highpass(_levels(image)))[flat] for image in (result, reference))
    return float((np.mean(above**2) + _ROUNDING_ENERGY) / (np.mean(below**2) + _ROUNDING_ENERGY))


def _levels(image: Picture) -> NDArray[np.float64]:
    return luma(image) * 255


def _windowed(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less its mean, times a Hann window of unit mean square."""
    height, width = levels.shape
    return (levels - levels.mean()) * _hann(height)[:, None] * _hann(width)


def _hann(count: int) -> NDArray[np.float64]:
    """A periodic Hann window of unit mean square that is nowhere 0."""
    window = np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 2
    return window / np.sqrt(np.mean(window**2))


def _periodogram(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.fft.fft2(_windowed(levels))) ** 2 / levels.size


def _radius(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))


def _line_ratio(windowed: NDArray[np.float64], period: int) -> float:
    """Line over surroundings along the last axis, whose length is a multiple of `period`."""
    count = windowed.shape[1]
    power = np.mean(np.abs(np.fft.fft(windowed, axis=1)) ** 2, axis=0)
    line = count // period
    near = np.arange(max(2, count // 32), count // 16 + 1)
    low, high = power[line - near].mean(), power[(line + near) % count].mean()
    surroundings = np.sqrt(low * high)
    if surroundings <= 1e-20:  # far below rounding: nothing there at all
        return 1.0 if power[line] <= 1e-20 else np.inf
    return float(power[[line - 1, line, (line + 1) % count]].mean() / surroundings)


def _highpass(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    smooth = np.pad(levels, 1, mode="edge")
    smooth = (smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4
    return levels - (smooth[:, :-2] + 2 * smooth[:, 1:-1] + smooth[:, 2:]) / 4


def _tiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(tiles, 256): the whole 16x16 tiles from the top left."""
    rows, columns = (side // _PATCH for side in values.shape)
    whole = values[: rows * _PATCH, : columns * _PATCH]
    tiles = whole.reshape(rows, _PATCH, columns, _PATCH).swapaxes(1, 2)
    return tiles.reshape(rows * columns, _PATCH**2)


def _flattest(levels: NDArray[np.float64]) -> NDArray[np.intp]:
    variances = _tiles(levels).var(axis=1)
    if variances.size == 0:
        raise UsageError(
            f"the image is {levels.shape[1]}x{levels.shape[0]}; flat patches need {_PATCH} "
            "pixels a side"
        )
    count = max(1, round(_FLATTEST * variances.size))
    return np.argsort(variances, kind="stable")[:count]
