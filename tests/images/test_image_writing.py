from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_samples import SRGB, SUFFIXES, exif_blob, picture, ramp
from PIL import Image

from restorekit.errors import ImageError, UsageError
from restorekit.images import (
    Metadata,
    Picture,
    quantise,
    read,
    source,
    to_like,
    write,
    write_frames,
)
from restorekit.images import encode as encode_module
from restorekit.images.jpeg import quality_of
from restorekit.images.picture import TiffCoding
from restorekit.images.writer import part_path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_picture_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    metadata = Metadata(icc=SRGB, exif=exif_blob(1), dpi=(300, 300))
    for name in ("a", "b"):
        write(picture(metadata=metadata), tmp_path / f"{name}{suffix}")
    first, second = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_bytes_do_not_depend_on_threads(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    color = np.random.default_rng(9).random((900, 700, 3), np.float32)
    written = []
    for threads in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda n=threads: n)
        write(Picture(color), tmp_path / f"a{suffix}", overwrite=True)
        written.append((tmp_path / f"a{suffix}").read_bytes())
    assert written[0] == written[1]


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def half_then(error: BaseException) -> Callable[..., None]:
    def encode(file: Any, *_: Any) -> None:
        file.write(b"half a picture")
        raise error

    return encode


@pytest.mark.user("C5")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    name = {".jpg": "JPEG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    full = half_then(OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setitem(encode_module.ENCODERS, name, full)
    with pytest.raises(ImageError, match=r"was not written: the disk is full; free some space"):
        write(picture(), path, overwrite=True)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.user("C5")
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_late_failure_is_no_different(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), full_disk)
    with pytest.raises(ImageError, match="disk is full"):
        write(picture(), path, overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.user("C1")
def test_an_interrupt_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encode_module.ENCODERS, "PNG", half_then(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write(picture(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.user("C5")
def test_what_reads_back_wrong_does_not_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(file: Any, _: Any) -> None:
        Image.fromarray(ramp(3, 3)).save(file, "PNG")

    def broken(file: Any, _: Any) -> None:
        file.write(b"\x89PNG\r\n\x1a\n and no more")

    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    for wrong in (small, broken):
        monkeypatch.setitem(encode_module.ENCODERS, "PNG", wrong)
        with pytest.raises(ImageError, match=r"a\.png was not written"):
            write(picture(), path, overwrite=True)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.user("B8")
def test_nothing_is_overwritten_unless_allowed(tmp_path: Path) -> None:
    write(picture(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ImageError, match=r"a\.png was not written: it exists"):
        write(picture(1), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    write(picture(1), tmp_path / "a.png", overwrite=True)
    assert read(tmp_path / "a.png").mode == "L"


def test_a_folder_in_the_way_and_no_folder_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match="a folder has that name"):
        write(picture(), tmp_path / "a.png", overwrite=True)
    with pytest.raises(ImageError, match="no such f"):
        write(picture(), tmp_path / "absent" / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write all")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ImageError, match="permission denied"):
        write(picture(), tmp_path / "a.png")
    tmp_path.chmod(0o700)


def test_the_part_is_recognised_and_hidden(tmp_path: Path) -> None:
    part = part_path(tmp_path / "photo.png")
    assert part == tmp_path / f".photo.png.restorekit-part-{os.getpid()}"
    longest = "é" * 125 + ".png"
    write(picture(), tmp_path / longest)
    assert [p.name for p in tmp_path.iterdir()] == [longest]


def test_permissions_of_the_old_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write(picture(), path, overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o640


def test_too_large_is_said_before_work_starts(tmp_path: Path) -> None:
    wide = Picture(np.zeros((1, 16_384, 1), np.float32))
    with pytest.raises(ImageError, match="WEBP holds at most 16,383"):
        write(wide, tmp_path / "a.webp")
    assert list(tmp_path.iterdir()) == []


def test_values_that_are_not_numbers_are_not_written(tmp_path: Path) -> None:
    color = np.full((4, 4, 3), 0.5, np.float32)
    color[3, 3, 0] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        write(Picture(color), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_the_format_is_the_suffix_unless_said(tmp_path: Path) -> None:
    write(picture(), tmp_path / "a.dat", format="JPEG")
    assert read(tmp_path / "a.dat").format == "JPEG"
    with pytest.raises(UsageError, match=r"'\.dat' is not a format"):
        write(picture(), tmp_path / "b.dat")


@pytest.mark.user("B7")
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 92, 98])
def test_a_jpeg_keeps_its_class(tmp_path: Path, quality: int, subsampling: int) -> None:
    Image.fromarray(ramp()).save(tmp_path / "in.jpg", quality=quality, subsampling=subsampling)
    source = read(tmp_path / "in.jpg")
    assert source.metadata.jpeg is not None
    assert quality_of(source.metadata.jpeg) == quality
    write(source, tmp_path / "out.jpg")
    coding = read(tmp_path / "out.jpg").metadata.jpeg
    assert coding is not None
    assert coding.subsampling == subsampling
    assert quality_of(coding) == max(quality, 90)


@pytest.mark.user("B7")
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_files_shrink_as_quality_falls(tmp_path: Path, suffix: str) -> None:
    noisy = Picture(np.random.default_rng(3).random((64, 64, 3), np.float32))
    sizes = []
    for quality in (95, 80, 40, 10):
        write(noisy, tmp_path / f"a{suffix}", quality=quality, overwrite=True)
        sizes.append((tmp_path / f"a{suffix}").stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range_is_refused(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match="quality must be 1 to 100"):
        write(picture(), tmp_path / "a.jpg", quality=quality)


def test_a_new_jpeg_is_fine_and_full_colour(tmp_path: Path) -> None:
    write(picture(), tmp_path / "a.jpg")
    coding = read(tmp_path / "a.jpg").metadata.jpeg
    assert coding is not None
    assert (quality_of(coding), coding.subsampling) == (95, 0)


def test_quantise_rounds_half_to_even_and_clips() -> None:
    values = np.array([[-0.2, 0.5 / 255, 1.5 / 255, 2.5 / 255, 1.0, 1.7]])
    assert quantise(values, 8).tolist() == [[0, 0, 2, 2, 255, 255]]
    assert quantise(values, 8).dtype == np.uint8
    assert quantise(np.ones((1, 1), np.float32), 16).tolist() == [[65535]]


@pytest.mark.parametrize("depth", [8, 16])
def test_quantise_gives_every_level_back(depth: int) -> None:
    levels = np.arange(2**depth).reshape(-1, 2)
    unit = (levels / (2**depth - 1)).astype(np.float32)
    np.testing.assert_array_equal(quantise(unit, depth), levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_final_integers_are_written_as_floats_are(
    tmp_path: Path, suffix: str, dtype: type[np.unsignedinteger]
) -> None:
    top, depth = np.iinfo(dtype).max, 8 * np.dtype(dtype).itemsize
    samples = np.random.default_rng(4).integers(0, top + 1, (20, 30, 4)).astype(dtype)
    floats = (samples / top).astype(np.float32)
    for name, planes in {"a": samples, "b": floats}.items():
        given = Picture(planes[..., :3].copy(), planes[..., 3].copy(), depth=depth)
        write(given, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    integers = Picture(samples[..., :3], samples[..., 3])
    np.testing.assert_array_equal(to_like(integers, floats), floats)


def test_a_float_picture_takes_the_deepest_samples(tmp_path: Path) -> None:
    fine = np.linspace(0, 1, 3000, dtype=np.float32).reshape(50, 60, 1)
    deep = Picture(fine, depth=32, mode="F")
    assert write(deep, tmp_path / "a.png") == (
        "PNG holds 16 bits a sample: the floating-point source was rounded",
    )
    assert len(np.unique(read(tmp_path / "a.png").color)) == 3000
    assert "floating-point source was rounded" in write(deep, tmp_path / "a.jpg")[0]


def test_a_file_longer_than_one_of_its_pages_would_be_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_SMALL", 0)
    page = picture(metadata=Metadata(tiff=TiffCoding("none")))
    write_frames([page] * 20, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").stat().st_size > 32 * page.width * page.height
