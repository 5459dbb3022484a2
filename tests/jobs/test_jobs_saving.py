"""What comes with the pixels of a folder run: frames and pages, metadata, and what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, save, tree
from PIL import Image, ImageSequence

from restorekit.images import frames, read


def moving(path: Path, count: int = 3, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(noise(12, 14, seed=n)) for n in range(count)]
    first.save(path, save_all=True, append_images=others, **options)
    return path


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_every_frame_and_page_is_restored(upscale: Run, tmp_path: Path, suffix: str) -> None:
    timed = {} if suffix == "tif" else {"duration": [100, 200, 300], "loop": 2}
    if suffix == "webp":
        timed["lossless"] = True
    source = moving(tmp_path / "in" / f"a.{suffix}", **timed)
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    given, made = list(frames(source)), list(frames(tmp_path / "out" / f"a.{suffix}"))
    assert [f.color.shape for f in made] == [(24, 28, 3)] * 3
    assert [f.metadata.duration for f in made] == [f.metadata.duration for f in given]
    assert len({f.color.tobytes() for f in made}) == 3
    for number, picture in enumerate(given):  # each as if it had come alone
        if suffix != "gif":
            alone = save(tmp_path / "one" / f"{number}.png", np.uint8(np.rint(picture.color * 255)))
            assert upscale(alone, "-o", tmp_path / "ones").code == 0
            expected = read(tmp_path / "ones" / f"{number}.png").color
            np.testing.assert_array_equal(made[number].color, expected)
    assert "0 done + 1 skipped" in upscale(tmp_path / "in", "-o", tmp_path / "out").err


def test_frames_become_pages_and_not_one_picture(upscale: Run, tmp_path: Path) -> None:
    moving(tmp_path / "in" / "a.gif", duration=[100, 200, 300])
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--format", "tiff")
    assert ran.code == 0, ran.err
    with Image.open(tmp_path / "out" / "a.tif") as image:
        assert len(list(ImageSequence.Iterator(image))) == 3
    ran = upscale(tmp_path / "in", "-o", tmp_path / "jpg", "--format", "jpg")
    assert ran.code == 1
    assert f"{tmp_path / 'in' / 'a.gif'} has 3 frames and JPEG holds one picture" in ran.err
    assert tree(tmp_path / "jpg") == {}


def test_a_damaged_frame_costs_its_file_alone(upscale: Run, tmp_path: Path) -> None:
    whole = moving(tmp_path / "in" / "a.webp", lossless=True).read_bytes()
    save(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.webp").write_bytes(whole[: len(whole) * 2 // 3])
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 1
    assert "2 found = 1 done + 0 skipped + 1 failed" in ran.err
    assert list(tree(tmp_path / "out")) == ["b.png"]


@pytest.mark.user("L5")
@pytest.mark.parametrize("kind", ["keep", "webp", "tiff", "jpg"])
def test_what_was_done_is_said_unless_it_is_not_wanted(
    upscale: Run, tmp_path: Path, kind: str
) -> None:
    save(tmp_path / "in" / "a.png", dpi=(300, 300))
    options = ["--format", kind, "--look", "sharp", "--seed", 7]
    for name, extra in (("said", []), ("not", ["--no-provenance"]), ("bare", ["--strip"])):
        ran = upscale(tmp_path / "in", "-o", tmp_path / name, *options, *extra)
        assert ran.code == 0, ran.err
    said, silent, bare = (
        read(next(p for p in (tmp_path / name).glob("a.*"))).metadata
        for name in ("said", "not", "bare")
    )
    assert said.xmp
    for words in (
        "restorekit",
        "task=upscale",
        "model=tiny (",
        "seed=7",
        "scale=2.0",
        "algorithmic",
    ):
        assert words.lower() in said.xmp.decode().lower()
    assert b"device" not in said.xmp
    assert silent.xmp is None
    assert bare.xmp == said.xmp  # what was done is no word of the source's
    assert bare.dpi is None
    if kind != "webp":
        assert said.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.user("L3")
def test_stripped_and_silent_results_hold_nothing(upscale: Run, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    photo = save(tmp_path / "a.jpg", exif=exif, comment="a comment", dpi=(72, 72))
    assert upscale(photo, "-o", tmp_path / "kept.jpg").code == 0
    assert b"a description" in (tmp_path / "kept.jpg").read_bytes()
    assert upscale(photo, "-o", tmp_path / "out.jpg", "--strip", "--no-provenance").code == 0
    found = read(tmp_path / "out.jpg").metadata
    assert (found.exif, found.xmp, found.iptc, dict(found.text)) == (None, None, None, {})


@pytest.mark.user("C9")
def test_what_is_said_counts_as_an_option(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    for extra in ([], ["--no-provenance"], ["--no-provenance", "--strip"]):
        ran = upscale(tmp_path / "in", "-o", tmp_path / "out", *extra)
        assert "1 found = 1 done" in ran.err
    assert "0 done + 1 skipped" in upscale(tmp_path / "in", "-o", tmp_path / "out", *extra).err


def test_a_format_that_cannot_say_it_is_not_asked_to(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.bmp")
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out")
    assert ran.code == 0
    assert "note" not in ran.err
