"""What a task found out in words is told to the person, and what an exact task cannot keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, hole, noise, notes_of, one_sentence, pixels_of, save, tree

from restorekit.images import Picture, write
from restorekit.jobs.report import words


def light(path: Path, top: float = 1.0, seed: int = 0) -> Path:
    """A PFM file of noise up to a height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).random((16, 24, 3), np.float32) * np.float32(top)
    write(Picture(values, depth=32), path)
    return path


def test_what_was_wrong_with_an_albedo_is_told(denoise_render: Run, tmp_path: Path) -> None:
    albedo = light(tmp_path / "albedo.pfm", 1.5)
    photo = light(tmp_path / "a.pfm", seed=1)
    ran = denoise_render(photo, "-o", tmp_path / "out.pfm", "--albedo", albedo)
    assert ran.code == 0, ran.err
    told = [note for note in notes_of(ran) if "albedo above 1 in" in note]
    assert len(told) == 1
    assert told[0].startswith(f"{photo}: ")


def test_pixels_that_are_no_numbers_are_told(denoise_render: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.pfm"
    whole = light(path).read_bytes()
    values = np.full((16, 24, 3), np.nan, "<f4").tobytes()
    path.write_bytes(whole[: len(whole) - len(values)] + values)
    ran = denoise_render(path, "-o", tmp_path / "out.pfm")
    assert ran.code == 0, ran.err
    assert [note for note in notes_of(ran) if "no numbers" in note and note.endswith(": 384")]


def test_what_was_told_is_one_line_for_a_folder_and_stays_in_the_manifest(
    denoise_render: Run, tmp_path: Path
) -> None:
    for number in range(3):
        light(tmp_path / "in" / f"{number}.pfm", seed=number)
        light(tmp_path / "albedo" / f"{number}.pfm", 1.2 + number, seed=9)
    ran = denoise_render(tmp_path / "in", "-o", tmp_path / "out", "--albedo", tmp_path / "albedo")
    assert ran.code == 0, ran.err
    told = [note for note in notes_of(ran) if "albedo above 1 in" in note]
    assert len(told) == 1
    assert "0.pfm (and 2 more with other numbers): albedo above 1 in" in told[0]
    lines = (tmp_path / "out" / "restorekit-manifest.jsonl").read_text(encoding="utf-8")
    for line in map(json.loads, lines.splitlines()):
        assert "albedo above 1 in" in line["facts"]["albedo"]
        assert line["facts"]["albedo"] in line["warnings"]


def test_a_word_is_told_with_the_name_of_its_fact() -> None:
    note = {"field": "top", "trust": 0.5, "albedo": "the albedo is not of this picture"}
    assert words(note) == ["field: top", "the albedo is not of this picture"]


def test_results_that_become_png_are_told_apart_before_any_work(
    inpaint: Run, tmp_path: Path
) -> None:
    mask = hole(tmp_path / "m.png")
    both = [save(tmp_path / "same" / name) for name in ("a.jpg", "a.png")]
    ran = inpaint(*both, "-o", tmp_path / "out", "--mask", mask)
    assert ran.code == 2
    one_sentence(ran.err, "a.jpg and", "a.png would both become", "rename")
    assert not (tmp_path / "out").exists()


def test_a_result_that_becomes_png_may_lie_beside_its_source(inpaint: Run, tmp_path: Path) -> None:
    mask, photo = hole(tmp_path / "m.png"), save(tmp_path / "only" / "y.jpg")
    ran = inpaint(photo, "-o", photo.parent, "--mask", mask)
    assert ran.code == 0, ran.err
    assert sorted(tree(photo.parent)) == ["y.jpg", "y.png"]
    assert [note for note in notes_of(ran) if "its result is PNG, since JPEG cannot keep" in note]


@pytest.mark.parametrize("source", ["a.png", "a.jpg"])
@pytest.mark.parametrize(
    ("name", "flags", "lossy"),
    [
        ("x.jpg", (), "JPEG"),
        ("x.gif", (), "GIF"),
        ("x.webp", ("--quality", 80), "WEBP"),
        ("x.webp", (), ""),
        ("x.png", (), ""),
        ("x.tif", (), ""),
    ],
)
def test_a_format_that_changes_what_is_known_is_told(
    inpaint: Run, tmp_path: Path, source: str, name: str, flags: tuple[object, ...], lossy: str
) -> None:
    photo, mask = save(tmp_path / source), hole(tmp_path / "m.png")
    ran = inpaint(photo, "-o", tmp_path / name, "--mask", mask, *flags)
    assert ran.code == 0, ran.err
    told = [note for note in notes_of(ran) if "its result is" in note]
    assert told == [
        f"{photo}: its result is {lossy}, which does not keep the pixels that inpaint leaves alone as "
        "they are; PNG does"
    ] * bool(lossy)


@pytest.mark.parametrize(
    ("ending", "how"),
    [("webp", {"quality": 70}), ("jp2", {"irreversible": True, "quality_layers": [20]})],
)
def test_known_pixels_of_a_lossy_source_are_kept(
    inpaint: Run, tmp_path: Path, ending: str, how: dict[str, Any]
) -> None:
    photo, mask = save(tmp_path / f"a.{ending}", noise(), **how), hole(tmp_path / "m.png")
    assert inpaint(photo, "-o", tmp_path / "out", "--mask", mask).code == 0
    known = pixels_of(mask) == 0
    result = pixels_of(tmp_path / "out" / f"a.{ending}")
    np.testing.assert_array_equal(result[known], pixels_of(photo)[known])
