"""Results that are there already, cannot be there, or are too large."""

from __future__ import annotations

from pathlib import Path

import pytest
from outer_kit import Run, noise, pixels_of, save

from restorekit.jobs.restorer import Restorer


@pytest.mark.user("C2")
def test_a_result_that_exists_is_skipped_and_said_or_replaced(upscale: Run, tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    ran = upscale(tmp_path / "in", "-o", out)
    assert ran.code == 0
    assert "2 found = 1 done + 1 skipped + 0 failed" in ran.err
    assert "a.png" in ran.err
    assert "--overwrite" in ran.err
    assert (out / "a.png").read_bytes() == b"mine"
    ran = upscale(tmp_path / "in", "-o", out, "--overwrite")
    assert "2 found = 2 done + 0 skipped + 0 failed" in ran.err
    assert pixels_of(out / "a.png").shape == (32, 48, 3)


def test_many_skipped_files_are_said_once(upscale: Run, tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / "in" / f"{number}.png", noise(4, 4))
    upscale(tmp_path / "in", "-o", tmp_path / "out")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert "8 found = 0 done + 8 skipped + 0 failed" in ran.err
    assert len(ran.err.splitlines()) == 2


def test_a_folder_in_the_place_of_a_result_fails_that_file(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    (tmp_path / "out" / "a.png").mkdir(parents=True)
    for extra in ([], ["--overwrite"]):
        ran = upscale(tmp_path / "in", "-o", tmp_path / "out", *extra)
        assert ran.code == 1
        assert "a folder" in ran.err


def test_a_file_in_the_place_of_a_sub_folder_fails_that_file(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "sub" / "a.png")
    save(tmp_path / "in" / "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("mine")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert str(tmp_path / "out" / "sub") in ran.err
    assert (tmp_path / "out" / "sub").read_text() == "mine"


@pytest.mark.user("B3")
def test_a_result_too_large_for_its_format_is_told_before_work(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in" / "wide.webp", noise(2, 1100))
    monkeypatch.setattr(Restorer, "_planes", None)  # no work is begun
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--scale", 15)
    assert ran.code == 1
    assert "wide.webp" in ran.err
    assert "16,383" in ran.err
    assert "PNG or TIFF" in ran.err


@pytest.mark.parametrize("size", ["300000x300000", "2000000000x2000000000"])
def test_a_result_too_large_for_the_machine_is_told_before_work(
    upscale: Run, photo: Path, tmp_path: Path, size: str
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--size", size)
    assert ran.code == 1
    assert "GiB" in ran.err
    assert "smaller" in ran.err


def test_a_size_no_picture_has_is_told(upscale: Run, photo: Path, tmp_path: Path) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--size", f"{10**20}x5")
    assert ran.code == 2
    assert "both sides are at least 1 and at most 2147483647" in ran.err
