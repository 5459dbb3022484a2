"""Boxes, and the grids that cut a canvas: exact covers, at the least cost within a budget."""

from __future__ import annotations

import itertools

import numpy as np
from engine_oracles import few
from hypothesis import given
from hypothesis import strategies as st

from restorekit.engine.tiles import Box, best_tile, cut, from_edges, round_up

MULTIPLE = 16
cells = st.integers(1, 24)
sides = st.integers(1, 24 * MULTIPLE)


def count(area: Box, boxes: list[Box]) -> np.ndarray:
    covered = np.zeros((area.bottom + 7, area.right + 7), int)
    for box in boxes:
        covered[box.slices()] += 1
    return covered


@few
@given(st.integers(0, 30), st.integers(0, 30), *[st.integers(1, 60)] * 4)
def test_a_cut_covers_its_area_exactly_once(
    top: int, left: int, height: int, width: int, rows: int, columns: int
) -> None:
    area = Box(top, left, height, width)
    boxes = list(cut(area, rows, columns))
    covered = count(area, boxes)
    assert (covered[area.slices()] == 1).all()
    assert covered.sum() == area.pixels
    assert all(box.height <= rows and box.width <= columns for box in boxes)
    assert [box[:2] for box in boxes] == sorted(box[:2] for box in boxes)


@few
@given(st.integers(1, 500), st.integers(1, 500), *[st.integers(1, 9)] * 3)
def test_a_cut_s_parts_are_of_nearly_one_size(
    height: int, width: int, rows: int, columns: int, multiple: int
) -> None:
    limits = rows * multiple, columns * multiple
    boxes = list(cut(Box(0, 0, height, width), *limits, multiple))
    for axis, limit, length in ((0, limits[0], height), (1, limits[1], width)):
        starts = sorted({box[axis] for box in boxes})
        assert all(start % multiple == 0 for start in starts)
        assert len(starts) == -(-length // limit)  # as few as can be
        cells = [(end - start) // multiple for start, end in itertools.pairwise([*starts, length])]
        whole = cells[:-1]  # the last may end within a cell
        assert not whole or max(whole) - min(whole) <= 1
        assert not whole or cells[-1] >= min(whole) - 1


def largest_window(tile: tuple[int, int], margin: int, around: Box) -> int:
    height, width = (
        min(side + 2 * margin, full) for side, full in zip(tile, around[2:], strict=True)
    )
    return height * width


def cost(tile: tuple[int, int], margin: int, canvas: Box) -> int:
    """Pixels of all windows, each cut off at the canvas."""
    return sum(box.grow(margin, canvas).pixels for box in cut(canvas, *tile, MULTIPLE))


def lengths(full: int) -> list[int]:
    """Sides that a tile can have: whole multiples, or the canvas' own."""
    return sorted({*range(MULTIPLE, full, MULTIPLE), full})


@few
@given(sides, sides, st.integers(0, 3), st.integers(1, 200_000))
def test_the_best_tile_fits_the_budget_and_costs_least(
    height: int, width: int, margins: int, budget: int
) -> None:
    canvas, margin = Box(0, 0, height, width), margins * MULTIPLE
    tile = best_tile(canvas, margin, MULTIPLE, budget)
    sides = [lengths(canvas.height), lengths(canvas.width)]
    fitting = [
        (height, width)
        for height in sides[0]
        for width in sides[1]
        if largest_window((height, width), margin, canvas) <= budget
    ]
    if not fitting:
        assert tile == (MULTIPLE, MULTIPLE)
        return
    assert tile in fitting
    assert largest_window(tile, margin, canvas) <= budget
    if len(fitting) < 120:  # brute force over every tile there is
        least = min(cost(other, margin, canvas) for other in fitting)
        # Windows at the rim are narrower than the formula's: within a twentieth of the least.
        assert cost(tile, margin, canvas) <= 1.05 * least + 1


@few
@given(cells, cells, st.integers(0, 3), st.integers(0, 3), st.integers(1, 200_000))
def test_margins_that_reach_beyond_the_area_are_counted(
    rows: int, columns: int, margins: int, beyond: int, budget: int
) -> None:
    area = Box(64, 64, rows * MULTIPLE, columns * MULTIPLE)
    margin = margins * MULTIPLE
    around = area.grow(beyond * MULTIPLE, Box(0, 0, 10_000, 10_000))
    tile = best_tile(area, margin, MULTIPLE, budget, around)
    windows = [box.grow(margin, around).pixels for box in cut(area, *tile, MULTIPLE)]
    assert max(windows) <= budget or tile == (MULTIPLE, MULTIPLE)


def test_a_whole_canvas_within_the_budget_is_one_tile() -> None:
    canvas = Box(0, 0, 640, 448)
    assert best_tile(canvas, 192, 64, 640 * 448) == (640, 448)
    assert best_tile(canvas, 192, 64, 640 * 448 - 1) != (640, 448)


@few
@given(*[st.integers(0, 50)] * 2, *[st.integers(1, 50)] * 2, st.integers(0, 20))
def test_boxes_grow_and_clip_as_sets_of_pixels(
    top: int, left: int, height: int, width: int, margin: int
) -> None:
    inside = Box(5, 3, 60, 70)
    box = from_edges(top + 5, left + 3, top + 5 + height, left + 3 + width)
    grown = box.grow(margin, inside)
    for row in (5, box.top - margin - 1, box.top - margin, box.bottom + margin - 1, 64, 65):
        expected = box.top - margin <= row < box.bottom + margin and 5 <= row < 65
        assert (grown.top <= row < grown.bottom) == expected
    assert box.clip(inside) == from_edges(
        box.top, box.left, min(box.bottom, 65), min(box.right, 73)
    )
    assert grown.relative_to(inside) == Box(grown.top - 5, grown.left - 3, *grown[2:])
    page = np.zeros((200, 200))
    page[box.slices()] = 1
    assert page.sum() == box.pixels == box.height * box.width


@given(st.integers(0, 10**9), st.integers(1, 10**4))
def test_rounding_up(value: int, multiple: int) -> None:
    found = round_up(value, multiple)
    assert found % multiple == 0
    assert 0 <= found - value < multiple
