"""Holes drawn at random, for training and benchmarks: strokes, boxes, thin lines, dust.

The random numbers are drawn on the host, so that a seed means the same holes on every device.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def draw(kind: str, count: int, height: int, width: int, seed: int) -> Tensor:
    """(count, 1, height, width) float32, 1 in the holes. kind: a key of `KINDS`, or "mixed"."""
    holes = []
    for number in range(count):
        pencil = random.Random(f"{seed} {number}")
        chosen = pencil.choice(MIXED) if kind == "mixed" else kind
        holes.append(KINDS[chosen](height, width, pencil))
    return torch.stack(holes)[:, None].float()


def strokes(
    height: int, width: int, pencil: random.Random, *, widths: tuple[float, float], share: float
) -> Tensor:
    """Lines with bends, of random widths, until a share of the picture is covered."""
    hole = torch.zeros(height, width, dtype=torch.bool)
    while hole.float().mean() < share:
        radius = pencil.uniform(*widths) / 2
        point = (pencil.uniform(0, height), pencil.uniform(0, width))
        angle = pencil.uniform(0, 2 * math.pi)
        for _ in range(pencil.randint(1, 5)):
            length = pencil.uniform(0.08, 0.4) * min(height, width)
            end = (point[0] + length * math.sin(angle), point[1] + length * math.cos(angle))
            _stroke(hole, point, end, radius)
            point, angle = end, angle + pencil.uniform(-1.2, 1.2)
    return hole


def _stroke(
    hole: Tensor, start: tuple[float, float], end: tuple[float, float], radius: float
) -> None:
    """Set what is within `radius` of a line, in place."""
    height, width = hole.shape
    top = max(0, math.floor(min(start[0], end[0]) - radius))
    bottom = min(height, math.ceil(max(start[0], end[0]) + radius) + 1)
    left = max(0, math.floor(min(start[1], end[1]) - radius))
    right = min(width, math.ceil(max(start[1], end[1]) + radius) + 1)
    if top >= bottom or left >= right:
        return
    y = torch.arange(top, bottom)[:, None] - start[0]
    x = torch.arange(left, right)[None] - start[1]
    dy, dx = end[0] - start[0], end[1] - start[1]
    along = ((y * dy + x * dx) / max(dy * dy + dx * dx, 1e-9)).clamp(0, 1)
    distance = (y - along * dy) ** 2 + (x - along * dx) ** 2
    hole[top:bottom, left:right] |= distance <= radius**2


def boxes(
    height: int, width: int, pencil: random.Random, *, sides: tuple[float, float], share: float
) -> Tensor:
    """Rectangles of random sides, until a share of the picture is covered."""
    hole = torch.zeros(height, width, dtype=torch.bool)
    while hole.float().mean() < share:
        tall, wide = (round(pencil.uniform(*sides)) for _ in range(2))
        top = pencil.randint(-tall // 2, max(0, height - tall // 2))
        left = pencil.randint(-wide // 2, max(0, width - wide // 2))
        hole[max(0, top) : top + tall, max(0, left) : left + wide] = True
    return hole


def _thin(height: int, width: int, pencil: random.Random) -> Tensor:
    share = pencil.uniform(0.1, 0.3)
    return strokes(height, width, pencil, widths=(1.0, 6.0), share=share)


def _brush(height: int, width: int, pencil: random.Random) -> Tensor:
    share = pencil.uniform(0.1, 0.3)
    return strokes(height, width, pencil, widths=(8.0, 32.0), share=share)


def _box(height: int, width: int, pencil: random.Random) -> Tensor:
    return boxes(height, width, pencil, sides=(16.0, 72.0), share=pencil.uniform(0.1, 0.3))


def _medium(height: int, width: int, pencil: random.Random) -> Tensor:
    return (_brush if pencil.random() < 0.5 else _box)(height, width, pencil)


def _wide(height: int, width: int, pencil: random.Random) -> Tensor:
    sides = (min(144.0, height * 0.6), min(240.0, height * 0.8))
    return boxes(height, width, pencil, sides=sides, share=pencil.uniform(0.4, 0.5))


def _dust(height: int, width: int, pencil: random.Random) -> Tensor:
    hole = torch.zeros(height, width, dtype=torch.bool)
    specks = round(height * width / 4096 * pencil.uniform(1, 6))
    while specks > 0 or not hole.any():
        specks -= 1
        at = (pencil.uniform(0, height), pencil.uniform(0, width))
        end = (at[0] + pencil.uniform(-6, 6), at[1] + pencil.uniform(-6, 6))
        _stroke(hole, at, end, pencil.uniform(0.7, 3.0))
    return hole


KINDS: Mapping[str, Callable[[int, int, random.Random], Tensor]] = {
    "thin": _thin,
    "brush": _brush,
    "box": _box,
    "medium": _medium,
    "wide": _wide,
    "dust": _dust,
}
MIXED = ("thin", "brush", "brush", "box", "box", "wide", "dust")
