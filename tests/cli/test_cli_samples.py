"""--samples: as many results as seeds, a sheet of them, and nothing of a person's overwritten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from outer_kit import Run, noise, pixels_of, save, tree

SHARP = ("--look", "sharp")


def test_samples_are_the_results_of_as_many_seeds(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", noise(12, 14, seed=1))
    save(tmp_path / "in" / "b" / "c.jpg", noise(16, 9, seed=2))
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", *SHARP, "--samples", 3, "--seed", 5)
    assert ran.code == 0, ran.err
    assert "6 found = 6 done + 0 skipped + 0 failed" in ran.err
    made = {name for name in tree(tmp_path / "out") if not name.startswith("restorekit-")}
    of_a = {f"a-{end}.png" for end in ("1", "2", "3", "samples")}
    of_c = {f"b/c-{end}" for end in ("1.jpg", "2.jpg", "3.jpg", "samples.png")}
    assert made == of_a | of_c
    for number in (1, 2, 3):
        alone = tmp_path / f"{number}.png"
        ran = upscale(
            tmp_path / "in" / "a.png", "-o", alone, *SHARP, "--seed", 4 + number, "--steps", 4
        )
        assert ran.code == 0, ran.err
        np.testing.assert_array_equal(
            pixels_of(tmp_path / "out" / f"a-{number}.png"), pixels_of(alone)
        )


def test_a_sheet_shows_the_source_and_every_sample(upscale: Run, tmp_path: Path) -> None:
    """Below their names, in reading order, at their own colours."""
    photo = save(tmp_path / "a.png", np.full((40, 60, 3), (200, 30, 90), np.uint8))
    ran = upscale(photo, "-o", tmp_path / "out.png", *SHARP, "--samples", 4, "--scale", 2)
    assert ran.code == 0, ran.err
    assert {"out-1.png", "out-4.png", "out-samples.png"} < set(tree(tmp_path))
    sheet = pixels_of(tmp_path / "out-samples.png")
    assert sheet.shape == (2 * (80 + 20 + 8) + 8, 3 * (120 + 8) + 8, 3)
    np.testing.assert_array_equal(sheet[28:68, 8:68], pixels_of(photo))
    np.testing.assert_array_equal(sheet[28:108, 136:256], pixels_of(tmp_path / "out-1.png"))
    np.testing.assert_array_equal(sheet[136:216, 136:256], pixels_of(tmp_path / "out-4.png"))
    assert (sheet[8:28, 136:256] < 128).any(), "no name above a picture"


def test_a_run_of_samples_is_continued_and_its_sheet_made_anew(
    upscale: Run, tmp_path: Path
) -> None:
    photo = save(tmp_path / "a.png", noise(12, 14))
    for samples, summary in ((2, "2 found = 2 done + 0"), (3, "3 found = 1 done + 2 skipped")):
        ran = upscale(photo, "-o", tmp_path / "out", *SHARP, "--scale", 4, "--samples", samples)
        assert ran.code == 0, ran.err
        assert summary in ran.err
        sheet = pixels_of(tmp_path / "out" / "a-samples.png")
        last = sheet[-48 - 8 : -8, -56 - 8 : -8]  # the third sample's place
        assert (last == 255).all() == (samples == 2)


def test_a_file_of_the_sheets_name_is_left(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", noise(12, 14))
    own = save(tmp_path / "out" / "a-samples.png", noise(5, 5))
    before = own.read_bytes()
    ran = upscale(photo, "-o", tmp_path / "out", *SHARP, "--samples", 2)
    assert ran.code == 0, ran.err
    assert own.read_bytes() == before
    assert "a-samples.png is there already and is no sheet" in ran.err


def test_pictures_of_one_stem_get_a_sheet_each(upscale: Run, tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        save(tmp_path / "in" / name, noise(12, 14))
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", *SHARP, "--samples", 2)
    assert ran.code == 0, ran.err
    assert {"a.png-samples.png", "a.jpg-samples.png"} < set(tree(tmp_path / "out"))
    assert not (tmp_path / "out" / "a-samples.png").exists()


def test_samples_of_what_has_no_chance_in_it_are_refused(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", noise(12, 14))
    ran = upscale(photo, "-o", tmp_path / "out", "--look", "faithful", "--samples", 2)
    assert ran.code == 2
    assert "--samples needs --look sharp" in ran.err
    assert list(tree(tmp_path)) == ["a.png"]


def test_samples_differ_and_take_the_steps_they_are_told(upscale: Run, tmp_path: Path) -> None:
    """With the shipped weights, by more than rounding; in one step they are as one step is."""
    photo = save(tmp_path / "a.png", noise(24, 24, seed=3))
    made = {}
    for steps in ((), ("--steps", 1)):
        out = tmp_path / f"out{len(steps)}"
        shipped = ("--model", "upscale", "--scale", 2)
        ran = upscale(photo, "-o", out, *SHARP, "--samples", 2, *steps, *shipped)
        assert ran.code == 0, ran.err
        first, second = (pixels_of(out / f"a-{n}.png").astype(float) for n in (1, 2))
        made[len(steps)] = np.abs(first - second).mean()
    assert made[0] > 3 * made[2]
    assert made[0] > 2


def test_a_plan_of_samples_makes_none(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", noise(12, 14))
    ran = upscale(photo, "-o", tmp_path / "out", *SHARP, "--samples", 2, "--plan")
    assert ran.code == 0, ran.err
    assert "a-1.png" in ran.out
    assert "a-2.png" in ran.out
    assert list(tree(tmp_path)) == ["a.png"]
