"""The grain that a fill is given: that of what is known around it, and nothing where there is none."""

from __future__ import annotations

import pytest
import torch
from restorekit_inpaint import grain
from torch import Tensor

from restorekit import Box

HOLE = torch.zeros(1, 1, 160, 150)
HOLE[..., 70:100, 60:90] = 1
MIDDLE = Box(70, 60, 30, 30)


def drawn(image: Tensor, hole: Tensor = HOLE, box: Box = MIDDLE) -> Tensor:
    return grain.drawn(grain.deviations(image, hole), box)


def ramp(slope: float = 1 / 300) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(160.0), torch.arange(150.0), indexing="ij")
    return torch.stack([rows * slope, -columns * slope, (rows - columns) * slope])[None]


def noise(seed: int, channels: int = 3) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, channels, 160, 150, generator=draw)


@pytest.mark.parametrize("deviation", [0.004, 0.04, 0.15])
@pytest.mark.parametrize("common", [0.0, 0.5, 1.0], ids="common {}".format)
def test_white_noise_is_found_with_its_correlation(deviation: float, common: float) -> None:
    """Mean of 8 pictures: its deviation within 4 %, the share in common within .1."""
    found = []
    for seed in range(8):
        mixed = common**0.5 * noise(seed, 1) + (1 - common) ** 0.5 * noise(seed + 100)
        found.append(grain.deviations(ramp() + deviation * mixed, HOLE)[..., 5:6, 4:5])
    shared, own = torch.cat(found).square().split([1, 3], 1)
    assert (shared + own).mean().sqrt() == pytest.approx(deviation, rel=0.04)
    assert (shared / (shared + own)).mean() == pytest.approx(common, abs=0.1)


def test_it_is_drawn_with_its_deviations() -> None:
    deviations = torch.tensor([0.3, 0.0, 0.4, 0.1])[None, :, None, None].expand(1, 4, 40, 40)
    values = grain.drawn(deviations, Box(0, 0, 640, 640))[0].flatten(1)
    covariance = 0.09 + torch.diag(torch.tensor([0.0, 0.16, 0.01]))
    torch.testing.assert_close(torch.cov(values), covariance, atol=0.003, rtol=0)


def test_what_has_no_grain_is_given_none() -> None:
    """Planes, and straight edges along an axis, are no grain."""
    stripes = (torch.arange(150) // 7 % 2).float().expand(1, 3, 160, 150)
    for even in (torch.zeros(1, 3, 160, 150), ramp(), stripes):
        assert drawn(even).abs().max() < 1e-6


def test_a_grey_picture_stays_grey() -> None:
    given = drawn((0.1 * noise(3, 1)).expand(1, 3, -1, -1))
    assert torch.equal(given[:, 0], given[:, 1])
    assert torch.equal(given[:, 0], given[:, 2])
    assert given.std() == pytest.approx(0.1, rel=0.2)


def test_detail_beside_an_even_wall_is_no_grain_of_it() -> None:
    """Right of the hole is a texture of ten times the wall's grain; the even part is gone by."""
    image = 0.01 * noise(4)
    image[..., 110:] = 0.1 * noise(5)[..., 110:]
    assert drawn(image).std() == pytest.approx(0.01, rel=0.2)


def test_grain_follows_the_place() -> None:
    """A scratch from a fine-grained half to a coarse-grained one has both."""
    image = torch.cat([0.01 * noise(6), 0.08 * noise(7)], 3)
    hole = torch.zeros(1, 1, 160, 300)
    hole[..., 78:81, :] = 1
    for left, deviation in ((0, 0.01), (200, 0.08)):
        found = drawn(image, hole, Box(78, left, 3, 100)).std()
        assert found == pytest.approx(deviation, rel=0.2)


def test_any_window_of_it_is_the_same() -> None:
    deviations = grain.deviations(0.05 * noise(8), HOLE)
    whole = grain.drawn(deviations, Box(0, 0, 160, 150))
    for box in (Box(69, 61, 1, 1), Box(33, 7, 80, 100), Box(0, 149, 160, 1)):
        assert torch.equal(grain.drawn(deviations, box), whole[..., *box.slices()])


@pytest.mark.parametrize("size", [(1, 1), (2, 90), (90, 2), (3, 3), (17, 5)])
def test_pictures_too_small_to_tell_have_none_or_a_finite_one(size: tuple[int, int]) -> None:
    hole = torch.zeros(1, 1, *size)
    hole[..., -1:, -1:] = 1
    image = noise(9)[..., : size[0], : size[1]]
    assert drawn(image, hole, Box(0, 0, *size)).isfinite().all()
    assert drawn(image, torch.ones_like(hole), Box(0, 0, *size)).abs().max() == 0
