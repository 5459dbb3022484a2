"""A hostile user at the command line: one clear sentence, the right exit code, nothing half-done."""

from __future__ import annotations

import errno
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Run, bomb, noise, pixels_of, save, tiny_network, tree, write_model
from safetensors.torch import save_file

from restorekit.images import encode as encode_module
from restorekit.jobs import run as jobs_run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(tmp_path / "photo.png")


def one_sentence(text: str, *words: str) -> None:
    """The text is one line that says all of these."""
    lines = [line for line in text.splitlines() if not line.startswith("Usage:")]
    lines = [line for line in lines if line and not line.startswith("Try ")]
    assert len(lines) == 1, text
    for word in words:
        assert word in lines[0], text


USAGE = [
    (["--scale", "0"], "--scale", "above 0"),
    (["--scale", "-1"], "--scale", "above 0"),
    (["--scale", "nan"], "--scale", "at most 16"),
    (["--scale", "inf"], "--scale", "at most 16"),
    (["--scale", "17"], "--scale", "at most 16"),
    (["--scale", "abc"], "--scale", "'abc'"),
    (["--scale", ""], "--scale", "number"),
    (["--steps", "0"], "--steps", "at least 1"),
    (["--steps", "1.5"], "--steps", "whole"),
    (["--steps", "100000"], "--steps", "at most 1000"),
    (["--tile", "-5"], "--tile", "at least 64"),
    (["--tile", "10"], "--tile", "at least 64"),
    (["--fidelity", "2"], "--fidelity", "at most 1"),
    (["--fidelity", "nan"], "--fidelity", "at most 1"),
    (["--strength", "-0.1"], "--strength", "at least 0"),
    (["--noise", "0.5"], "--noise", "at most 0.2"),
    (["--seed", "-1"], "--seed", "at least 0"),
    (["--seed", "9" * 30], "--seed", "at most"),
    (["--look", "sharp", "--fidelity", "0.5"], "--look", "--fidelity"),
    (["--look", "pretty"], "--look", "faithful, sharp"),
    (["--device", "nonsense"], "--device", "auto, cuda, mps, xpu, cpu"),
    (["--device", "meta"], "--device", "auto, cuda, mps, xpu, cpu"),
    (["--device", ""], "--device", "auto, cuda, mps, xpu, cpu"),
    (["--size", "0x5"], "--size", "at least 1"),
    (["--size", "nonsense"], "--size", "WIDTHxHEIGHT"),
    (["--size", "5"], "--size", "WIDTHxHEIGHT"),
    (["--size", "-5x5"], "--size", "WIDTHxHEIGHT"),
    (["--format", "heic"], "--format", "'png'"),
    (["--quality", "101"], "--quality", "100"),
    (["--model", ""], "--model"),
    (["--colour", "blue"], "--colour"),
]


