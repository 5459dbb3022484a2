"""A page that shows results: one HTML file, pictures inside, nothing from elsewhere.

Each figure compares two of its pictures under a slider; any other can be chosen, as can their
errors; crops enlarge the place under the pointer. Without scripts all pictures stand in a row.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from restorekit.report.plot import Point, plot

__all__ = ["Figure", "Point", "Section", "page", "plot"]

CROP = 64  # pixels of a picture that a crop shows, a side
LARGEST = 768  # pixels a side of what is shown of a picture


@dataclass(frozen=True)
class Figure:
    """Pictures of one thing by name, all (H, W, 3) uint8 of one size.

    left, right: what the slider compares at first. truth: what errors are shown against; "" hides
    that choice.
    """

    title: str
    pictures: Mapping[str, np.ndarray]
    left: str
    right: str
    truth: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page: its table (rows of cells, the first row the head), plot and figures.

    plot: SVG, as `plot` draws it. A heading of "" is left out, as is an empty table.
    """

    heading: str
    rows: Sequence[Sequence[str]] = ()
    plot: str = ""
    figures: Sequence[Figure] = ()


def page(title: str, lead: str, sections: Sequence[Section], facts: Mapping[str, str]) -> str:
    """The page. facts: shown at its end, name and value."""
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(lead)}</p>"]
    for section in sections:
        parts += [f"<h2>{html.escape(section.heading)}</h2>"] if section.heading else []
        parts += [_table(section.rows)] if section.rows else []
        parts += [section.plot, *(_figure(figure) for figure in section.figures)]
    parts.append(_table([["made with", ""], *([k, v] for k, v in facts.items())]))
    style, script = (
        files(__name__).joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js")
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>\n{style}</style></head>\n<body>\n"
        + "\n".join(parts)
        + f"\n<script>\n{script}</script></body></html>\n"
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["<tr>" + "".join(f"<th>{html.escape(c)}</th>" for c in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in body]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _figure(figure: Figure) -> str:
    place = _busiest(figure.pictures[figure.left], figure.pictures[figure.right])
    window = _around(place, figure.pictures[figure.left].shape[:2])
    pictures = {name: image[window] for name, image in figure.pictures.items()}
    top, left = (centre - cut.start for centre, cut in zip(place, window, strict=True))
    height, width = pictures[figure.left].shape[:2]
    choices = [_choice(figure, "left"), _choice(figure, "right")]
    if figure.truth:
        choices.append('<label><input type="checkbox" class="errors"> errors, × 4</label>')
    stored = (
        f'<figure><img width="{width}" height="{height}" alt="{html.escape(name)}" '
        f'src="{data_url(image)}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, image in pictures.items()
    )
    crops = (
        f'<figure><div class="crop" data-name="{html.escape(name)}"></div>'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name in pictures
    )
    return (
        f'<figure class="case" data-x="{left}" data-y="{top}" data-width="{width}" '
        f'data-height="{height}" data-truth="{html.escape(figure.truth)}">\n'
        f"<figcaption><b>{html.escape(figure.title)}</b> {' '.join(choices)}</figcaption>\n"
        f'<div class="pair" style="aspect-ratio: {width} / {height}; max-width: {width}px">'
        '<div class="side"></div><div class="side after"></div>'
        f'<input type="range" class="slider" min="0" max="100" value="50" '
        f'aria-label="{html.escape(figure.title)}: how much of the left picture shows"></div>\n'
        f'<div class="crops">{"".join(crops)}</div>\n'
        f'<div class="store">{"".join(stored)}</div>\n</figure>'
    )


def _choice(figure: Figure, side: str) -> str:
    chosen = getattr(figure, side)
    options = (
        # With a value: browsers take runs of spaces out of an option's text.
        f'<option value="{html.escape(name)}"{" selected" if name == chosen else ""}>'
        f"{html.escape(name)}</option>"
        for name in figure.pictures
    )
    return f'<label>{side} <select class="{side}">{"".join(options)}</select></label>'


def _busiest(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """(row, column) in the middle of the crop where two pictures differ most."""
    difference = np.abs(a.astype(np.int64) - b).sum(2)
    side = min(CROP, *difference.shape)
    sums = np.pad(difference.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    boxes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(int(boxes.argmax()), boxes.shape)
    return int(row) + side // 2, int(column) + side // 2


def _around(place: tuple[int, int], size: tuple[int, ...]) -> tuple[slice, slice]:
    """The window of at most `LARGEST` pixels a side around a place."""

    def cut(centre: int, length: int) -> slice:
        start = min(max(0, centre - LARGEST // 2), max(0, length - LARGEST))
        return slice(start, min(length, start + LARGEST))

    return cut(place[0], size[0]), cut(place[1], size[1])


def data_url(pixels: np.ndarray) -> str:
    """(H, W, 3) uint8 as a WebP of high quality inside a URL."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "WEBP", quality=95)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
