"""The smooth fill against a slow second implementation, and what a fill must not do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from restorekit_inpaint import fill
from scipy.ndimage import laplace


def pull_push(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W) float64 with unknown pixels filled: Gortler 1996, 5.3, one pixel at a time, then bent."""
    height, width = image.shape
    if known.all() or max(height, width) == 1:
        return np.where(known, image, 0)
    coarse = np.zeros((-(-height // 2), -(-width // 2)))
    there = np.zeros(coarse.shape, bool)
    for row, column in np.ndindex(coarse.shape):
        cell = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
        values = image[cell][known[cell]]
        if values.size:
            coarse[row, column], there[row, column] = values.mean(), True
    coarse = pull_push(coarse, there)
    result = image.copy()
    for row, column in zip(*np.nonzero(~known), strict=True):
        # Between the nearest cells' centres, three parts of the nearer and one of the other.
        rows, columns = (
            [place // 2, min(max(place // 2 + (1 if place % 2 else -1), 0), length - 1)]
            for place, length in zip((row, column), coarse.shape, strict=True)
        )
        weights = np.outer([0.75, 0.25], [0.75, 0.25])
        result[row, column] = (weights * coarse[np.ix_(rows, columns)]).sum()
    for _ in range(8):
        result[~known] += 0.25 * laplace(result, mode="nearest")[~known]
    for _ in range(16):
        result[~known] -= 0.03 * laplace(laplace(result, mode="nearest"), mode="nearest")[~known]
    return np.where(known, image, result)


def plane(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W): the plane through the means of 4 × 4 cells by least squares, each as heavy as it is known,
    its slope times the square of the share of their variance that it explains."""
    cells = []
    for row, column in np.ndindex(-(-image.shape[0] // 4), -(-image.shape[1] // 4)):
        cell = slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4)
        values = image[cell][known[cell]]
        if values.size:
            cells.append((4 * row + 1.5, 4 * column + 1.5, values.mean(), values.size))
    if not cells:
        return np.zeros_like(image)
    rows, columns, means, weights = np.array(cells).T
    middle, *origin = (np.average(v, weights=weights) for v in (means, rows, columns))
    heavy = np.sqrt(weights)
    axes = np.stack([rows - origin[0], columns - origin[1]], 1)
    slope = np.linalg.lstsq(axes * heavy[:, None], (means - middle) * heavy, rcond=1e-3)[0]
    total = (weights * (means - middle) ** 2).sum()
    explained = (weights * (axes @ slope) ** 2).sum() / total if total > 1e-9 else 0.0
    places = np.moveaxis(np.indices(image.shape), 0, 2) - origin
    return middle + explained**2 * (places @ slope)


def bent(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What `fill.smooth` promises of one window."""
    if known.all():
        return image
    around = plane(image, known)
    return np.where(known, image, (pull_push(image - around, known) + around).clip(-1, 1))


def drawn(height: int, width: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (height, width)), rng.random((height, width)) < share


few = settings(max_examples=25, deadline=None, derandomize=True)
sides = st.integers(1, 23)
shares = st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0])


@few
@given(sides, sides, shares, st.integers(0, 2**31))
def test_it_is_pull_push(height: int, width: int, share: float, seed: int) -> None:
    image, known = drawn(height, width, share, seed)
    hole = torch.from_numpy(~known).double()[None, None]
    made = fill.smooth(torch.from_numpy(image)[None, None], hole.float())[0, 0].numpy()
    np.testing.assert_allclose(made, bent(image, known), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(made[known], image[known])
    assert abs(made).max() <= 1
    if not known.any():
        assert not made.any()


def test_a_slope_goes_on_through_a_hole() -> None:
    across = torch.linspace(-0.8, 0.8, 64).expand(1, 1, 64, 64)
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 20:44, 28:36] = 1
    made = fill.smooth(across * (1 - hole), hole)
    assert float((made - across).abs().max()) < 0.03  # 1.2 pixels' worth; a flat fill has .1


@pytest.mark.parametrize("place", [(0, 0), (0, 40), (40, 0), (40, 40)])
def test_a_slope_goes_on_to_the_corners(place: tuple[int, int]) -> None:
    rows, columns = torch.meshgrid(*[torch.linspace(-0.4, 0.4, 64)] * 2, indexing="ij")
    ramp = (rows - columns)[None, None]
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., place[0] : place[0] + 24, place[1] : place[1] + 24] = 1
    torch.testing.assert_close(fill.smooth(ramp * (1 - hole), hole), ramp, rtol=0, atol=1e-5)


def test_a_constant_is_filled_with_itself() -> None:
    image = torch.full((1, 3, 90, 77), 0.3)
    hole = torch.ones(1, 1, 90, 77)
    hole[..., 11, 70] = 0
    torch.testing.assert_close(fill.smooth(image, hole), image, rtol=0, atol=1e-6)


def test_items_of_a_batch_are_filled_each_for_itself() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 21, 34, generator=generator)
    holes = (torch.rand(3, 1, 21, 34, generator=generator) < 0.5).float()
    holes[1], holes[2] = 0, 1
    together = fill.smooth(images, holes)
    for item in range(3):
        alone = fill.smooth(images[item : item + 1], holes[item : item + 1])
        torch.testing.assert_close(together[item : item + 1], alone)
    assert torch.equal(together[1], images[1])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (13, 5)])
def test_reduced_and_enlarged_are_on_the_same_grid(size: tuple[int, int]) -> None:
    image = torch.full((1, 3, *size), -0.4)
    hole = torch.zeros(1, 1, *size)
    hole[..., : size[0] // 2, :] = 1
    smaller, mask = fill.reduced(image, hole)
    assert smaller.shape[-2:] == tuple(-(-side // 4) for side in size)
    made = fill.enlarged(torch.where(mask > 0.5, -0.4, smaller), size)
    torch.testing.assert_close(made, image, rtol=0, atol=1e-6)
