"""How far an enlarged result, reduced again, is from its source: measured, and written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, noise, save
from PIL import Image

from restorekit.images import Picture, from_array
from restorekit.jobs import checks
from restorekit.jobs.checks import reprojection
from restorekit.metrics import reprojection_error

SIZES = [(64, 96), (33, 48), (32, 97), (250, 111), (32, 96)]


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


@pytest.mark.user("E4")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_metric_but_for_the_rounding(size: tuple[int, int], channels: int) -> None:
    source = noise(32, 48, channels)
    larger = resized(source, *size)
    for added in (0, 9):  # agrees, and does not
        result = np.clip(larger.astype(int) + added, 0, 255).astype(np.uint8)
        found = reprojection(from_array(source), from_array(result))
        exact = reprojection_error(result, source)
        assert found["reprojection"] == pytest.approx(exact, abs=0.3)
        assert found["reprojection"] >= 5 or not added


def test_pieces_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows at a time, at a scale that no piece ends on: as of the whole, to a rounding."""
    source = noise(61, 40)
    result = from_array(resized(source, 143, 95))
    whole = reprojection(from_array(source), result)["reprojection"]
    monkeypatch.setattr(checks, "_ROWS", 3)
    assert reprojection(from_array(source), result)["reprojection"] == pytest.approx(
        whole, abs=0.01
    )


def test_depths_and_hidden_colours() -> None:
    """16 bits say what 8 do, and what does not show is not compared."""
    source = noise(30, 40)
    larger = resized(source, 60, 80)
    plain = reprojection(from_array(source), from_array(larger))["reprojection"]
    deep = [from_array(pixels.astype(np.uint16) * 257) for pixels in (source, larger)]
    assert reprojection(*deep)["reprojection"] == pytest.approx(plain, abs=0.01)
    clear = [Picture(p.color, np.zeros((p.height, p.width), np.float32)) for p in deep]
    other = Picture(1 - clear[1].color, clear[1].alpha)
    assert reprojection(clear[0], other) == {"reprojection": 0.0}


@pytest.mark.parametrize("size", [(30, 40), (29, 80), (15, 20)])
def test_what_is_not_enlarged_has_no_such_figure(size: tuple[int, int]) -> None:
    source = noise(30, 40)
    assert reprojection(from_array(source), from_array(resized(source, *size))) == {}


def facts(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "restorekit-manifest.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["facts"] for line in lines]


@pytest.mark.user("E4")
def test_every_enlarged_file_has_its_figure(upscale: Run, tmp_path: Path) -> None:
    """In the manifest: that of the file as it lies there."""
    photo = save(tmp_path / "in" / "a.png")
    assert upscale(tmp_path / "in", "-o", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / "a.png") as result, Image.open(photo) as source:
        exact = reprojection_error(np.asarray(result), np.asarray(source))
    (found,) = facts(tmp_path / "out")
    assert found["reprojection"] == pytest.approx(exact, abs=0.3)
    assert upscale(tmp_path / "in", "-o", tmp_path / "same", "--scale", 1).code == 0
    assert facts(tmp_path / "same") == [{"scale": 1.0}]
