from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from image_samples import XMP, exif_blob, exif_of, ramp
from PIL import Image

from restorekit.images import probe, read, write
from restorekit.images.orientation import in_xmp, orient, upright_xmp

# The upright picture, and how a camera held in each of the eight ways stores it (EXIF 2.32,
# 4.6.4 A: where row 0 and column 0 of the stored picture lie in the upright one).
UPRIGHT = [[1, 2, 3], [4, 5, 6]]
STORED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


def stored_file(path: Path, orientation: int) -> None:
    """A file of 2 x 3 grey blocks of 8 pixels, stored turned, with the tag that says so."""
    blocks = np.kron(np.array(STORED[orientation], np.uint8) * 40, np.ones((8, 8), np.uint8))
    image = Image.fromarray(blocks)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={0x0112: orientation}, compression="tiff_lzw")
    else:
        options = {"lossless": True} if path.suffix == ".webp" else {"quality": 100}
        image.save(path, exif=b"Exif\0\0" + exif_blob(orientation), **options)


@pytest.mark.user("B11")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_pixels_come_in_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"photo{suffix}"
    stored_file(path, orientation)
    found = read(path)
    assert found.color.shape[:2] == (16, 24)
    blocks = found.color[4::8, 4::8, 0] * 255 / 40
    np.testing.assert_array_equal(np.rint(blocks), UPRIGHT)
    header = probe(path)
    assert (header.width, header.height) == (24, 16)


@pytest.mark.user("B11")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_written_picture_is_not_turned_again(tmp_path: Path, suffix: str) -> None:
    stored_file(tmp_path / "in.jpg", 6)
    picture = read(tmp_path / "in.jpg")
    write(picture, tmp_path / f"out{suffix}")
    assert exif_of(tmp_path / f"out{suffix}").get(0x0112, 1) == 1
    again = read(tmp_path / f"out{suffix}")
    assert again.color.shape[:2] == picture.color.shape[:2]
    assert np.abs(again.color[..., :1] - picture.color).max() <= 3 / 255


@pytest.mark.user("B11")
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_sixteen_bit_tiff_is_upright_too(tmp_path: Path, orientation: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    stored = np.array(STORED[orientation], np.uint16)[..., None] * np.uint16(9001) + np.arange(
        3, dtype=np.uint16
    )
    tag = (0x0112, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=[tag])
    found = read(tmp_path / "a.tif")
    assert (found.depth, found.mode) == (16, "RGB;16")
    expected = np.array(UPRIGHT)[..., None] * 9001 + np.arange(3)
    np.testing.assert_array_equal(np.rint(found.color.astype(float) * 65535), expected)


@pytest.mark.user("B11")
def test_orientation_in_xmp_alone_counts_and_is_reset(tmp_path: Path) -> None:
    stored = np.kron(np.array(STORED[6], np.uint8) * 40, np.ones((8, 8), np.uint8))
    Image.fromarray(stored).save(tmp_path / "a.webp", lossless=True, xmp=XMP)
    found = read(tmp_path / "a.webp")
    np.testing.assert_array_equal(np.rint(found.color[4::8, 4::8, 0] * 255 / 40), UPRIGHT)
    assert found.metadata.xmp is not None
    assert in_xmp(found.metadata.xmp) == 1
    assert b"harbour" in found.metadata.xmp


@pytest.mark.user("B11")
def test_exif_behind_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    stored = io.BytesIO()
    Image.fromarray(ramp(8, 20)).save(stored, "PNG", exif=b"Exif\0\0" + exif_blob(8))
    data = stored.getvalue()
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4], "big")
    chunk = data[start : start + length]
    moved = data[:start] + data[start + length : -12] + chunk + data[-12:]
    (tmp_path / "late.png").write_bytes(moved)
    header = probe(tmp_path / "late.png")
    assert (header.width, header.height) == (8, 20)
    assert read(tmp_path / "late.png").color.shape == (20, 8, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orient_undoes_each_way(orientation: int) -> None:
    np.testing.assert_array_equal(orient(np.array(STORED[orientation]), orientation), UPRIGHT)


def test_xmp_without_orientation_is_untouched() -> None:
    assert upright_xmp(b"<x/>") == b"<x/>"
    assert upright_xmp(None) is None
    assert in_xmp(None) == 1
    assert upright_xmp(b"<tiff:Orientation>8</tiff:Orientation>") == (
        b"<tiff:Orientation>1</tiff:Orientation>"
    )
