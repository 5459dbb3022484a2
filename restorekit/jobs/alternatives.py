"""Several results of each picture, by as many seeds, and a sheet that shows them side by side."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from restorekit.errors import ImageError, UsageError
from restorekit.images import frames, quantise, visible
from restorekit.images.failures import writing
from restorekit.images.writer import PART
from restorekit.jobs.report import Report
from restorekit.jobs.scan import one_file
from restorekit.jobs.settings import Settings

STEPS = 4
SIDE = 512  # pixels of a picture on a sheet, at most
LABEL, GAP = 20, 8  # pixels: of the line above a picture, and between pictures
_TITLE = "Samples by restorekit of "


def runs(
    settings: Settings, out: Path, suffix: str, count: int
) -> list[tuple[Settings, Path, str]]:
    """(settings, out, suffix) for each of so many seeds, from the given one; one alone as it is.

    Several are sampled in several steps, unless a person says in how many: one call hardly differs from
    seed to seed. UsageError where every seed would make the same picture.
    """
    if count == 1:
        return [(settings, out, suffix)]
    if settings.fidelity == 1:
        raise UsageError(
            "--samples needs --look sharp, or --fidelity below 1: the faithful look is no draw"
        )
    return [
        (
            replace(settings, seed=settings.seed + number, steps=settings.steps or STEPS),
            out.with_name(f"{out.stem}-{number + 1}{out.suffix}") if one_file(out) else out,
            suffix if one_file(out) else f"{suffix}-{number + 1}",
        )
        for number in range(count)
    ]


def sheets(report: Report, count: int) -> None:
    """For each source whose results are all there, write it and them on NAME-samples.png beside them;
    NAME.jpg-samples.png where there is NAME.png too.

    A file of that name that is no such sheet is left, and a note says so; what goes wrong is noted too.
    """
    stems = Counter(_sheet(results[0]) for results in report.results.values() if results)
    for source, results in report.results.items():
        if len(results) == count:
            path = _sheet(results[0])
            if stems[path] > 1:  # a.jpg beside a.png
                path = _sheet(results[0], results[0].suffix)
            try:
                _write_sheet(path, source, results)
            except ImageError as error:
                report.note(source, f"no sheet of its samples was written: {error}")


def _sheet(first: Path, ending: str = "") -> Path:
    """The sheet's name, from the first result's."""
    return first.with_name(f"{first.stem.removesuffix('-1')}{ending}-samples.png")


def _write_sheet(path: Path, source: Path, results: Sequence[Path]) -> None:
    if os.path.lexists(path) and not _is_sheet(path):
        raise ImageError(f"{path} is there already and is no sheet; move it")
    pictures = [_thumbnail(file) for file in (source, *results)]
    names = ["source", *(str(number + 1) for number in range(len(results)))]
    image = _drawn(pictures, names)
    about = PngImagePlugin.PngInfo()
    about.add_text("Title", _TITLE + source.name.encode("ascii", "replace").decode())
    staged = path.with_name(f"{PART}-{path.name}")
    try:
        with writing(path):
            image.save(staged, "PNG", pnginfo=about)
            staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


def _is_sheet(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return str(image.info.get("Title", "")).startswith(_TITLE)
    except OSError:
        return False


def _thumbnail(path: Path) -> Image.Image:
    pixels = quantise(visible(next(iter(frames(path, max_pixels=sys.maxsize)))), 8)
    image = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


def _drawn(pictures: Sequence[Image.Image], names: Sequence[str]) -> Image.Image:
    """Pictures in rows and columns of cells, each below its name."""
    columns = math.ceil(math.sqrt(len(pictures)))
    wide = max(picture.width for picture in pictures)
    tall = max(picture.height for picture in pictures)
    rows = math.ceil(len(pictures) / columns)
    size = (columns * (wide + GAP) + GAP, rows * (tall + LABEL + GAP) + GAP)
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default()
    for number, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        row, column = divmod(number, columns)
        left, top = GAP + column * (wide + GAP), GAP + row * (tall + LABEL + GAP)
        pen.text((left, top + 4), name, "black", font)
        image.paste(picture, (left, top + LABEL))
    return image
