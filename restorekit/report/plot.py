"""A plot of two scores against each other, as SVG inside a page."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 20, 50
# Okabe and Ito's colours, which colour-blind people tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


@dataclass(frozen=True)
class Point:
    """A method at its two scores. Points of one curve, unless it is "", are joined in their order."""

    name: str
    x: float
    y: float
    curve: str = ""
    note: str = ""


def plot(points: Sequence[Point], across: str, up: str) -> str:
    """SVG of points with the names of the axes; "" where fewer than two are finite."""
    points = [p for p in points if math.isfinite(p.x) and math.isfinite(p.y)]
    if len(points) < 2:
        return ""
    x_axis, y_axis = _Axis([p.x for p in points]), _Axis([p.y for p in points])

    def place(point: Point) -> tuple[float, float]:
        return (
            LEFT + x_axis.share(point.x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y_axis.share(point.y) * (HEIGHT - TOP - BOTTOM),
        )

    curves = list(dict.fromkeys(p.curve for p in points if p.curve))
    parts = [*_grid(x_axis, y_axis, across, up)]
    for number, curve in enumerate(curves):
        line = " ".join(
            f"{x:.1f},{y:.1f}" for x, y in (place(p) for p in points if p.curve == curve)
        )
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
    heights = _apart([place(p)[1] for p in points])
    for point, label in zip(points, heights, strict=True):
        x, y = place(point)
        colour = COLOURS[curves.index(point.curve) % len(COLOURS)] if point.curve else "#555"
        name = html.escape(point.name)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            f"<title>{name}: {point.x:.2f}, {point.y:.3f} {html.escape(point.note)}</title></circle>"
            f'<text x="{x + 8:.1f}" y="{label + 4:.1f}">{name}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(up)} over {html.escape(across)}">{"".join(parts)}</svg>'
    )


class _Axis:
    """A range that holds all values with room at both ends, and round numbers in it."""

    def __init__(self, values: Sequence[float]) -> None:
        room = 0.08 * (max(values) - min(values)) or 0.5
        self.low, self.high = min(values) - room, max(values) + room

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        rough = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first = math.ceil(self.low / step)
        return [step * n for n in range(first, math.floor(self.high / step) + 1)]


def _grid(x_axis: _Axis, y_axis: _Axis, across: str, up: str) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in x_axis.ticks():
        x = LEFT + x_axis.share(tick) * (right - LEFT)
        parts.append(
            f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#ddd"/>'
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:.6g}</text>'
        )
    for tick in y_axis.ticks():
        y = bottom - y_axis.share(tick) * (bottom - TOP)
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{html.escape(across)}</text>"
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">'
        f"{html.escape(up)}</text>"
    )
    return parts


def _apart(heights: Sequence[float], least: float = 13) -> list[float]:
    """Heights of labels moved down as far as needed to stand `least` pixels apart."""
    placed = [0.0] * len(heights)
    last = -math.inf
    for index in sorted(range(len(heights)), key=lambda i: heights[i]):
        last = placed[index] = max(heights[index], last + least)
    return placed
