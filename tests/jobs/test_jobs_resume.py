"""A run goes on where it ended: done is what the manifest and the bytes say, never the name alone."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, noise, pixels_of, save, tree, write_model
from PIL import Image

from restorekit.jobs import manifest as jobs_manifest
from restorekit.jobs import stages
from restorekit.jobs.manifest import Manifest, content
from restorekit.jobs.workspace import publish, workspace

NAME = "restorekit-manifest.jsonl"


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / NAME).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        save(tmp_path / "in" / name, noise(20, 30, seed=number))
    return tmp_path / "in"


def counts(done: int, skipped: int, failed: int = 0) -> str:
    return f"{done + skipped + failed} found = {done} done + {skipped} skipped + {failed} failed"


@pytest.mark.user("C1")
@pytest.mark.user("C5")
def test_every_result_and_failure_has_its_line(upscale: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "d.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert upscale(folder, "-o", out, "--seed", 3).code == 1
    found = lines(out)
    assert [line["source"] for line in found] == [
        str(folder / name) for name in ("a.png", "b.jpg", "d.png", "sub/c.png")
    ]
    assert "d.png is not a picture" in found[2]["error"]
    assert (found[2]["result"], found[2]["inputs"]) == (None, [])
    for line in (found[0], found[1], found[3]):
        source, result = folder / line["output"], out / line["output"]
        assert line["inputs"] == [vars(content(source))]
        assert line["result"] == vars(content(result))
        assert line["recipe"]["options"]["scale"] == 2
        assert (line["recipe"]["seed"], line["recipe"]["model"]) == (3, "tiny")
        assert len(line["recipe"]["model_sha256"]) == 64
        assert set(line["seconds"]) == {"read", "restore", "write"}
        assert line["error"] is None
    assert found[0]["recipe"]["format"] == "PNG"
    assert found[1]["recipe"]["format"] == "JPEG"


@pytest.mark.user("C2")
def test_the_same_command_does_nothing_twice(upscale: Run, folder: Path, tmp_path: Path) -> None:
    upscale(folder, "-o", tmp_path / "out")
    before, written = tree(tmp_path / "out"), (tmp_path / "out" / NAME).read_bytes()
    ran = upscale(folder, "-o", tmp_path / "out", "--tile", 64, "--device", "cpu")
    assert ran.code == 0
    assert counts(0, 3) in ran.err
    assert "a.png (and 2 more): done already" in ran.err
    assert tree(tmp_path / "out") == before
    assert (tmp_path / "out" / NAME).read_bytes() == written


@pytest.mark.user("C9")
def test_a_source_that_changed_is_done_again(upscale: Run, folder: Path, tmp_path: Path) -> None:
    upscale(folder, "-o", tmp_path / "out")
    save(folder / "a.png", noise(20, 30, seed=9))
    ran = upscale(folder, "-o", tmp_path / "out")
    assert counts(1, 2) in ran.err
    assert "a.png: its source changed" in ran.err
    upscale(folder, "-o", tmp_path / "new")
    assert tree(tmp_path / "out") == tree(tmp_path / "new")


@pytest.mark.user("C9")
def test_a_source_that_only_looks_changed_is_not(
    upscale: Run, folder: Path, tmp_path: Path
) -> None:
    upscale(folder, "-o", tmp_path / "out")
    os.utime(folder / "a.png", ns=(1, 1))
    os.utime(tmp_path / "out" / "b.jpg", ns=(1, 1))
    assert counts(0, 3) in upscale(folder, "-o", tmp_path / "out").err


@pytest.mark.user("C9")
@pytest.mark.parametrize(
    ("given", "redone"),
    [
        (["--scale", "1.5"], 3),
        (["--look", "sharp"], 3),
        (["--seed", "1"], 3),
        (["--strength", "0.5"], 3),
        (["--quality", "91"], 3),
        (["--model"], 3),
        (["--tile", "64"], 0),
    ],
)
def test_what_decides_the_bytes_decides_what_is_done(
    upscale: Run, folder: Path, tmp_path: Path, given: list[str], redone: int
) -> None:
    given = [*given, str(write_model(tmp_path / "b.safetensors", seed=1))][: max(2, len(given))]
    upscale(folder, "-o", tmp_path / "out")
    ran = upscale(folder, "-o", tmp_path / "out", *given)
    assert counts(redone, 3 - redone) in ran.err, ran.err
    upscale(folder, "-o", tmp_path / "new", *given)
    assert tree(tmp_path / "out") == tree(tmp_path / "new")


def test_an_option_that_is_taken_back_makes_the_first_results_again(
    upscale: Run, folder: Path, tmp_path: Path
) -> None:
    upscale(folder, "-o", tmp_path / "out")
    first = tree(tmp_path / "out")
    upscale(folder, "-o", tmp_path / "out", "--scale", 3)
    assert counts(3, 0) in upscale(folder, "-o", tmp_path / "out").err
    assert tree(tmp_path / "out") == first


@pytest.mark.user("C5")
def test_a_result_that_is_gone_or_cut_short_is_made_again(
    upscale: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    upscale(folder, "-o", out)
    whole = tree(out)
    (out / "a.png").unlink()
    (out / "b.jpg").write_bytes(b"")
    (out / "sub" / "c.png").write_bytes(whole["sub/c.png"][:200])
    ran = upscale(folder, "-o", out)
    assert counts(3, 0) in ran.err
    assert "its result was cut short and is made anew" in ran.err
    assert tree(out) == whole


def test_what_a_person_made_of_a_result_is_left(upscale: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    upscale(folder, "-o", out)
    whole = tree(out)
    save(out / "a.png", np.zeros((8, 8, 3), np.uint8))
    for extra in ([], ["--scale", 3]):
        ran = upscale(folder, "-o", out, *extra)
        assert ran.code == 0
        assert "a.png: its result was changed after it was made; it is left" in ran.err
        assert pixels_of(out / "a.png").shape == (8, 8, 3)
    assert counts(3, 0) in upscale(folder, "-o", out, "--overwrite").err
    assert tree(out) == whole


def test_any_kind_of_file_that_a_person_made_of_a_result_is_left(
    upscale: Run, folder: Path, tmp_path: Path
) -> None:
    """Pages, inks without a profile: what is not read as a picture is no damage."""
    out = tmp_path / "out"
    upscale(folder, "-o", out)
    grey = Image.new("L", (8, 8))
    grey.save(out / "a.png", "TIFF", save_all=True, append_images=[grey])
    Image.new("CMYK", (8, 8)).save(out / "b.jpg")
    (out / "sub" / "c.png").write_bytes(b"skip")
    mine = tree(out)
    ran = upscale(folder, "-o", out)
    assert counts(0, 3) in ran.err
    assert "its result was changed after it was made; it is left" in ran.err
    assert tree(out) == mine


def test_results_of_one_length_and_time_are_told_apart(upscale: Run, tmp_path: Path) -> None:
    """A BMP's length does not depend on what is in it, and its time is the source's."""
    save(tmp_path / "in" / "a.bmp", noise(20, 30))
    out = tmp_path / "out"
    made = []
    for strength, done in ((1, 1), (0.5, 1), (1, 1), (1, 0), (0.5, 1), (0.5, 0)):
        ran = upscale(tmp_path / "in", "-o", out, "--strength", strength)
        assert counts(done, 1 - done) in ran.err, ran.err
        made.append((out / "a.bmp").read_bytes())
    assert made[0] == made[2] == made[3] != made[1] == made[4] == made[5]


def test_a_file_that_no_run_made_is_left(upscale: Run, folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "out" / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "out" / "b.jpg").symlink_to(tmp_path / "nothing")
    mine = (tmp_path / "out" / "a.png").read_bytes()
    for _ in range(2):
        ran = upscale(folder, "-o", tmp_path / "out")
        assert ran.code == 0
        assert "(and 1 more): a file of its result's name is there already" in ran.err
        assert (tmp_path / "out" / "a.png").read_bytes() == mine
        assert not (tmp_path / "out" / "b.jpg").exists()


def test_a_file_that_appears_in_the_middle_is_left(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restorekit.jobs import stages

    check = stages.check_result

    def check_while_one_appears(source: Any, result: Any) -> None:
        check(source, result)
        (tmp_path / "out" / "a.png").write_bytes(b"mine")

    with monkeypatch.context() as patched:
        patched.setattr(stages, "check_result", check_while_one_appears)
        ran = upscale(folder / "a.png", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "a file of its name has appeared" in ran.err
    assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"


@pytest.mark.parametrize("links", [True, False])
def test_of_two_who_take_a_name_at_once_the_first_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr("os.link", refused)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    publish(tmp_path / "one", tmp_path / "result", over=False)
    with pytest.raises(FileExistsError):
        publish(tmp_path / "two", tmp_path / "result", over=False)
    assert (tmp_path / "result").read_text() == "one"
    publish(tmp_path / "two", tmp_path / "result", over=True)
    assert (tmp_path / "result").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize("harm", ["torn", "garbage", "older", "no lines", "gone"])
def test_a_harmed_manifest_costs_no_result(
    upscale: Run, folder: Path, tmp_path: Path, harm: str
) -> None:
    out = tmp_path / "out"
    upscale(folder, "-o", out)
    whole, manifest = tree(out), out / NAME
    text = manifest.read_bytes()
    harmed = {
        "torn": text[:-40],
        "garbage": b"\xff\x00{]\n[1]\nnull\n7\n" + text + b"[" * 5000 + b"\n",
        "older": text.replace(b'"inputs"', b'"input"', 1),
        "no lines": b"",
    }
    if harm == "gone":
        manifest.unlink()
    else:
        manifest.write_bytes(harmed[harm])
    ran = upscale(folder, "-o", out)
    assert ran.code == 0
    assert tree(out) == whole
    known = {"torn": 2, "garbage": 3, "older": 2}.get(harm, 0)
    if known < 3:
        left = "" if known == 2 else f" (and {2 - known} more)"
        assert f"{left}: a file of its result's name is there already" in ran.err
    upscale(folder, "-o", out, "--overwrite")
    assert counts(0, 3) in upscale(folder, "-o", out).err


def test_a_line_after_a_torn_one_is_whole(tmp_path: Path) -> None:
    found = content(save(tmp_path / "a.png"))
    entry = jobs_manifest.Entry("a.png", "a.png", (found,), found, {"seed": 1})
    (tmp_path / NAME).write_bytes(b'{"source": "b.p')
    Manifest(tmp_path).append(entry)
    assert (tmp_path / NAME).read_bytes() == b'{"source": "b.p\n' + entry.line()
    assert list(Manifest(tmp_path).made("a.png")) == [found.sha256]


def test_a_fact_that_is_no_number_is_null(tmp_path: Path) -> None:
    found = content(save(tmp_path / "a.png"))
    facts: dict[str, float | str] = {"level": math.nan, "db": math.inf, "gain": 0.5, "note": "nan"}
    line = jobs_manifest.Entry("a.png", "a.png", (found,), found, {}, facts=facts).line()
    read = json.loads(line, parse_constant=pytest.fail)["facts"]
    assert read == {"level": None, "db": None, "gain": 0.5, "note": "nan"}


@pytest.mark.user("B4")
@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_no_text_stand_in_the_manifest(upscale: Run, tmp_path: Path) -> None:
    names = [os.fsdecode(b"bad\xff.png"), "日本 ü 🏖️\n.png", "\u2028.png"]
    for name in names:
        save(tmp_path / "in" / name)
    for expected in (counts(3, 0), counts(0, 3)):
        assert expected in upscale(tmp_path / "in", "-o", tmp_path / "out").err
    raw = (tmp_path / "out" / NAME).read_bytes()
    assert "日本 ü 🏖️".encode() in raw
    assert {json.loads(line)["output"] for line in raw.split(b"\n") if line} == set(names)


def test_one_file_into_one_file_leaves_no_manifest(upscale: Run, folder: Path) -> None:
    out = folder.parent / "new" / "large.png"
    assert upscale(folder / "a.png", "-o", out).code == 0
    assert list(tree(out.parent)) == ["large.png"]
    assert not (out.parent / NAME).exists()
    ran = upscale(folder / "a.png", "-o", out, "--scale", 3)
    assert "is there already" in ran.err
    assert pixels_of(out).shape == (40, 60, 3)


def test_a_manifest_is_no_other_file(upscale: Run, folder: Path, tmp_path: Path) -> None:
    upscale(folder, "-o", tmp_path / "out")
    ran = upscale(tmp_path / "out", "-o", tmp_path / "again")
    assert "other file" not in ran.err
    assert counts(3, 0) in ran.err


# The hidden folder in which results grow.


def test_what_a_dead_run_left_is_removed_and_what_lives_stays(tmp_path: Path) -> None:
    dead = tmp_path / ".restorekit-part-dead"
    dead.mkdir()
    (dead / "lock").write_bytes(b"")
    (dead / "half.png").write_bytes(b"half")
    begun = tmp_path / ".restorekit-part-begun"
    begun.mkdir()
    with workspace(tmp_path) as living:
        assert not dead.exists()
        assert not begun.exists()
        (living / "half.png").write_bytes(b"half")
        with workspace(tmp_path) as other:
            assert other != living
            assert (living / "half.png").exists()
        assert not other.exists()
        assert (living / "half.png").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_used_with_care(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    other = tmp_path / ".restorekit-part-other"
    other.mkdir()
    with workspace(tmp_path) as place:
        assert place.is_dir()
        assert other.is_dir()
    assert list(tmp_path.iterdir()) == [other]


def test_an_edit_made_while_a_result_is_made_anew_is_left(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert upscale(folder / "sub", "-o", out).code == 0
    free = stages.check_free

    def edited(path: Path, over: bool) -> None:
        path.write_bytes(b"mine")
        free(path, over)

    monkeypatch.setattr(stages, "check_free", edited)
    ran = upscale(folder / "sub", "-o", out, "--seed", 3)
    assert ran.code == 1
    assert "c.png changed while it was made anew; what it is now was left" in ran.err
    assert (out / "c.png").read_bytes() == b"mine"
    assert upscale(folder / "sub", "-o", out, "--seed", 3, "--overwrite").code == 0
