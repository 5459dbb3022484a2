"""A page that shows results: one HTML file, pictures inside, sliders, nothing from elsewhere."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1080px; padding: 0 1rem;
  color: #222; background: #fafafa }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #eee }
figure { margin: 2rem 0 } figcaption { margin-bottom: .4rem }
.pair { position: relative; display: inline-block; overflow: hidden; max-width: 100%; --at: 50% }
.pair img { display: block; max-width: 100% }
.pair img.after { position: absolute; top: 0; left: 0; clip-path: inset(0 0 0 var(--at)) }
.pair::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px;
  background: #fff; box-shadow: 0 0 3px #000; pointer-events: none }
.pair input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize }
.name { position: absolute; bottom: .4rem; padding: .1rem .5rem; background: #000a; color: #fff;
  border-radius: .3rem; font-size: 13px; pointer-events: none }
.name.left { left: .4rem } .name.right { right: .4rem }
"""

SCRIPT = """
for (const pair of document.querySelectorAll('.pair')) {
  const slider = pair.querySelector('input');
  slider.addEventListener('input', () => pair.style.setProperty('--at', slider.value + '%'));
}
"""


@dataclass(frozen=True)
class Pair:
    """Two pictures of one size under a slider, (H, W, 3) uint8, with their names."""

    title: str
    before: np.ndarray
    after: np.ndarray
    names: tuple[str, str]


def page(
    title: str,
    lead: str,
    pairs: Sequence[Pair],
    *,
    table: Sequence[Sequence[str]] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """The page. table: rows of cells, the first row its head. facts: shown below, name and value."""
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(lead)}</p>"]
    if table:
        parts.append(_table(table))
    parts += [_figure(pair) for pair in pairs]
    if facts:
        parts.append(_table([["made with", ""], *([k, v] for k, v in facts.items())]))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + f"\n<script>{SCRIPT}</script></body></html>\n"
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = ["<tr>" + "".join(f"<th>{html.escape(c)}</th>" for c in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in body]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _figure(pair: Pair) -> str:
    left, right = (html.escape(name) for name in pair.names)
    height, width = pair.before.shape[:2]
    size = f'width="{width}" height="{height}"'
    return (
        f"<figure><figcaption>{html.escape(pair.title)}</figcaption>\n"
        f'<div class="pair"><img {size} alt="{left}" src="{data_url(pair.before)}">\n'
        f'<img {size} class="after" alt="{right}" src="{data_url(pair.after)}">\n'
        f'<span class="name left">{left}</span><span class="name right">{right}</span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{left} or {right}">'
        "</div></figure>"
    )


def data_url(pixels: np.ndarray) -> str:
    """(H, W, 3) uint8 as a WebP of high quality inside a URL."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=95)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
