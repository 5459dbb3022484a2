"""`restorekit schedules plot`: a drawing of every path, and sentences for what cannot be drawn."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from restorekit import UsageError
from restorekit.cli.schedules import COLUMNS, SIDE, command, draw, plot
from restorekit.engine.path import PATHS

SVG = "{http://www.w3.org/2000/svg}"


def test_every_path_can_be_drawn() -> None:
    paths = {name: make() for name, make in PATHS.items()}
    photograph = torch.linspace(-1, 1, SIDE).expand(1, 3, SIDE, SIDE)
    drawing = ElementTree.fromstring(draw(paths, photograph))
    curves = drawing.findall(f"{SVG}polyline")
    assert len(curves) == 3 * len(PATHS)
    for curve in curves:
        numbers = [float(v) for v in re.split("[ ,]", curve.attrib["points"])]
        assert min(numbers) >= 0
        assert len(numbers) == 402
    strips = drawing.findall(f"{SVG}image")
    assert len(strips) == len(PATHS)
    data = base64.b64decode(strips[0].attrib["href"].partition(",")[2])
    with Image.open(io.BytesIO(data)) as strip:
        assert strip.size == (COLUMNS * SIDE, SIDE)
        clean = torch.tensor(list(strip.convert("L").crop((0, 0, SIDE, SIDE)).tobytes()))
    expected = ((photograph[0, 0] + 1) * 127.5).flatten()
    assert float((clean - expected).abs().mean()) < 4  # JPEG


def test_signal_is_drawn_falling() -> None:
    drawing = ElementTree.fromstring(draw({"vp": PATHS["vp"]()}, None))
    (signal, noise, _) = drawing.findall(f"{SVG}polyline")
    heights = [
        [float(pair.split(",")[1]) for pair in curve.attrib["points"].split()]
        for curve in (signal, noise)
    ]
    assert heights[0] == sorted(heights[0])  # down the page
    assert heights[1] == sorted(heights[1], reverse=True)
    assert not drawing.findall(f"{SVG}image")


def test_the_command_writes_its_file(tmp_path: Path) -> None:
    picture, out = tmp_path / "photo.png", tmp_path / "plot.svg"
    Image.radial_gradient("L").convert("RGB").save(picture)
    arguments = ["plot", "edm", "i2sb", "-o", str(out), "--picture", str(picture)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "edm, i2sb" in result.output
    assert len(ElementTree.fromstring(out.read_text()).findall(f"{SVG}image")) == 2


def test_a_name_that_is_no_svg_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.png: the plot is an SVG"):
        plot.callback(("vp",), tmp_path / "x.png", None)  # type: ignore[misc]


def test_an_unknown_path_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'ddmp'; there are vp, .*ddpm"):
        plot.callback(("ddmp",), tmp_path / "x.svg", None)  # type: ignore[misc]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    picture = tmp_path / "photo.png"
    Image.new("RGB", (50, 40)).save(picture)
    with pytest.raises(UsageError, match="cannot be written"):
        plot.callback(("vp",), tmp_path / "nowhere" / "x.svg", picture)  # type: ignore[misc]
