"""Who is told how far a picture is, through its windows, stages and frames."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[int, int], None]
"""Told of progress: output pixels done, and of how many."""


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def part_of(tell: Tell, number: int, count: int) -> Tell:
    """Tells of the whole as one of its equal parts, counted from 0, goes on."""
    return lambda done, total: tell(number * total + done, count * total)


def chain(tell: Tell) -> Callable[[int], Tell]:
    """Whom to tell at each depth of a picture's stages: the deepest first, which says how many there
    are, then up to 0, then the picture itself at −1."""
    deepest = -1

    def at(depth: int) -> Tell:
        nonlocal deepest
        deepest = max(deepest, depth)
        return part_of(tell, deepest - depth, deepest + 2)

    return at
