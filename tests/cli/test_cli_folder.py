"""Folder runs: the tree mirrored, everything accounted for, and the same bytes however it is asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, hole, noise, notes_of, pixels_of, python, save, tree
from PIL import Image

NAMES = [
    "Häuser am Fluß.png",
    "富士山の写真.png",
    "holiday 🏖️ day.png",
    "  spaces  everywhere .png",
    "-dash.png",
    "ＦＵＬＬ　ｗｉｄｔｈ.png",
    "quote'\"$HOME;&.png",
    "%s{}.png",
    "n" * 246 + ".png",
    "日" * 83 + ".png",  # 253 bytes; 255 is the most that file systems hold
    "UPPER.PNG",
]


@pytest.mark.user("B4")
def test_names_of_every_kind_come_through(upscale: Run, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        save(tmp_path / "in" / name, noise(3, 4, seed=number), format="PNG")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "öut 出力")
    assert ran.code == 0, ran.err
    assert sorted(tree(tmp_path / "öut 出力")) == sorted(NAMES)


@pytest.mark.user("B4")
def test_a_name_that_becomes_too_long_is_told_before_work(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restorekit.jobs.restorer import Restorer

    monkeypatch.setattr(Restorer, "_planes", None)
    save(tmp_path / "in" / ("n" * 251 + ".png"))
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--suffix", "_x2")
    assert ran.code == 1
    assert "too long" in ran.err


@pytest.mark.user("B8")
def test_a_suffix_lets_results_lie_beside_their_sources(upscale: Run, tmp_path: Path) -> None:
    photos = [save(tmp_path / name, noise(8, 9)) for name in ("a.png", "b.c.jpg")]
    for _ in range(2):
        ran = upscale(*photos, "-o", tmp_path, "--suffix", "_x2")
        assert ran.code == 0, ran.err
    assert "2 found = 0 done + 2 skipped" in ran.err
    assert sorted(tree(tmp_path)) == ["a.png", "a_x2.png", "b.c.jpg", "b.c_x2.jpg"]


@pytest.mark.user("B4")
def test_a_name_with_a_leading_dash_may_be_named(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "-dash.png")
    monkeypatch.chdir(tmp_path)
    ran = upscale("-o", "-out", "--", "-dash.png")
    assert ran.code == 0, ran.err
    assert sorted(tree(tmp_path / "-out")) == ["-dash.png"]


@pytest.mark.user("C7")
@pytest.mark.user("C3")
def test_the_tree_is_mirrored_and_strangers_are_passed_over(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    wanted = ["a.png", "a.jpg", "one/a.png", "one/two/a.tif", "two/a.webp", "two/b.bmp"]
    for number, name in enumerate(wanted):
        save(folder / name, noise(8, 9, seed=number))
    for name in ("Thumbs.db", "desktop.ini", "notes.txt", "one/readme.md"):
        (folder / name).write_bytes(b"stranger")
    for name in (".hidden.png", "._a.jpg", ".folder/b.png"):
        save(folder / name, format="PNG")
    ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert sorted(tree(tmp_path / "out")) == sorted(wanted)
    assert "6 found = 6 done + 0 skipped + 0 failed" in ran.err
    assert "4 other files" in ran.err


@pytest.mark.user("C7")
def test_out_inside_the_input_works_and_is_said(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "a.png")
    out = folder / "sub" / "out"
    first = upscale(folder, "-o", out)
    assert first.code == 0
    assert f"{out} lies inside {folder}" in first.err
    again = upscale(folder, "-o", out, "--overwrite")
    assert "1 found = 1 done" in again.err
    assert sorted(tree(folder)) == ["a.png", "sub/out/a.png"]


def test_masks_inside_the_input_are_no_pictures_to_restore(inpaint: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    save(folder / "a.png")
    hole(folder / "masks" / "a.png")
    one = hole(folder / "mask.png")
    ran = inpaint(folder, "-o", tmp_path / "one", "--mask", one, "--plan")
    assert "2 found = 2 to do" in ran.out
    assert f"{one} lies inside {folder} and is not taken as input" in notes_of(ran)
    one.unlink()
    ran = inpaint(folder, "-o", folder / "out", "--mask", folder / "masks")
    assert ran.code == 0, ran.err
    assert "1 found = 1 done" in ran.err
    assert f"{folder / 'masks'} lies inside {folder} and is not taken as input" in notes_of(ran)
    assert sorted(tree(folder / "out")) == ["a.png"]


def test_one_picture_of_a_folder_into_a_file_inside_it(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    for extra in ([], ["--overwrite"]):
        ran = upscale(tmp_path / "in", "-o", tmp_path / "in" / "large.png", *extra)
        assert ran.code == 0, ran.err
        assert "1 found = 1 done" in ran.err


def test_links_are_restored_under_their_own_names(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    photo = save(folder / "a.png")
    (folder / "b.png").symlink_to(photo)
    save(tmp_path / "elsewhere" / "c.png")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    ran = upscale(folder, folder / "a.png", "-o", tmp_path / "out")
    assert ran.code == 0
    assert sorted(tree(tmp_path / "out")) == ["a.png", "b.png"]
    assert "2 found = 2 done" in ran.err
    assert "linked is a link to a folder and was not followed" in ran.err


@pytest.mark.user("B6")
def test_a_picture_with_a_wrong_name_keeps_its_format_and_gets_a_true_name(
    upscale: Run, tmp_path: Path
) -> None:
    save(tmp_path / "in" / "shot.jpg", format="PNG")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert list(tree(tmp_path / "out")) == ["shot.jpg.png"]
    with Image.open(tmp_path / "out" / "shot.jpg.png") as image:
        assert image.format == "PNG"


def test_a_picture_without_a_suffix_may_be_named(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "photo", format="PNG")
    assert upscale(photo, "-o", tmp_path / "out").code == 0
    assert list(tree(tmp_path / "out")) == ["photo.png"]


@pytest.mark.user("C6")
@pytest.mark.user("M1")
def test_folder_single_and_repeated_runs_give_the_same_bytes(upscale: Run, tmp_path: Path) -> None:
    names = ["a.png", "sub/b.jpg", "sub/c.tif", "d.webp"]
    for number, name in enumerate(names):
        save(tmp_path / "in" / name, noise(20, 31, seed=number))
    options = ["--look", "sharp", "--seed", 3, "--scale", "1.7"]
    assert upscale(tmp_path / "in", "-o", tmp_path / "one", *options).code == 0
    assert upscale(tmp_path / "in", "-o", tmp_path / "two", *options).code == 0
    for name in names:
        ran = upscale(tmp_path / "in" / name, "-o", tmp_path / "three" / name, *options)
        assert ran.code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(tmp_path / "three")


@pytest.mark.user("D2")
@pytest.mark.user("D3")
@pytest.mark.parametrize("look", [["--look", "faithful"], ["--look", "sharp", "--steps", "3"]])
def test_tiles_change_nothing(upscale: Run, tmp_path: Path, look: list[str]) -> None:
    """The tiny network sees 23 pixels far, so that these are many tiles."""
    photo = save(tmp_path / "a.png", noise(119, 95))
    results = []
    for tile in ([], ["--tile", 64], ["--tile", 100], ["--tile", 10**9]):
        out = tmp_path / f"out{len(results)}.png"
        assert upscale(photo, "-o", out, *look, *tile).code == 0
        results.append(out.read_bytes())
    assert len(set(results)) == 1


@pytest.mark.user("B7")
@pytest.mark.parametrize(
    ("kind", "suffix", "format"),
    [
        ("png", ".png", "PNG"),
        ("jpg", ".jpg", "JPEG"),
        ("webp", ".webp", "WEBP"),
        ("tiff", ".tif", "TIFF"),
    ],
)
def test_formats_are_converted(
    upscale: Run, tmp_path: Path, kind: str, suffix: str, format: str
) -> None:
    for name in ("a.png", "b.tif", "c.jpeg"):
        save(tmp_path / "in" / name)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", kind)
    assert ran.code == 0, ran.err
    kept = {"jpg": ".jpeg"}.get(kind, suffix)  # a name that tells the format already is kept
    names = {"a": suffix, "b": suffix, "c": kept}
    assert sorted(tree(tmp_path / "out")) == sorted(k + v for k, v in names.items())
    for name in names:
        with Image.open(tmp_path / "out" / (name + names[name])) as image:
            assert (image.format, image.size) == (format, (48, 32))


@pytest.mark.user("B7")
def test_quality_changes_the_size_and_says_where_it_cannot(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", noise(60, 60))
    sizes = []
    for quality in (30, 60, 95):
        out = tmp_path / f"{quality}.jpg"
        assert upscale(photo, "-o", out, "--quality", quality).code == 0
        sizes.append(out.stat().st_size)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    ran = upscale(photo, "-o", tmp_path / "b.png", "--quality", 30)
    assert "--quality says nothing about PNG" in ran.err


def test_one_file_into_one_file_and_into_new_folders(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png")
    ran = upscale(photo, "-o", tmp_path / "new" / "folder" / "large.webp")
    assert ran.code == 0
    with Image.open(tmp_path / "new" / "folder" / "large.webp") as image:
        assert (image.format, image.size) == ("WEBP", (48, 32))


@pytest.mark.user("B5")
def test_file_times_are_kept(upscale: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "in" / "a.png")
    os.utime(photo, ns=(1_500_000_000_123_456_700, 1_400_000_000_765_432_100))
    assert upscale(tmp_path / "in", "-o", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == 1_400_000_000_765_432_100


@pytest.mark.user("C1")
def test_quiet_says_nothing_but_errors(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    (tmp_path / "in" / "b.png").write_bytes(b"")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "-q")
    assert ran.code == 1
    assert ran.err.startswith("failed: ")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.user("C8")
def test_progress_shows_the_file_its_number_and_the_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from restorekit.cli import task
    from restorekit.jobs.report import Step

    clock = [100.0]
    monkeypatch.setattr(task.time, "monotonic", lambda: clock[0])
    progress = task.Progress(4)
    progress.shown = True
    with progress:
        clock[0] += 10
        progress.show(Step(Path("in/ü\n.png"), 2, 0.0))
    line = capsys.readouterr().err
    assert "2/4  0.10 images/s  30.0 s left" in line
    assert "ü\\n.png" in line
    for skipped, expected in ((0, "0.40 images/s  0.0 s left"), (3, "0.10 images/s  0.0 s left")):
        progress.show(Step(Path("d.png"), 4, 1.0, skipped))  # what was skipped is no work done
        assert expected in capsys.readouterr().err
    assert task.clock(4.21) == "4.2 s"
    assert task.clock(187) == "3:07"
    assert task.clock(3765) == "1:02:45"


@pytest.mark.user("C8")
def test_a_person_at_a_terminal_sees_every_file_go_by(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        save(tmp_path / "in" / f"{name}.png")
    for quiet, looking in (([], True), (["--quiet"], True), ([], False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda looking=looking: looking)
        ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--overwrite", *quiet)
        drawn = ran.err.split("\r\x1b[K")
        for number, name in enumerate("abc", 1):
            lines = [line for line in drawn if f"{number}/3" in line and f"{name}.png" in line]
            assert bool(lines) == (looking and not quiet)
            assert all(" left  " in line for line in lines)


@pytest.mark.user("C4")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path, model: Path) -> None:
    for number in range(60):
        save(tmp_path / "in" / f"{number:02}.png", noise(100, 150, seed=number))
    code = f"""
