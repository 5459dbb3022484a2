"""Scanning and planning, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from outer_kit import save

from restorekit.errors import UsageError
from restorekit.images.formats import FORMATS
from restorekit.jobs.report import Report
from restorekit.jobs.scan import Found, Source, scan, targets

UNREAD = (
    *(".nef", ".CR2", ".cr3", ".arw", ".dng", ".orf", ".rw2", ".raf"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx", ".dds", ".xcf", ".jxr"),
)


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def planned(*names: str, out: str = "out", format: str = "keep", suffix: str = "") -> list[str]:
    sources = tuple(Source(Path("in") / name, Path(name)) for name in names)
    return [t.path.as_posix() for t in targets(Found(sources, 0, ()), Path(out), format, suffix)]


def test_sources_are_sorted_and_named_once(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    touch(*(folder / name for name in ("b.png", "a.PNG", "c/a.png", "c/.x/d.png", "e.JPeG")))
    found = scan([folder, folder / "b.png", tmp_path / "." / "in"], tmp_path / "out")
    names = [source.relative.as_posix() for source in found.sources]
    assert names == ["a.PNG", "b.png", "e.JPeG", "c/a.png"]


def test_every_suffix_of_every_format_is_found(tmp_path: Path) -> None:
    suffixes = [suffix for entry in FORMATS for suffix in entry.suffixes]
    touch(*(tmp_path / f"a{suffix}" for suffix in suffixes))
    assert len(scan([tmp_path], tmp_path / "out").sources) == len(suffixes)


@pytest.mark.user("B6")
def test_pictures_of_unread_formats_count_as_found(tmp_path: Path) -> None:
    touch(tmp_path / "a.exr", tmp_path / "b.JXL", tmp_path / "c.txt")
    found = scan([tmp_path], tmp_path / "out")
    assert len(found.sources) == 2
    assert found.others == 1


@pytest.mark.parametrize("suffix", UNREAD)
def test_no_photograph_of_an_unread_format_is_lost_in_silence(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path / f"a{suffix}", tmp_path / "icon.ico", tmp_path / "drawing.svg")
    found = scan([tmp_path], tmp_path / "out")
    assert [source.path.suffix for source in found.sources] == [suffix]
    assert found.others == 2


def test_a_camera_raw_beside_its_jpeg_keeps_nothing_from_being_done(tmp_path: Path) -> None:
    touch(tmp_path / "a.NEF")
    save(tmp_path / "a.jpg")
    out = tmp_path / "out"
    planned = targets(scan([tmp_path], out), out, "png")
    assert [target.path.name for target in planned] == ["a.NEF", "a.png"]


def test_results_without_loss_are_told_apart_before_any_work(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.webp"):
        save(tmp_path / name)
    save(tmp_path / "c.jpg", format="PNG")
    found, out = scan([tmp_path], tmp_path / "out"), tmp_path / "out"
    names = {
        exact: [target.path.name for target in targets(found, out, "keep", "", exact)]
        for exact in (False, True)
    }
    assert names == {
        False: ["a.jpg", "b.webp", "c.jpg.png"],
        True: ["a.png", "b.webp", "c.jpg.png"],
    }
    save(tmp_path / "a.png")
    again = scan([tmp_path], out)
    with pytest.raises(UsageError, match=r"a\.jpg and .*a\.png would both become"):
        targets(again, out, "keep", "", True)
    assert len(targets(again, out, "keep")) == 4


@pytest.mark.user("C7")
def test_targets_mirror_the_tree() -> None:
    assert planned("a.png", "s/a.png") == ["out/a.png", "out/s/a.png"]
    assert planned("a.jpg", "a.png") == ["out/a.jpg", "out/a.png"]
    assert planned("a.b.jpeg", "c.tif", format="png") == ["out/a.b.png", "out/c.png"]
    assert planned("a.JPG", "b.jfif", format="jpg") == ["out/a.JPG", "out/b.jfif"]
    assert planned("a.png", out="x/b.webp") == ["x/b.webp"]
    assert planned("s/a.b.png", "c", suffix="_x4") == ["out/s/a.b_x4.png", "out/c_x4"]
    assert planned("a.tif", format="png", suffix=" large") == ["out/a large.png"]
    assert planned("a.png", out="in", suffix="_x4") == ["in/a_x4.png"]


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("a.png", "a.bmp"), {"format": "jpg"}),
        (("a.png", "A.png"), {}),
        (("ü.png", "u\u0308.png"), {}),
        (("a.png", "a_x4.png"), {"out": "in", "suffix": "_x4"}),
        (("a.png",), {"suffix": "/x"}),
        (("a.png",), {"out": "c.png", "suffix": "_x4"}),
        (("a.png", "b.png"), {"out": "c.png"}),
        (("a.png",), {"out": "c.png", "format": "webp"}),
        (("a.png",), {"out": "in"}),
    ],
)
def test_plans_that_would_lose_something_are_refused(
    names: tuple[str, ...], options: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        planned(*names, **options)


@pytest.mark.user("C5")
def test_a_report_adds_up() -> None:
    report = Report(7, done=2, skipped=1, failed=["a: no", "b: no"])
    assert report.summary() == "7 found = 2 done + 1 skipped + 2 failed + 2 left"
    assert report.exit_code == 1
    report.stopped = True
    assert report.exit_code == 130
    assert Report(3, done=2, skipped=1).summary() == "3 found = 2 done + 1 skipped + 0 failed"
    assert Report(3, done=2, skipped=1).exit_code == 0


def test_notes_that_differ_in_their_numbers_are_one_line() -> None:
    report = Report(4)
    for number in range(3):
        report.note(Path(f"{number}.exr"), f"{number}.5% of the pixels")
        report.note(Path(f"{number}.exr"), "its times are lost")
    assert report.notes == [
        "0.exr (and 2 more with other numbers): 0.5% of the pixels",
        "0.exr (and 2 more): its times are lost",
    ]
