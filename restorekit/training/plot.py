"""A run's log as an SVG picture: loss and validation PSNR over iterations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, EDGE = 720, 300, 48


def plot(rows: Iterable[Mapping[str, str]], target: Path) -> None:
    """Draw the rows of `restorekit.training.log.read`."""
    rows = list(rows)
    loss = [(float(row["iteration"]), float(row["loss"])) for row in rows]
    psnr = [(float(row["iteration"]), float(row["psnr"])) for row in rows if row["psnr"]]
    parts = [_curve(loss, "#888", "loss", 0), _curve(psnr, "#06c", "validation PSNR-Y, dB", 1)]
    body = "\n".join(part for part in parts if part)
    target.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{body}\n</svg>\n",
        encoding="utf-8",
    )


def _curve(points: Sequence[tuple[float, float]], colour: str, name: str, side: int) -> str:
    """One curve with its own scale, its least and greatest value written at its side."""
    if len(points) < 2:
        return ""
    last, values = points[-1][0], [value for _, value in points]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0

    def place(point: tuple[float, float]) -> str:
        x = EDGE + (WIDTH - 2 * EDGE) * point[0] / last
        y = HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (point[1] - low) / spread
        return f"{x:.1f},{y:.1f}"

    x = WIDTH - EDGE + 4 if side else 4
    line = " ".join(place(point) for point in points)
    return (
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<text x="{x}" y="{EDGE}" fill="{colour}">{high:.3g}</text>'
        f'<text x="{x}" y="{HEIGHT - EDGE}" fill="{colour}">{low:.3g}</text>'
        f'<text x="{EDGE + side * 200}" y="{HEIGHT - 12}" fill="{colour}">{name}</text>'
    )