import sys
from pathlib import Path
from restorekit.jobs import run as jobs
from restorekit import plugins
from restorekit.jobs import scan
from restorekit.jobs.settings import Settings
out = Path({str(tmp_path / "out")!r})
loaded = plugins.load("upscale")
settings = Settings.of(loaded.task, {{"model": {str(model)!r}}})
restorer = jobs.Restorer(loaded, {{"scale": 2.0}}, settings)
found = scan.scan([Path({str(tmp_path / "in")!r})], out)
sizes = []
def tell(step):
    if step.share == 1.0 and (not sizes or sizes[-1][0] != step.number):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sizes.append((step.number, pages * 4096))
report = jobs.run(restorer, scan.targets(found, out, "keep"), out, tell=tell)
assert report.done == 60, report.failed
print(dict(sizes)[15], dict(sizes)[60])
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("the system does not tell")
    ran = python(code)
    assert ran.returncode == 0, ran.stderr
    early, late = (int(number) for number in ran.stdout.split())
    assert late <= 1.05 * early, (early, late)


def test_metadata_and_modes_come_through_a_folder_run(upscale: Run, tmp_path: Path) -> None:
    grey = noise(10, 12, 1)
    save(tmp_path / "in" / "grey.png", grey, dpi=(300, 300))
    deep = (grey.astype(np.uint16) << 8) + 7
    save(tmp_path / "in" / "deep.png", deep)
    assert upscale(tmp_path / "in", "-o", tmp_path / "out").code == 0
    with Image.open(tmp_path / "out" / "grey.png") as image:
        assert image.mode == "L"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert pixels_of(tmp_path / "out" / "deep.png").dtype == np.uint16
