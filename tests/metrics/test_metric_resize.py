"""MATLAB's imresize: the published low-resolution files, and the laws of interpolation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_pictures import photo, read, unhurried

from restorekit.errors import UsageError
from restorekit.metrics import matlab_imresize, psnr

BICUBIC = {2: (30.24, 30.33), 3: (27.54, 27.63), 4: (26.00, 26.09)}


def names(set14: Path) -> list[str]:
    found = [path.stem for path in sorted((set14 / "HR").glob("*.png"))]
    assert len(found) == 14
    return found


def cropped(set14: Path, name: str, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """(high, low): the HR picture cut to `scale` times the low-resolution one."""
    low = read(set14 / f"x{scale}" / f"{name}.png")
    high = read(set14 / "HR" / f"{name}.png")
    return high[: low.shape[0] * scale, : low.shape[1] * scale], low


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set14_is_reproduced_bit_for_bit(set14: Path, scale: int) -> None:
    for name in names(set14):
        high, low = cropped(set14, name, scale)
        assert np.array_equal(matlab_imresize(high, 1 / scale, border="clamp"), low), name


@pytest.mark.user("K2")
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_published_bicubic_row(set14: Path, scale: int) -> None:
    classic, all_rgb = [], []
    for name in names(set14):
        high, low = cropped(set14, name, scale)
        up = matlab_imresize(low, scale)
        grey_as_y = "rgb" if high.ndim == 2 else "y"  # `bridge` alone
        classic.append(psnr(up, high, channels=grey_as_y, border=scale))
        all_rgb.append(psnr(up, high, channels="y", border=scale))
    assert (np.mean(classic), np.mean(all_rgb)) == pytest.approx(BICUBIC[scale], abs=0.01)


@pytest.mark.parametrize(("scale", "shape"), [(0.5, (33, 40)), (1 / 3, (22, 27)), (1.5, (98, 120))])
def test_size_from_scale_rounds_up(scale: float, shape: tuple[int, int]) -> None:
    assert matlab_imresize(photo(65, 80), scale).shape == (*shape, 3)


@unhurried
@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.sampled_from(["mirror", "clamp"]),
    st.integers(0, 255),
)
def test_a_constant_stays(shape, size, border: str, level: int) -> None:
    result = matlab_imresize(np.full(shape, level, np.uint8), size=size, border=border)
    assert result.dtype == np.uint8
    assert result.shape == size
    assert (result == level).all()


sides = st.tuples(st.integers(1, 20), st.integers(1, 20))


@unhurried
@given(sides, sides, st.sampled_from(["mirror", "clamp"]))
def test_turning_and_flipping_commute(shape, size, border: str) -> None:
    image = np.random.default_rng(shape[0] * shape[1]).random(shape)
    result = matlab_imresize(image, size=size, border=border)
    turned = matlab_imresize(image.T, size=size[::-1], border=border).T
    assert turned == pytest.approx(result, abs=1e-12)
    flipped = matlab_imresize(image[::-1], size=size, border=border)[::-1]
    assert flipped == pytest.approx(result, abs=1e-12)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 3])
def test_a_ramp_stays_a_ramp_inside(scale: float) -> None:
    ramp = np.tile(np.arange(64.0), (8, 1))
    middle = matlab_imresize(ramp, scale)[0][int(10 * scale) : int(-10 * scale)]
    assert np.diff(middle) == pytest.approx(1 / scale, abs=1e-12)


def test_scale_one_is_the_identity() -> None:
    assert np.array_equal(matlab_imresize(photo(), 1), photo())


def test_enlarging_interpolates_the_cubic() -> None:
    """Keys' kernel at 1/4 and 3/4 pixels: -9, 111, 29, -3 over 128."""
    dot = np.zeros((1, 9))
    dot[0, 4] = 128
    row = matlab_imresize(dot, size=(1, 18))[0]
    assert row[4:14] == pytest.approx([0, -3, -9, 29, 111, 111, 29, -9, -3, 0])


def test_rounding_is_an_option() -> None:
    levels = photo().astype(float)
    exact = matlab_imresize(levels, 0.5)
    assert exact.dtype == np.float64
    rounded = matlab_imresize(levels, 0.5, round_passes=True)
    assert np.array_equal(rounded, matlab_imresize(photo(), 0.5))
    assert 0 < np.abs(exact - rounded).max() < 1.2
    once = matlab_imresize(photo(), 0.5, round_passes=False)
    assert np.array_equal(once, np.floor(exact + 0.5))


def test_without_antialias_only_near_pixels_count() -> None:
    image = np.zeros((1, 64))
    image[0, 20] = 1  # the result's pixels lie at 3.5, 11.5, 19.5, 27.5
    assert np.flatnonzero(matlab_imresize(image, 1 / 8, antialias=False)).tolist() == [2]
    assert len(np.flatnonzero(matlab_imresize(image, 1 / 8))) > 1


@pytest.mark.parametrize(
    "wrong", [{}, {"scale": 0}, {"scale": -1.0}, {"scale": 2, "size": (4, 4)}, {"size": (0, 4)}]
)
def test_wrong_sizes_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError, match="give either a scale above 0 or a size"):
        matlab_imresize(photo(), **wrong)


def test_wrong_border_is_refused() -> None:
    with pytest.raises(UsageError, match="border is 'wrap'"):
        matlab_imresize(photo(), 2, border="wrap")
