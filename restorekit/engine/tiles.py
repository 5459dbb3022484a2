"""Windows of the output: boxes, and the grids that cut a canvas into them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """A window in output pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.left + self.width

    @property
    def pixels(self) -> int:
        """Its area."""
        return self.height * self.width

    def grow(self, margin: int, inside: Box) -> Box:
        """The box with a margin on each side, cut off at the edges of another."""
        return from_edges(
            max(self.top - margin, inside.top),
            max(self.left - margin, inside.left),
            min(self.bottom + margin, inside.bottom),
            min(self.right + margin, inside.right),
        )

    def clip(self, inside: Box) -> Box:
        """The part of the box inside another."""
        return self.grow(0, inside)

    def overlaps(self, other: Box) -> bool:
        """Whether they share a pixel."""
        return self.clip(other).height > 0 and self.clip(other).width > 0

    def relative_to(self, other: Box) -> Box:
        """The same window, counted from another's corner."""
        return Box(self.top - other.top, self.left - other.left, self.height, self.width)

    def slices(self) -> tuple[slice, slice]:
        """(rows, columns) for indexing."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def from_edges(top: int, left: int, bottom: int, right: int) -> Box:
    """A box from its edges; bottom and right are one past the last."""
    return Box(top, left, bottom - top, right - left)


def round_up(value: int, multiple: int) -> int:
    """The least multiple that is not below value."""
    return -(-value // multiple) * multiple


def separate(areas: Iterable[Box], multiple: int, canvas: Box) -> list[Box]:
    """Boxes on the canvas' multiples that hold the areas, none over another, cut off at its edges."""
    found: list[Box] = []
    for area in areas:
        up, back = (area.top - canvas.top) % multiple, (area.left - canvas.left) % multiple
        sides = round_up(area.height + up, multiple), round_up(area.width + back, multiple)
        box = Box(area.top - up, area.left - back, *sides).clip(canvas)
        while overlapping := [other for other in found if box.overlaps(other)]:
            found = [other for other in found if other not in overlapping]
            box = _around([box, *overlapping])
        found.append(box)
    return sorted(found)


def _around(boxes: Sequence[Box]) -> Box:
    return from_edges(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )


def cut(area: Box, height: int, width: int, multiple: int = 1) -> Iterator[Box]:
    """Boxes of at most height × width that cover an area, row by row, on multiples from its corner.

    As few as can be, and of nearly one size: a narrow rest would be mostly margin.
    """
    for top, tall in _evenly(area.height, height, multiple):
        for left, wide in _evenly(area.width, width, multiple):
            yield Box(area.top + top, area.left + left, tall, wide)


def _evenly(length: int, most: int, multiple: int) -> list[tuple[int, int]]:
    """(start, length) of parts on multiples, at most `most` (a multiple) long."""
    parts, cells = -(-length // most), -(-length // multiple)
    edges = [min(i * cells // parts * multiple, length) for i in range(parts)] + [length]
    return [(start, end - start) for start, end in itertools.pairwise(edges)]


def best_tile(
    canvas: Box, margin: int, multiple: int, budget: int, around: Box | None = None
) -> tuple[int, int]:
    """(height, width) of the tiles, on multiples, that cost the fewest pixels with their margins.

    budget: pixels of the largest tile with its margins. Where even one multiple with its margins is
    above it, the smallest tile is taken. around: how far margins reach; the canvas by default.
    """
    around = around or canvas
    best, best_cost = (multiple, multiple), None
    columns = -(-canvas.width // multiple)
    for count in sorted({-(-columns // parts) for parts in range(1, columns + 1)}, reverse=True):
        width = min(count * multiple, canvas.width)
        grown_width = min(width + 2 * margin, around.width)
        height = canvas.height
        if min(height + 2 * margin, around.height) * grown_width > budget:
            height = min(height, (budget // grown_width - 2 * margin) // multiple * multiple)
        if height < min(multiple, canvas.height):
            continue
        down, across = -(-canvas.height // height), -(-canvas.width // width)
        cost = (canvas.height + 2 * margin * (down - 1)) * (
            canvas.width + 2 * margin * (across - 1)
        )
        if best_cost is None or cost < best_cost:
            best, best_cost = (height, width), cost
    return best
