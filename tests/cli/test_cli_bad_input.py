"""Bad files among good ones: each is named with a reason and a remedy, and the others are done."""

from __future__ import annotations

import _thread
import errno
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, bomb, noise, one_sentence, pixels_of, save, tree

from restorekit.engine.denoiser import Preconditioned
from restorekit.images import encode as encode_module
from restorekit.jobs import run as jobs_run
from restorekit.jobs import scan
from restorekit.jobs import stages as jobs_stages
from restorekit.jobs.restorer import Restorer

BAD: dict[str, tuple[Any, str]] = {
    "text.png": (b"this is no picture at all", "text.png"),
    "zero.png": (b"", "0 bytes"),
    "bomb.png": (bomb(), "900,000,000"),
    "cut.png": ("half of a PNG", "ends early"),
    "cut.jpg": ("half of a JPEG", "ends early"),
    "photo.jxl": (b"\xff\x0a" + bytes(40), "JPEG XL"),
    "folder.png": ("a folder", ""),
    "dangling.png": ("a link to nothing", "no such file"),
}


@pytest.mark.user("C3")
@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_does_not_harm_the_others(upscale: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    save(folder / "aaa.png")
    content, word = BAD[name]
    bad = folder / name
    if isinstance(content, bytes):
        bad.write_bytes(content)
    elif "half" in content:
        whole = save(bad, noise(64, 64), format=content.split()[-1]).read_bytes()
        bad.write_bytes(whole[: len(whole) // 2])
    elif "folder" in content:
        bad.mkdir()
    else:
        bad.symlink_to(folder / "nothing")
    save(folder / "zzz.png")
    ran = upscale(folder, "-o", tmp_path / "out")
    assert sorted(tree(tmp_path / "out")) == ["aaa.png", "zzz.png"]
    if name == "folder.png":
        assert ran.code == 0
        return
    assert ran.code == 1
    assert "3 found = 2 done + 0 skipped + 1 failed" in ran.err
    failures = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(failures) == 1
    assert str(bad) in failures[0]
    assert word in failures[0]


@pytest.mark.user("C3")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_an_unreadable_file_is_told(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "in" / "a.png")
    photo.chmod(0)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "permission denied" in ran.err


@pytest.mark.user("C5")
def test_a_folder_that_cannot_be_read_counts_as_failed(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "locked" / "b.png")
    scandir = os.scandir

    def locked(path: Any) -> Any:
        if not isinstance(path, int) and Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert "locked: the folder cannot be read" in ran.err
    plan = upscale(tmp_path / "in", "-o", tmp_path / "other", "--plan")
    assert plan.code == 1
    assert "locked: the folder cannot be read" in plan.err


def test_a_file_that_vanishes_is_told(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    targets = scan.targets

    def targets_and_lose(*arguments: Any) -> Any:
        planned = targets(*arguments)
        (tmp_path / "in" / "b.png").unlink()
        return planned

    monkeypatch.setattr(scan, "targets", targets_and_lose)
    for extra in ([], ["--format", "tiff"]):
        ran = upscale(tmp_path / "in", "-o", tmp_path / "out", *extra)
        assert ran.code == 1
        assert "3 found = 2 done + 0 skipped + 1 failed" in ran.err
        assert "b.png" in ran.err
        assert "no such file" in ran.err
        save(tmp_path / "in" / "b.png")


@pytest.mark.parametrize("what", ["changes", "vanishes"])
def test_a_file_that_changes_while_it_is_restored_is_told(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    photo = save(tmp_path / "in" / "a.png")
    read = jobs_stages.read

    def read_then_change(path: Path, **options: Any) -> Any:
        picture = read(path, **options)
        if what == "changes":
            save(photo, noise(seed=5))
        else:
            photo.unlink()
        return picture

    monkeypatch.setattr(jobs_stages, "read", read_then_change)
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "a.png" in ran.err
    assert ("changed while it was read" if what == "changes" else "no such file") in ran.err
    assert tree(tmp_path / "out") == {}


@pytest.mark.user("C5")
def test_a_full_disk_fails_that_file_and_leaves_nothing(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    whole = encode_module.ENCODERS["PNG"]
    calls = []

    def full(file: Any, prepared: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(file, prepared)

    monkeypatch.setitem(encode_module.ENCODERS, "PNG", full)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "3 found = 2 done + 0 skipped + 1 failed" in ran.err
    assert "the disk is full; free some space" in ran.err
    assert sorted(tree(tmp_path / "out")) == ["a.png", "c.png"]


@pytest.mark.user("C1")
@pytest.mark.parametrize("when", ["reading", "restoring", "writing", "telling"])
def test_ctrl_c_ends_cleanly_and_the_same_command_finishes(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    for name in "abcdef":
        save(tmp_path / "in" / f"{name}.png")
    assert upscale(tmp_path / "in", "-o", tmp_path / "whole").code == 0
    owner, name = {
        "reading": (jobs_stages, "read"),
        "restoring": (Restorer, "__call__"),
        "writing": (jobs_stages, "check_result"),
        "telling": (jobs_run, "Step"),
    }[when]
    original = getattr(owner, name)
    calls = []

    def interrupted(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            _thread.interrupt_main()  # as the signal does, whichever thread is at work
        return original(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, interrupted)
        ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 130
    done = len(tree(tmp_path / "out"))
    assert f"6 found = {done} done + 0 skipped + 0 failed + {6 - done} left" in ran.err
    assert done < 6
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert f"6 found = {6 - done} done + {done} skipped + 0 failed" in ran.err
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


@pytest.mark.user("C1")
def test_ctrl_c_ends_with_the_tile_in_hand(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a picture of many tiles no further one is begun, and nothing of it is left."""
    calls, original = [], Preconditioned.__call__

    def interrupted(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            _thread.interrupt_main()
        return original(self, *arguments)

    photo = save(tmp_path / "a.png", noise(200, 200))
    with monkeypatch.context() as patched:
        patched.setattr(Preconditioned, "__call__", interrupted)
        ran = upscale(photo, "-o", tmp_path / "out", "--tile", 64)
    assert (ran.code, len(calls)) == (130, 3)
    assert "1 found = 0 done + 0 skipped + 0 failed + 1 left" in ran.err
    assert tree(tmp_path / "out") == {}
    assert upscale(photo, "-o", tmp_path / "out", "--tile", 64).code == 0


def test_ctrl_c_before_the_run_says_so(
    upscale: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scan, "targets", interrupted)
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 130
    one_sentence(ran.err, "stopped")


@pytest.mark.user("M3")
def test_a_bug_costs_one_file_and_is_called_a_bug(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    original = jobs_stages.check_result

    def broken(source: Any, result: Any) -> None:
        if broken.calls == 1:
            broken.calls += 1
            raise IndexError("tuple index out of range\nand a second line")
        broken.calls += 1
        original(source, result)

    broken.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(jobs_stages, "check_result", broken)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "3 found = 2 done + 0 skipped + 1 failed" in ran.err
    failed = [line for line in ran.err.splitlines() if line.startswith("failed")]
    assert len(failed) == 1
    assert "b.png: IndexError: tuple index out of range; this is a bug" in failed[0]


def test_debug_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from restorekit.cli import main

    (tmp_path / "a.png").write_bytes(b"")
    monkeypatch.setenv("RESTOREKIT_DEBUG", "1")
    for arguments in (["upscale", "nowhere", "-o", "out"], ["upscale", "a.png", "-o", "out"]):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["restorekit", *arguments])
        with pytest.raises(SystemExit):
            main()
        assert "Traceback" in capsys.readouterr().err


def test_names_that_are_not_utf_8_are_printed(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"bad\xff\n.png")).write_bytes(b"no picture")
    save(folder / os.fsdecode(b"good\xff.png"))
    ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert "bad\\udcff\\n.png is not a picture" in ran.err  # one line, and no control character
    assert (tmp_path / "out" / os.fsdecode(b"good\xff.png")).exists()


@pytest.mark.user("D4")
def test_one_pixel_and_extreme_sides(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for height, width in ((1, 1), (1, 200), (200, 1), (2, 3)):
        save(folder / f"{height}x{width}.png", noise(height, width))
    ran = upscale(folder, "-o", tmp_path / "out", "--scale", "1.5")
    assert ran.code == 0, ran.err
    assert pixels_of(tmp_path / "out" / "1x200.png").shape == (2, 300, 3)
    ran = upscale(folder, "-o", tmp_path / "small", "--size", "1x1")
    assert ran.code == 0, ran.err
    assert pixels_of(tmp_path / "small" / "2x3.png").shape == (1, 1, 3)


def test_a_pattern_of_single_pixels_is_not_taken_for_damage(upscale: Run, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:256, 0:256]
    board = (255 * ((rows + columns) % 2)).astype(np.uint8)
    stripes = (255 * (columns % 2)).astype(np.uint8)
    for name, pixels in (("board", board), ("stripes", stripes)):
        save(tmp_path / "in" / f"{name}.png", np.kron(pixels, np.ones((2, 2), np.uint8)))
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--scale", "0.5", "--strength", "0")
    assert ran.code == 0, ran.err
