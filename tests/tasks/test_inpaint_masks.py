"""Holes drawn at random: seeded, of the coverage their names promise; degraded pictures from them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from restorekit_inpaint import TASK, masks, restorekit_degrade
from torch import Tensor


@pytest.mark.parametrize("kind", ["mixed", *masks.KINDS])
def test_a_seed_means_the_same_holes(kind: str) -> None:
    state = torch.random.get_rng_state()
    one, again, other = (masks.draw(kind, 3, 200, 170, seed) for seed in (4, 4, 5))
    assert one.shape == (3, 1, 200, 170)
    assert one.dtype == torch.float32
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_batch_s_first_holes_do_not_depend_on_its_size() -> None:
    assert torch.equal(masks.draw("mixed", 4, 90, 90, 1)[:2], masks.draw("mixed", 2, 90, 90, 1))


COVERED = {"thin": (0.1, 0.32), "brush": (0.1, 0.34), "box": (0.1, 0.34), "medium": (0.1, 0.34),
           "wide": (0.4, 0.6), "dust": (0.003, 0.06)}  # fmt: skip


@pytest.mark.parametrize("kind", masks.KINDS)
def test_each_kind_covers_what_it_promises(kind: str) -> None:
    holes = masks.draw(kind, 10, 400, 600, 0)
    shares = holes.mean((1, 2, 3))
    low, high = COVERED[kind]
    assert low <= float(shares.min()) <= float(shares.max()) <= high


def squares(holes: Tensor, side: int) -> Tensor:
    """Whether each picture has a square of holes of this side."""
    known = F.max_pool2d(F.max_pool2d(1 - holes, (1, side), 1), (side, 1), 1)
    return (known == 0).flatten(1).any(1)


def test_wide_holes_are_wide_and_thin_ones_thin() -> None:
    assert squares(masks.draw("wide", 10, 400, 600, 1), 129).all()
    assert not squares(masks.draw("thin", 6, 400, 600, 1), 33).any()
    assert not squares(masks.draw("dust", 10, 400, 600, 1), 25).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (16, 16), (24, 20)])
@pytest.mark.parametrize("kind", [*masks.KINDS, "mixed"])
def test_small_pictures_have_holes_too(kind: str, size: tuple[int, int]) -> None:
    drawn = masks.draw(kind, 12, *size, 0)
    assert drawn.shape == (12, 1, *size)
    assert drawn.flatten(1).any(1).all()


def photographs(count: int = 4, side: int = 128) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("kind", [d.name for d in TASK.degradations])
def test_degraded_pictures_are_clean_outside_their_holes(kind: str) -> None:
    clean, options = photographs(), TASK.check_options({}) | TASK.check_degradation(kind, {})
    made, again, other = (restorekit_degrade(clean, options, seed) for seed in (7, 7, 8))
    hole = (made["mask"] > 0).expand_as(clean)
    assert torch.equal(made["image"][~hole], clean[~hole])
    assert not made["image"][hole].any()
    assert set(made["mask"].unique().tolist()) == {-1.0, 1.0}
    assert all(torch.equal(made[name], again[name]) for name in made)
    assert not torch.equal(made["mask"], other["mask"])
    assert kind == "mixed" or set(made) == {"image", "mask"}


def test_mixed_pictures_have_a_stage_where_one_would_be_asked_for() -> None:
    """And by chance elsewhere; one that is near the clean picture, a quarter of its size."""
    clean, staged = photographs(1, 160), []
    options = TASK.check_options({}) | TASK.check_degradation("mixed", {})
    smaller = F.avg_pool2d(clean, 4)
    for seed in range(30):
        made = restorekit_degrade(clean, options, seed)
        staged.append("stage" in made)
        if "stage" in made:
            assert made["stage"].shape == smaller.shape
            assert float((made["stage"] - smaller).square().mean().sqrt()) < 0.25
    assert 8 <= sum(staged) <= 26
