"""`restorekit schedules`: the paths of the engine, drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.paths import Place
from restorekit.errors import RestoreError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from restorekit.engine.path import Path as DiffusionPath

SIDE, COLUMNS, MARGIN, CHART = 96, 9, 40, 260
COLOURS = ("#06c", "#c40", "#080", "#808", "#a80", "#088", "#666", "#c08")
TITLES = ("signal α/√(α² + σ²)", "noise σ/√(α² + σ²)", "log SNR = log(α²/σ²)")


@click.group(name="schedules")
def command() -> None:
    """Draw the noise schedules of the diffusion engine."""


@command.command(name="plot")
@click.argument("names", metavar="[PATH]...", nargs=-1)
@click.option(
    "-o",
    "--out",
    type=Place(path_type=Path, dir_okay=False),
    default=Path("schedules.svg"),
    show_default=True,
    help="The drawing, an SVG file.",
)
@click.option(
    "--picture",
    type=Place(path_type=Path, exists=True, dir_okay=False),
    help="A photograph to corrupt; by default one that comes with scikit-image.",
)
def plot(names: tuple[str, ...], out: Path, picture: Path | None) -> None:
    """Draw signal, noise and log SNR of PATHs over time, and a photograph corrupted by each.

    Without a PATH: vp, vp_cosine and rectified_flow. Levels are drawn as shares of α² + σ².
    """
    from restorekit.engine.path import PATHS

    if out.suffix.lower() != ".svg":
        raise UsageError(f"{out}: the plot is an SVG; give a name that ends in .svg")
    chosen = names or ("vp", "vp_cosine", "rectified_flow")
    for name in chosen:
        if name not in PATHS:
            raise UsageError(f"no path is named {name!r}; there are {', '.join(PATHS)}")
    paths = {name: PATHS[name]() for name in chosen}
    photograph = _photograph(picture)
    try:
        out.write_text(draw(paths, photograph), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror}") from error
    click.echo(f"{out}: {', '.join(chosen)}")


def _photograph(picture: Path | None) -> Tensor | None:
    """(1, 3, SIDE, SIDE) in [−1, 1], the middle of a photograph; None where none is to be had."""
    import torch

    from restorekit.cli.demo import photographs
    from restorekit.engine.resample import resample
    from restorekit.evaluation import as_rgb
    from restorekit.images import read

    try:
        pixels = as_rgb(read(picture)) if picture else next(iter(photographs()))[1]
    except RestoreError as error:
        if picture:
            raise
        click.echo(f"without a photograph: {error}", err=True)
        return None
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    square = torch.tensor(pixels[top : top + side, left : left + side]).permute(2, 0, 1)[None]
    return resample(square / 127.5 - 1, (SIDE, SIDE)).clamp(-1, 1)


def draw(paths: dict[str, DiffusionPath], photograph: Tensor | None) -> str:
    """The drawing as SVG: three charts, and a strip of pictures for each path."""
    width = 2 * MARGIN + max(3 * CHART, COLUMNS * SIDE)
    height = CHART + 2 * MARGIN + (len(paths) * (SIDE + 24) if photograph is not None else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(line for chart in range(3) for line in _chart(paths, chart)),
    ]
    if photograph is not None:
        for row, (name, path) in enumerate(paths.items()):
            top = CHART + 2 * MARGIN + row * (SIDE + 24)
            parts += _strip(name, path, photograph, top, COLOURS[row % len(COLOURS)])
    return "\n".join([*parts, "</svg>", ""])


def _chart(paths: dict[str, DiffusionPath], chart: int) -> Iterator[str]:
    """One of the three: its frame, its least and greatest value, and a curve for each path."""
    import torch

    t = torch.linspace(0.002, 0.998, 201, dtype=torch.float64)
    curves = {}
    for name, path in paths.items():
        alpha, gamma, sigma = path.at(t)
        level = sigma if sigma.any() else gamma
        total = (alpha**2 + level**2).sqrt()
        curves[name] = [alpha / total, level / total, 2 * (alpha / level).log()][chart]
    lowest = min(float(values.min()) for values in curves.values()) if chart == 2 else 0.0
    highest = max(float(values.max()) for values in curves.values()) if chart == 2 else 1.0
    left, top, size = MARGIN + chart * CHART, MARGIN, CHART - 50
    yield f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="#ccc"/>'
    yield f'<text x="{left}" y="{top - 8}">{TITLES[chart]}</text>'
    yield f'<text x="{left - 4}" y="{top + 9}" text-anchor="end">{highest:.3g}</text>'
    yield f'<text x="{left - 4}" y="{top + size}" text-anchor="end">{lowest:.3g}</text>'
    yield f'<text x="{left + size / 2}" y="{top + size + 14}">t</text>'
    for row, (name, values) in enumerate(curves.items()):
        heights = top + size * (1 - (values - lowest) / (highest - lowest))
        points = zip((left + size * t).tolist(), heights.tolist(), strict=True)
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = COLOURS[row % len(COLOURS)]
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        if chart == 0:
            yield f'<text x="{left + 8}" y="{top + size - 8 - 13 * row}" fill="{colour}">{name}</text>'


def _strip(
    name: str, path: DiffusionPath, photograph: Tensor, top: int, colour: str
) -> Sequence[str]:
    """A path's name, and the photograph at COLUMNS times from 0 to 1; y is the photograph, blurred."""
    import torch

    from restorekit.engine.noise import noise_at
    from restorekit.engine.resample import resample
    from restorekit.engine.tiles import Box

    y = resample(resample(photograph, (SIDE // 4, SIDE // 4)), (SIDE, SIDE))
    noise = noise_at(Box(0, 0, SIDE, SIDE), 3, seed=0)
    shown = []
    for i in range(COLUMNS):
        t = i / (COLUMNS - 1)
        alpha, gamma, sigma = path.at(t)
        scale = float(((alpha + gamma) ** 2 + sigma**2).sqrt())
        shown.append(path.marginal(photograph, y, t, noise) / max(scale, 1.0))
    return [
        f'<text x="{MARGIN}" y="{top - 6}" fill="{colour}">{name}, t = 0 to 1</text>',
        f'<image x="{MARGIN}" y="{top}" width="{COLUMNS * SIDE}" height="{SIDE}" '
        f'href="data:image/jpeg;base64,{_jpeg(torch.cat(shown, 3))}"/>',
    ]


def _jpeg(image: Tensor) -> str:
    """An image (1, 3, H, W) in [−1, 1] as JPEG in base 64."""
    from PIL import Image

    pixels = image[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=88)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
