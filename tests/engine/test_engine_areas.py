"""Areas: only what is asked for is sampled, and it is what the whole picture would have there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from engine_oracles import few
from engine_rig import EVERYTHING, NATIVE, Rig, run
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.loop import Engine, Run
from restorekit.engine.tiles import Box, separate

CANVAS = Box(0, 0, 40 * 16, 30 * 16)
boxes = st.builds(
    lambda top, left, height, width: Box(top, left, height, width).clip(CANVAS),
    st.integers(0, 639),
    st.integers(0, 479),
    st.integers(1, 200),
    st.integers(1, 200),
)


def covering(areas: Sequence[Box]) -> np.ndarray:
    page = np.zeros((CANVAS.height, CANVAS.width), int)
    for area in areas:
        page[area.slices()] += 1
    return page


@few
@given(st.lists(boxes, max_size=12))
def test_separate_boxes_hold_the_areas_on_multiples(areas: list[Box]) -> None:
    found = separate(areas, 16, CANVAS)
    page = covering(found)
    assert page.max(initial=0) <= 1  # no two overlap
    assert (page >= (covering(areas) > 0)).all()
    for box in found:
        assert all(side % 16 == 0 for side in box)
        assert box.pixels > 0
        assert any(box.overlaps(area) for area in areas)
    assert found == sorted(found)
    assert separate(found, 16, CANVAS) == found


@few
@given(st.lists(boxes, min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_areas_does_not_matter(areas: list[Box], chance) -> None:
    shuffled = areas.copy()
    chance.shuffle(shuffled)
    assert separate(shuffled, 16, CANVAS) == separate(areas, 16, CANVAS)


@few
@given(st.lists(boxes, max_size=8))
def test_multiples_are_counted_from_the_canvas_s_corner(areas: list[Box]) -> None:
    """A picture lies in a frame, whose corner is not its own."""
    corner = Box(16 * 5 + 3, 16 + 7, 1, 1)  # on no multiple
    moved = [area.relative_to(corner) for area in areas]
    expected = [box.relative_to(corner) for box in separate(areas, 16, CANVAS)]
    assert separate(moved, 16, CANVAS.relative_to(corner)) == expected


def test_areas_apart_stay_apart_and_chains_become_one() -> None:
    far = [Box(3, 5, 2, 2), Box(100, 5, 2, 2)]
    assert separate(far, 16, CANVAS) == [Box(0, 0, 16, 16), Box(96, 0, 16, 16)]
    beside = [Box(0, 0, 16, 16), Box(0, 16, 16, 16)]
    assert separate(beside, 16, CANVAS) == beside
    # The last one joins the first two, whose box then reaches the third.
    chain = [Box(0, 0, 16, 16), Box(64, 64, 16, 16), Box(48, 16, 16, 16), Box(0, 0, 70, 70)]
    assert separate(chain, 16, CANVAS) == [Box(0, 0, 80, 80)]
    assert separate([], 16, CANVAS) == []
    assert separate([Box(630, 470, 10, 10)], 16, CANVAS) == [Box(624, 464, 16, 16)]


AREAS = [Box(10, 20, 30, 40), Box(130, 100, 3, 3), Box(299, 216, 1, 1)]
METHODS = {
    "faithful": run(start_noise=0.0, numbers={"look": 0.0}),
    "sharp": run(numbers={"look": 1.0}),
    "ancestral": run("ancestral", 3),
}


def parts(
    rig: Rig, engine: Engine, runs: Sequence[Run], areas: Sequence[Box]
) -> list[tuple[Box, Tensor]]:
    with torch.inference_mode():
        return list(engine.restore(rig.size, runs, rig.condition, areas=areas, seed=4))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [EVERYTHING, 1])
def test_areas_have_what_the_whole_picture_has_there(method: str, budget: int) -> None:
    if not NATIVE:
        pytest.skip("small windows of float32 are another algorithm to torch")
    rig = Rig(300, 217)
    whole = rig.restore(rig.engine(), [METHODS[method]], seed=4)
    covered = torch.zeros(rig.size, dtype=torch.int32)
    for box, part in parts(rig, rig.engine(budget), [METHODS[method]], AREAS):
        assert torch.equal(part, whole[(..., *box.slices())])
        covered[box.slices()] += 1
    assert int(covered.max()) == 1
    assert all((covered[area.slices()] == 1).all() for area in AREAS)
    assert not covered.all()


def test_regions_are_those_that_are_restored() -> None:
    rig = Rig(300, 217)
    for method in METHODS.values():
        engine = rig.engine()
        regions = engine.regions(rig.size, [method], AREAS)
        made = parts(rig, engine, [method], AREAS)
        assert [region.clip(Box(0, 0, *rig.size)) for region in regions] == [box for box, _ in made]
    whole = rig.engine()
    assert whole.regions(rig.size, [METHODS["sharp"]]) == [whole.canvas(rig.size)]


def test_the_frame_ends_on_the_stride_where_no_call_is_narrow() -> None:
    for radius, rows in ((128, 384), (129, 336)):  # margins of 32 and 48 cells
        assert Rig(300, 217, radius=radius).engine().canvas((300, 217)) == (-16, -16, rows, 256)


def test_no_areas_are_no_windows() -> None:
    rig = Rig(70, 50)
    assert parts(rig, rig.engine(), [METHODS["sharp"]], []) == []
    assert rig.asked == []
    assert rig.engine().regions(rig.size, [METHODS["sharp"]], []) == []


def test_no_more_than_an_area_and_its_margin_is_looked_at() -> None:
    """The cost of a hole does not grow with the picture around it."""
    rig = Rig(900, 700)
    calls: list[int] = []

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        calls.append(x.shape[-2] * x.shape[-1])
        return condition.source * 0.5

    engine = rig.engine(denoise=denoise, radius=64)
    list(engine.restore(rig.size, [METHODS["sharp"]], rig.condition, areas=[Box(450, 330, 9, 9)]))
    assert rig.asked == [Box(368, 240, 192, 192)]
    assert calls == [192 * 192]


def test_tiles_that_are_wholly_known_cost_nothing() -> None:
    rig = Rig(300, 217, with_known=True, radius=64)
    rig.mask[:] = 1
    rig.mask[..., 150, 100] = 0
    seen: list[Tensor] = []

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(x)
        return condition.source * 0.5

    made = rig.restore(rig.engine(1, denoise=denoise), [METHODS["faithful"]])
    assert len(seen) == 1  # of twenty tiles
    known = (rig.mask > 0.5).expand_as(made)
    assert torch.equal(made[known], rig.values[known])
    assert torch.equal(made[~known], rig.source[~known] * 0.5)
    rig.mask[:] = 1
    nothing = rig.restore(rig.engine(1, denoise=denoise), [METHODS["ancestral"]])
    assert len(seen) == 1
    assert torch.equal(nothing, rig.values)


@pytest.mark.parametrize("method", METHODS)
def test_known_tiles_that_are_left_out_do_not_show(method: str) -> None:
    """In the middle of what is known and at its borders, of one step and of several."""
    if not NATIVE:
        pytest.skip("small windows of float32 are another algorithm to torch")
    rig = Rig(300, 217, with_known=True)
    rig.mask[:] = 1
    rig.mask[..., 60:70, 40:200] = rig.mask[..., 250:, :9] = 0
    whole = rig.restore(rig.engine(), [METHODS[method]], seed=4)
    tiled = rig.restore(rig.engine(1), [METHODS[method]], seed=4)
    assert torch.equal(tiled, whole)
    assert math.isfinite(float(whole.sum()))