@pytest.mark.parametrize(("given", "words"), [(g, w) for g, *w in USAGE])
def test_wrong_options_are_told_by_name(
    upscale: Run, photo: Path, tmp_path: Path, given: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    ran = upscale(photo, "-o", out, *given)
    assert ran.code == 2, ran.err
    one_sentence(ran.err, *words)
    assert not out.exists()


@pytest.mark.user("G1")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_absent_device_is_told_with_what_is_there(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--device", "cuda")
    assert ran.code == 1
    one_sentence(ran.err, "--device cuda", "1 cpu", "restorekit doctor")
    assert not (tmp_path / "out").exists()


@pytest.mark.user("G1")
def test_a_device_number_that_is_not_there_is_told(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--device", "cpu:7")
    assert ran.code == 1
    one_sentence(ran.err, "--device cpu:7", "1 cpu")


def test_a_missing_path_is_told(upscale: Run, tmp_path: Path) -> None:
    ran = upscale(tmp_path / "nowhere.png", "-o", tmp_path / "out")
    assert ran.code == 2
    one_sentence(ran.err, "nowhere.png")
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_told(upscale: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 2
    one_sentence(ran.err, "no pictures", str(tmp_path / "in"))


def test_a_folder_without_pictures_tells_what_was_passed_over(upscale: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("hello")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 2
    one_sentence(ran.err, "no pictures", "1 other file")


@pytest.mark.parametrize("name", ["a" * 5000, "a\nb.png", "loop"])
def test_strange_paths_are_told(upscale: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    ran = upscale(tmp_path / name, "-o", tmp_path / "out")
    assert ran.code in (1, 2)
    assert repr(name)[1:-1][:4] in ran.err


def test_no_photos_or_no_out_is_a_usage_error(run: Run, photo: Path) -> None:
    assert run("upscale").code == 2
    assert run("upscale", photo).code == 2
    assert run("upscal", photo).code == 2


def test_out_with_a_file_in_its_place(upscale: Run, photo: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.write_text("precious")
    ran = upscale(photo, "-o", place)
    assert ran.code == 2
    one_sentence(ran.err, str(place), "folder")
    assert place.read_text() == "precious"
    ran = upscale(photo, "-o", place / "deeper")
    assert ran.code == 2
    one_sentence(ran.err, str(place))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_in_a_read_only_folder(upscale: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    ran = upscale(photo, "-o", tmp_path / "locked" / "out")
    assert ran.code == 2
    one_sentence(ran.err, "locked", "ermission")


def test_out_that_cannot_be_written_is_told_before_work(
    upscale: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 2
    one_sentence(ran.err, str(tmp_path / "out"), "Read-only file system")


@pytest.mark.user("B8")
def test_out_equal_to_the_input_is_refused(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "in" / "a.png")
    before = photo.read_bytes()
    for out in (photo, photo.parent, tmp_path / "in" / ".." / "in"):
        for source in (photo, photo.parent):
            ran = upscale(source, "-o", out, "--overwrite")
            assert ran.code == 2, (source, out, ran)
            one_sentence(ran.err, "-o")
    link = tmp_path / "link.png"
    link.symlink_to(photo)
    assert upscale(photo, "-o", link, "--overwrite").code == 2
    assert photo.read_bytes() == before


def test_one_file_as_out_for_many_pictures_is_refused(upscale: Run, tmp_path: Path) -> None:
    one, two = save(tmp_path / "a.png"), save(tmp_path / "b.png")
    ran = upscale(one, two, "-o", tmp_path / "result.png")
    assert ran.code == 2
    one_sentence(ran.err, "result.png", "2 pictures", "folder")
    assert not (tmp_path / "result.png").exists()


def test_a_format_against_the_name_of_out_is_refused(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "result.jpg", "--format", "png")
    assert ran.code == 2
    one_sentence(ran.err, "result.jpg", "--format png")


@pytest.mark.user("C7")
def test_two_sources_for_one_target_are_refused(upscale: Run, tmp_path: Path) -> None:
    for name in ("a.png", "a.bmp"):
        save(tmp_path / "in" / name)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "png")
    assert ran.code == 2
    one_sentence(ran.err, "a.png", "a.bmp", "rename")
    same = [save(tmp_path / d / "a.png") for d in "xy"]
    assert upscale(*same, "-o", tmp_path / "out").code == 2
    assert not (tmp_path / "out").exists()


def test_sources_that_turn_out_to_be_one_target_are_told(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", format="JPEG")  # becomes a.png.jpg
    save(tmp_path / "in" / "a.png.jpg")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--overwrite")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert [line for line in ran.err.splitlines() if "failed: " in line and "rename" in line]


# One bad file in a folder: it is named with a reason and a remedy, and the others are done.

BAD: dict[str, tuple[Any, str]] = {
    "text.png": (b"this is no picture at all", "text.png"),
    "zero.png": (b"", "0 bytes"),
    "bomb.png": (bomb(), "900,000,000"),
    "cut.png": ("half of a PNG", "ends early"),
    "cut.jpg": ("half of a JPEG", "ends early"),
    "photo.heic": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
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
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert "locked: the folder cannot be read" in ran.err


def test_a_file_that_vanishes_is_told(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    prepare = jobs_run.prepare_folder

    def prepare_and_lose(*arguments: Any) -> None:
        prepare(*arguments)
        (tmp_path / "in" / "b.png").unlink()

    monkeypatch.setattr(jobs_run, "prepare_folder", prepare_and_lose)
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
    read = jobs_run.read

    def read_then_change(path: Path) -> Any:
        picture = read(path)
        if what == "changes":
            save(photo, noise(seed=5))
        else:
            photo.unlink()
        return picture

    monkeypatch.setattr(jobs_run, "read", read_then_change)
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
def test_ctrl_c_ends_cleanly(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    owner, name = {
        "reading": (jobs_run, "read"),
        "restoring": (jobs_run.Restorer, "__call__"),
        "writing": (jobs_run, "check_result"),
        "telling": (jobs_run, "Step"),
    }[when]
    original = getattr(owner, name)
    calls = []

    def interrupted(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == (4 if when == "telling" else 2):
            raise KeyboardInterrupt
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, interrupted)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 130
    assert "3 found = 1 done + 0 skipped + 0 failed + 2 left" in ran.err
    assert list(tree(tmp_path / "out")) == ["a.png"]


def test_ctrl_c_before_the_run_says_so(
    upscale: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs_run, "prepare_folder", interrupted)
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 130
    one_sentence(ran.err, "stopped")


def test_a_bug_costs_one_file_and_is_called_a_bug(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    original = jobs_run.check_result

    def broken(source: Any, result: Any) -> None:
        if broken.calls == 1:
            broken.calls += 1
            raise IndexError("tuple index out of range\nand a second line")
        broken.calls += 1
        original(source, result)

    broken.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(jobs_run, "check_result", broken)
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
    monkeypatch.setattr(jobs_run.Restorer, "_planes", None)  # no work is begun
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


def test_a_size_no_format_holds_is_told(upscale: Run, photo: Path, tmp_path: Path) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--size", f"{10**20}x5")
    assert ran.code == 1
    assert "photo.png" in ran.err


# Models: only safetensors of ours, decided by content.


def foreign(path: Path) -> Path:
    save_file({"conv.weight": torch.zeros(3)}, path)
    return path


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/restorekit-was-here",)


def bad_model(kind: str, folder: Path) -> Path:
    path = folder / "bad.safetensors"
    if kind == "pickle":
        path = folder / "bad.pth"
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "renamed pickle":
        torch.save(tiny_network().state_dict(), path)
    elif kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "foreign":
        foreign(path)
    elif kind == "other task":
        write_model(path, task="denoise")
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        write_model(path)
        data = bytearray(path.read_bytes())
        if kind == "truncated":
            del data[-100:]
        else:
            data[-5] ^= 1
        path.write_bytes(data)
    return path


MODELS = {
    "missing": (1, "installed models: upscale"),
    "folder": (1, "installed models: upscale"),
    "pickle": (1, "safetensors"),
    "renamed pickle": (1, "safetensors"),
    "zero bytes": (1, "safetensors"),
    "truncated": (1, "safetensors"),
    "tampered": (1, "hash"),
    "foreign": (1, "card"),
    "other task": (2, "denoise"),
}


@pytest.mark.user("L2")
@pytest.mark.parametrize("kind", MODELS)
def test_a_bad_model_is_refused(upscale: Run, photo: Path, tmp_path: Path, kind: str) -> None:
    path = bad_model(kind, tmp_path)
    ran = upscale(photo, "-o", tmp_path / "out", "--model", path)
    code, word = MODELS[kind]
    assert ran.code == code
    one_sentence(ran.err, path.name, word)
    assert not (tmp_path / "out").exists()
    assert not Path("/tmp/restorekit-was-here").exists()


def test_an_unknown_model_is_told_with_those_there_are(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--model", "nope")
    assert ran.code == 1
    one_sentence(ran.err, "'nope'", "upscale")


def test_a_look_that_the_model_lacks_is_told_at_once(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    looks = {"faithful": {"numbers": {"look": 0.0}}}
    path = write_model(tmp_path / "plain.safetensors", looks=looks)
    assert upscale(photo, "-o", tmp_path / "one", "--model", path).code == 0
    ran = upscale(photo, "-o", tmp_path / "out", "--model", path, "--look", "sharp")
    assert ran.code == 2
    one_sentence(ran.err, "sharp", "tiny")
    assert not (tmp_path / "out").exists()


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
