"""Files of several frames or pages: read one at a time, written the same way."""

from __future__ import annotations

import errno
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_samples import SRGB, TAKEN, XMP, deep_picture, exif_blob, exif_of, picture
from PIL import Image

from restorekit.errors import ImageError
from restorekit.images import Metadata, Picture, frames, probe, read, write, write_frames
from restorekit.images.orientation import upright_xmp
from restorekit.images.picture import TiffCoding

MOVING = (".png", ".webp", ".gif", ".avif")
EXACT = (".png", ".webp", ".gif")
DURATIONS = (40.0, 250.0, 100.0)


def film(count: int = 3, *, alpha: bool = False, colours: int = 6, seed: int = 0) -> list[Picture]:
    """Frames of a few strong colours, so that a GIF holds them exactly."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        palette = rng.integers(0, 256, (colours, 3)).astype(np.float32) / np.float32(255)
        color = palette[rng.integers(0, colours, (20, 28))]
        clear = rng.random((20, 28)) > 0.4
        metadata = Metadata(duration=DURATIONS[number % 3], loop=3)
        opacity = clear.astype(np.float32) if alpha else None
        made.append(Picture(color, opacity, format="GIF", metadata=metadata))
    return made


def seen(found: Picture) -> np.ndarray:
    """(H, W, C) of what shows of a picture."""
    return found.color if found.alpha is None else found.color * found.alpha[..., None]


@pytest.mark.parametrize("suffix", MOVING)
@pytest.mark.parametrize("alpha", [False, True])
def test_every_frame_comes_back_as_it_was(tmp_path: Path, suffix: str, alpha: bool) -> None:
    path, made = tmp_path / f"a{suffix}", film(alpha=alpha)
    assert write_frames(iter(made), path) == ()
    header = probe(path)
    assert (header.frames, header.width, header.height) == (3, 28, 20)
    found = list(frames(path))
    for one, other in zip(found, made, strict=True):
        if suffix in EXACT:
            np.testing.assert_allclose(seen(one), seen(other), atol=1e-6)
        else:
            assert np.abs(seen(one) - seen(other)).mean() < 0.1
        if alpha:
            np.testing.assert_array_equal(one.alpha, other.alpha)
    assert [frame.metadata.duration for frame in found] == list(DURATIONS)
    assert {frame.metadata.loop for frame in found} == {3} if suffix != ".avif" else True


@pytest.mark.parametrize("suffix", EXACT)
def test_pillow_shows_the_same_frames(tmp_path: Path, suffix: str) -> None:
    made = film(alpha=True)
    write_frames(made, tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as image:
        for number, frame in enumerate(made):
            image.seek(number)
            rgba = np.asarray(image.convert("RGBA")) / 255
            np.testing.assert_allclose(rgba[..., :3] * rgba[..., 3:], seen(frame), atol=1e-6)
            assert image.info["duration"] == DURATIONS[number]


@pytest.mark.parametrize("loop", [0, 1, 2, 7])
@pytest.mark.parametrize("suffix", EXACT)
def test_the_number_of_rounds_is_kept(tmp_path: Path, suffix: str, loop: int) -> None:
    made = [replace(f, metadata=replace(f.metadata, loop=loop)) for f in film()]
    write_frames(made, tmp_path / f"a{suffix}")
    assert next(frames(tmp_path / f"a{suffix}")).metadata.loop == loop


@pytest.mark.parametrize("after", EXACT)
@pytest.mark.parametrize("before", EXACT)
def test_frames_go_from_each_format_into_each(tmp_path: Path, before: str, after: str) -> None:
    made = film(alpha=True)
    write_frames(made, tmp_path / f"in{before}")
    write_frames(frames(tmp_path / f"in{before}"), tmp_path / f"out{after}")
    for one, other in zip(frames(tmp_path / f"out{after}"), made, strict=True):
        np.testing.assert_allclose(seen(one), seen(other), atol=1e-6)
        assert one.metadata.duration == other.metadata.duration


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_what_a_gif_leaves_standing_is_in_the_next_frame(tmp_path: Path, disposal: int) -> None:
    base = Image.new("P", (12, 10), 1)
    base.putpalette([0, 0, 0, 200, 30, 30, 30, 200, 30, 30, 30, 200])
    first, second = base.copy(), base.copy()
    first.paste(2, (2, 2, 6, 6))
    second.paste(3, (5, 5, 9, 9))
    path = tmp_path / "a.gif"
    first.save(path, save_all=True, append_images=[second], disposal=disposal, duration=50)
    found = list(frames(path))
    with Image.open(path) as image:
        for number, frame in enumerate(found):
            image.seek(number)
            shown = np.asarray(image.convert("RGBA")) / 255
            np.testing.assert_allclose(seen(frame), shown[..., :3] * shown[..., 3:], atol=1e-6)
    assert found[1].mode == found[0].mode == "RGBA"


def test_the_still_of_a_moving_png_is_no_frame(tmp_path: Path) -> None:
    still, *rest = (Image.fromarray(np.full((8, 9, 3), v, np.uint8)) for v in (10, 100, 200))
    still.save(tmp_path / "a.png", save_all=True, append_images=rest, default_image=True)
    found = list(frames(tmp_path / "a.png"))
    assert probe(tmp_path / "a.png").frames == 2
    assert [round(float(frame.color.mean()) * 255) for frame in found] == [100, 200]
    assert "programs that do not play it" in found[0].notes[0]


def pages() -> list[Picture]:
    """Pages that differ in size, mode, depth, coding and metadata."""
    blob, floats = exif_blob(1), np.random.default_rng(1).random((9, 13, 3), np.float32)
    return [
        picture(3, metadata=Metadata(icc=SRGB, exif=blob, dpi=(300, 300), iptc=b"\x1c\2\x19\0\1a")),
        picture(1, metadata=Metadata(tiff=TiffCoding("lzw", (16, 16)), xmp=upright_xmp(XMP))),
        deep_picture(3, alpha=True),
        Picture(floats, depth=32, mode="RGB;32", metadata=Metadata(tiff=TiffCoding("none"))),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_every_page_keeps_its_own_kind(tmp_path: Path, order: int) -> None:
    path, made = tmp_path / "a.tif", pages()[::order]
    assert write_frames(iter(made), path) == ()
    assert probe(path).frames == 4
    found = list(frames(path))
    assert [(p.mode, p.depth) for p in found] == [
        ("RGB", 8),
        ("L", 8),
        ("RGBA;16", 16),
        ("RGB;32", 32),
    ][::order]
    for one, other in zip(found, made, strict=True):
        np.testing.assert_array_equal(one.color, other.color)
        np.testing.assert_array_equal(one.alpha, other.alpha)
        assert one.metadata.tiff == (other.metadata.tiff or TiffCoding())
        assert one.metadata.icc == other.metadata.icc
        assert one.metadata.iptc == other.metadata.iptc
        assert one.metadata.duration is None
    assert found[::order][0].metadata.dpi == pytest.approx((300, 300))
    assert found[::order][1].metadata.xmp is not None
    if order == 1:  # Pillow reads no page of floats, and so no file that begins with one
        assert exif_of(path).get_ifd(0x8769)[0x9003] == TAKEN[:-1].decode()


def test_other_programs_count_the_same_pages(tmp_path: Path) -> None:
    cv2, tifffile = pytest.importorskip("cv2"), pytest.importorskip("tifffile")
    write_frames(pages()[:3], tmp_path / "a.tif")
    assert cv2.imcount(str(tmp_path / "a.tif")) == 3
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [page.shape for page in file.pages] == [(24, 40, 3), (24, 40), (23, 37, 4)]


def test_the_pages_of_others_are_read(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = np.random.default_rng(2).integers(0, 65536, (5, 11, 14, 3)).astype(np.uint16)
    for options in ({}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}):
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", **options)
        found = list(frames(tmp_path / "a.tif"))
        for page, stored in zip(found, samples, strict=True):
            np.testing.assert_array_equal(np.rint(page.color * 65535.0), stored)


def test_one_picture_is_one_frame(tmp_path: Path) -> None:
    write(picture(), tmp_path / "a.png")
    (found,) = frames(tmp_path / "a.png")
    np.testing.assert_array_equal(found.color, picture().color)
    assert found.metadata.duration is None
    write_frames([picture()], tmp_path / "b.jpg")
    assert read(tmp_path / "b.jpg").format == "JPEG"


def test_pages_and_frames_are_not_mixed_up(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"holds one picture and there are several; write TIFF"):
        write_frames(film(), tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="pages are no frames of a moving GIF"):
        write_frames(pages(), tmp_path / "a.gif")
    with pytest.raises(ImageError, match="there is no picture to write"):
        write_frames([], tmp_path / "a.gif")
    assert write_frames(film(), tmp_path / "a.tif") == (
        "TIFF holds the frames as pages, without the times they are shown",
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_frames_of_other_sizes_are_refused(tmp_path: Path) -> None:
    odd = [*film(2), replace(film(1)[0], color=np.zeros((5, 6, 3), np.float32))]
    with pytest.raises(ImageError, match=r"frame 3 is 6 x 5 pixels and the first 28 x 20"):
        write_frames(odd, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_a_frame_that_gains_transparency_or_colour_fits_the_first(tmp_path: Path) -> None:
    metadata = Metadata(duration=50, loop=0)
    grey = [picture(1, metadata=metadata), picture(1, alpha=True, metadata=metadata)]
    write_frames(grey[::-1], tmp_path / "a.png")
    assert [frame.mode for frame in frames(tmp_path / "a.png")] == ["LA", "LA"]
    write_frames([film(1)[0], film(1, alpha=True)[0]], tmp_path / "b.png")
    assert [frame.mode for frame in frames(tmp_path / "b.png")] == ["RGB", "RGB"]


@pytest.mark.user("C5")
@pytest.mark.parametrize("suffix", [*MOVING, ".tif"])
def test_a_failure_between_frames_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")

    def broken() -> Iterator[Picture]:
        yield from film(2)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ImageError, match="the disk is full"):
        write_frames(broken(), path, overwrite=True)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [*MOVING, ".tif"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in "ab":
        write_frames(film(alpha=True), tmp_path / f"{name}{suffix}")
        time.sleep(1.1 if suffix == ".avif" else 0)  # libavif writes the second of the day
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.user("B9")
def test_a_moving_png_of_sixteen_bits_is_told_to_be_read_as_eight(tmp_path: Path) -> None:
    for depth, notes in ((8, ()), (16, ("its 16 bits a sample were read as 8",))):
        write_frames([replace(frame, depth=depth) for frame in film()], tmp_path / f"{depth}.png")
        found = list(frames(tmp_path / f"{depth}.png"))
        assert [frame.notes for frame in found] == [notes] * 3
        assert {frame.depth for frame in found} == {8}


def test_too_many_frames_are_refused_by_number(tmp_path: Path) -> None:
    write_frames(film(), tmp_path / "a.gif")
    assert len(list(frames(tmp_path / "a.gif", max_frames=3))) == 3
    with pytest.raises(ImageError, match=r"it has 3 frames and the limit is 2"):
        next(frames(tmp_path / "a.gif", max_frames=2))
    with pytest.raises(ImageError, match="560 pixels and the limit is 559"):
        next(frames(tmp_path / "a.gif", max_pixels=559))


def test_a_later_page_may_be_the_one_too_large(tmp_path: Path) -> None:
    small, large = picture(), Picture(np.zeros((100, 90, 3), np.float32))
    write_frames([small, large], tmp_path / "a.tif")
    reading = frames(tmp_path / "a.tif", max_pixels=40 * 24)
    assert next(reading).width == 40
    with pytest.raises(ImageError, match="9,000 pixels"):
        next(reading)


def test_frames_wait_their_turn(tmp_path: Path) -> None:
    """Memory is that of a frame or two, however many there are."""

    def peak(count: int, suffix: str) -> int:
        def some() -> Iterator[Picture]:
            for number in range(count):
                color = np.full((200, 300, 3), number % 7 / 7, np.float32)
                yield Picture(color, metadata=Metadata(duration=20, loop=0))

        tracemalloc.start()
        write_frames(some(), tmp_path / f"a{suffix}", overwrite=True)
        for frame in frames(tmp_path / f"a{suffix}"):
            assert frame.width == 300
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    frame_bytes = 200 * 300 * 3 * 4
    for suffix in (".gif", ".png"):
        assert peak(24, suffix) < peak(6, suffix) + frame_bytes
    page = [Picture(np.zeros((200, 300, 3), np.float32)) for _ in range(2)]
    write_frames(page, tmp_path / "a.tif")
    assert len(list(frames(tmp_path / "a.tif"))) == 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_a_file_is_closed_when_the_reader_stops(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    write_frames(film(), tmp_path / "a.gif")
    before = open_files()
    reading = frames(tmp_path / "a.gif")
    next(reading)
    assert open_files() == before + 1
    reading.close()
    assert open_files() == before


def test_a_gif_without_its_end_mark_is_read_with_a_note(tmp_path: Path) -> None:
    write_frames(film(), tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:-1])
    assert "has no end mark" in next(frames(tmp_path / "a.gif")).notes[0]
    (tmp_path / "a.gif").write_bytes(data[:-2])
    with pytest.raises(ImageError, match="ends early"):
        next(frames(tmp_path / "a.gif"))


@pytest.mark.user("B1")
def test_a_gif_says_what_it_does_to_soft_edges(tmp_path: Path) -> None:
    soft = picture(3, alpha=True)
    assert write(soft, tmp_path / "a.gif") == (
        "GIF has no half-transparent pixels: each became clear or opaque",
    )
    found = read(tmp_path / "a.gif")
    assert found.alpha is not None
    assert set(np.unique(found.alpha)) == {0, 1}


def test_a_gif_of_many_colours_keeps_local_means(tmp_path: Path) -> None:
    """Errors are handed on to the neighbours, so that a smooth picture gets no steps."""
    rows, columns = np.mgrid[0:96, 0:128].astype(np.float32)
    color = np.stack([rows / 95, columns / 127, (rows + columns) / 222], axis=2)
    write(Picture(color), tmp_path / "a.gif")
    found = read(tmp_path / "a.gif").color
    blocks = (found - color).reshape(12, 8, 16, 8, 3).mean(axis=(1, 3))
    assert np.abs(blocks).max() < 0.03
