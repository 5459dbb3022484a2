"""A wrong command: one clear sentence, exit code 2, and nothing begun."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from outer_kit import Run, hole, one_sentence, save, tree

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
    (["--size", "9" * 4000 + "x" + "9" * 4000], "--size", "at most 2147483647"),
    (["--long-edge", "9" * 300], "--long-edge", "at most"),
    (["--max-size", "9" * 400], "--max-size", "no number of pixels"),
    (["--format", "heic"], "--format", "'png'"),
    (["--quality", "101"], "--quality", "100"),
    (["--model", ""], "--model"),
    (["--suffix", "a/b"], "--suffix", "slashes"),
    (["--max-pixels", "0"], "--max-pixels"),
    (["--shard", "0/2"], "--shard", "I/N"),
    (["--shard", "3/2"], "--shard", "I/N"),
    (["--shard", "half"], "--shard", "I/N"),
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
    assert ran.code == 2
    one_sentence(ran.err, "--device cuda", "1 cpu", "restorekit doctor")
    assert not (tmp_path / "out").exists()


@pytest.mark.user("G1")
def test_a_device_number_that_is_not_there_is_told(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--device", "cpu:7")
    assert ran.code == 2
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


EMPTY = [
    ("upscale", "", "-o", "out"),
    ("upscale", "a.png", "", "-o", "out"),
    ("upscale", "a.png", "-o", ""),
    ("upscale", "a.png", "-o", "out", "--model", ""),
    ("inpaint", "a.png", "-o", "out", "--mask", ""),
    ("denoise-render", "a.png", "-o", "out", "--albedo", ""),
    ("--plugin", "", "upscale", "a.png", "-o", "out"),
    ("compare", "", "a.png"),
    ("compare", "a.png", "a.png", "--json", ""),
    ("demo", "-o", ""),
    ("evaluate", "upscale", "--data", ""),
    ("evaluate", "upscale", "--data", ".", "--inputs", ""),
    ("evaluate", "inpaint", "--data", ".", "--inputs", "image=.", "--inputs", "mask="),
    ("evaluate", "upscale", "--data", ".", "--model", ""),
    ("evaluate", "upscale", "--data", ".", "--report", ""),
    ("models", "show", ""),
    ("models", "verify", ""),
    ("models", "average", "", "a.png", "-o", "out"),
    ("plugins", "new", "mist", "-o", ""),
    ("schedules", "plot", "-o", ""),
    ("schedules", "plot", "--picture", ""),
    ("train", "upscale", "--data", "", "--config", "a.toml", "-o", "out"),
    ("train", "upscale", "--data", ".", "--config", "a.toml", "-o", "out", "--start-from", ""),
]


@pytest.mark.parametrize("command", EMPTY, ids=" ".join)
def test_an_empty_path_is_not_the_current_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    photo = save(tmp_path / "a.png")
    before = photo.read_bytes()
    monkeypatch.chdir(tmp_path)
    ran = run(*command)
    assert ran.code == 2, ran
    one_sentence(ran.err)
    assert tree(tmp_path) == {"a.png": before}


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
    def refuse(*_: Any, **__: Any) -> str:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
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


def test_a_mask_is_not_overwritten(inpaint: Run, tmp_path: Path) -> None:
    photo, masks = save(tmp_path / "in" / "a.png"), tmp_path / "masks"
    mask = hole(masks / "a.png")
    before = mask.read_bytes()
    for given in (masks, mask):
        for out in (masks, mask):
            ran = inpaint(photo.parent, "-o", out, "--mask", given, "--overwrite")
            assert ran.code == 2, (given, out, ran)
            one_sentence(ran.err, f"{mask} is the mask of {photo} and would be overwritten")
    assert tree(masks) == {"a.png": before}
    ran = inpaint(photo, "-o", masks, "--mask", masks, "--suffix", "_filled")
    assert ran.code == 0, ran.err
    assert sorted(tree(masks)) == ["a.png", "a_filled.png"]


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


def test_a_suffix_beside_the_name_of_out_is_refused(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "result.jpg", "--suffix", "_x2")
    assert ran.code == 2
    one_sentence(ran.err, "result.jpg", "--suffix _x2")


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


def test_sources_that_turn_out_to_be_one_target_are_refused(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", format="JPEG")  # becomes a.png.jpg
    save(tmp_path / "in" / "a.png.jpg")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--overwrite")
    assert ran.code == 2
    one_sentence(ran.err, "a.png and", "a.png.jpg", "rename")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out.jepg", "out.ppm", "x.tga", "large.nef", "out.v2"])
def test_a_file_of_no_format_that_is_written_is_refused(
    upscale: Run, photo: Path, tmp_path: Path, name: str
) -> None:
    ran = upscale(photo, "-o", tmp_path / name)
    assert ran.code == 2
    one_sentence(ran.err, f"-o {tmp_path / name}: .", "no format that restorekit writes", "slash")
    assert not (tmp_path / name).exists()


def test_a_new_folder_named_as_a_picture_is_refused(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    ran = upscale(photo, "-o", f"{out}/")
    assert ran.code == 2
    one_sentence(ran.err, f"-o {out}/", "slash")
    assert not out.exists()
    out.mkdir()
    assert upscale(photo, "-o", f"{out}/").code == 0
    assert sorted(tree(out)) == [photo.name]


def test_a_folder_may_have_a_dot_in_its_name(upscale: Run, photo: Path, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    (tmp_path / "there.v2").mkdir()
    for sources, out in (
        ([photo], f"{tmp_path}/new.v2/"),
        ([photo], tmp_path / "there.v2"),
        ([tmp_path / "in"], tmp_path / "folder.v2"),
        ([photo, tmp_path / "in" / "a.png"], tmp_path / "two.v2"),
    ):
        ran = upscale(*sources, "-o", out)
        assert ran.code == 0, ran.err
        assert Path(out).is_dir()
