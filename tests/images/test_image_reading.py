from __future__ import annotations

import os
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_samples import SRGB, SUFFIXES, XMP, exif_blob, picture, ramp
from PIL import Image

from restorekit.errors import ImageError
from restorekit.images import Picture, probe, read, write


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One good file of each format, noisy enough that its pixels are most of it."""
    noise = np.random.default_rng(1).integers(0, 256, (48, 64, 3)).astype(np.float32) / 255
    made = {}
    for suffix in SUFFIXES:
        made[suffix] = tmp_path / f"good{suffix}"
        write(Picture(noise.astype(np.float32)), made[suffix])
    return made


def refusal(path: Path, **options: int) -> str:
    """The sentence with which a file is refused, the same way twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError) as caught:
            read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.user("C3")
@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_is_named(
    tmp_path: Path, files: dict[str, Path], suffix: str, tenth: int
) -> None:
    data = files[suffix].read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: len(data) * tenth // 10])
    assert str(path) in refusal(path)


@pytest.mark.user("C3")
@pytest.mark.parametrize("missing", [1, 2, 3, 10, 40])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_a_file_cut_near_its_end_is_refused(
    tmp_path: Path, files: dict[str, Path], suffix: str, missing: int
) -> None:
    data = files[suffix].read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[:-missing])
    assert f"truncated at {len(data) - missing:,}" in refusal(path)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_cut_sixteen_bit_files_are_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(2).random((40, 40, 3), np.float32)
    write(Picture(noise, depth=16), tmp_path / f"a{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    for part in (0.3, 0.6, 0.9):
        (tmp_path / f"cut{suffix}").write_bytes(data[: int(len(data) * part)])
        assert "cut" in refusal(tmp_path / f"cut{suffix}")


def test_a_cut_png_says_how_much_is_there(tmp_path: Path, files: dict[str, Path]) -> None:
    data = files[".png"].read_bytes()
    path = tmp_path / "holiday.png"
    path.write_bytes(data[:1204])
    assert "holiday.png is not a picture restorekit can read: the file ends early" in refusal(path)
    assert "truncated at 1,204 of" in refusal(path)
    assert "copy it again from its source" in refusal(path)


@pytest.mark.user("C3")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_never_raises_nor_prints_anything_else(
    tmp_path: Path, files: dict[str, Path], suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    good = files[suffix].read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / f"bad{suffix}"
    refused = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            data = bytearray(good)
            for place in rng.integers(0, min(len(data), 400), 4):
                data[place] = rng.integers(0, 256)
            path.write_bytes(data)
            try:
                assert read(path, max_pixels=10**6).color.size
            except ImageError as error:
                refused.append(str(error))
    assert refused
    assert all(str(path) in sentence for sentence in refused)
    if suffix != ".tif" or sys.platform == "linux":
        assert capfd.readouterr() == ("", "")


@pytest.mark.user("C3")
@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_whose_pixels_are_damaged_is_refused(tmp_path: Path, depth: int) -> None:
    """Its decoder goes on behind the damage, with black, or with noise."""
    path, rng = tmp_path / "a.png", np.random.default_rng(4)
    write(Picture(rng.random((64, 64, 3), np.float32), depth=depth), path)
    good = path.read_bytes()
    half = len(good) // 2
    path.write_bytes(good[:half] + bytes(len(good) - half))  # a copy that was stopped
    assert "a.png" in refusal(path)
    first = good.index(b"IDAT")
    for place in rng.integers(first + 4, len(good) - 12, 60):
        data = bytearray(good)
        data[place] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        assert "its data are damaged" in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing.png").touch()
    assert "nothing.png" in refusal(tmp_path / "nothing.png")
    assert "empty (0 bytes)" in refusal(tmp_path / "nothing.png")


@pytest.mark.user("C3")
def test_text_named_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.png").write_text("milk, bread, apples\n" * 9)
    assert "its content is not that of PNG, JPEG" in refusal(tmp_path / "list.png")


@pytest.mark.user("B6")
def test_a_known_stranger_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"8BPS" + bytes(40))
    assert "it is a Photoshop document; save it as PNG" in refusal(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40))
    assert "it is a JPEG XL" in refusal(tmp_path / "b.jpg")


@pytest.mark.user("B6")
def test_a_missing_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "b.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "it is HEIC, for which a part is missing" in refusal(tmp_path / "b.jpg")
    assert "pip install 'restorekit[heif]'" in refusal(tmp_path / "b.jpg")
    with pytest.raises(ImageError, match=r"pip install 'restorekit\[heif\]'"):
        write(picture(), tmp_path / "a.heic")


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">L", 13) + body + struct.pack(">L", zlib.crc32(body))


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(30_000, 30_000))
    said = refusal(tmp_path / "bomb.png")
    assert "30,000 x 30,000 = 900,000,000 pixels" in said
    assert "the limit is 500,000,000; raise the limit (--max-pixels)" in said


def test_a_file_longer_than_any_such_picture_is_refused_unread(
    files: dict[str, Path],
) -> None:
    """32 bytes a pixel, or 256 MiB, whichever is more."""
    for suffix in (".png", ".tif", ".webp"):
        os.truncate(files[suffix], (1 << 28) + 1)
        for refused in (read, probe):
            with pytest.raises(
                ImageError, match=r"has 268,435,457 bytes and the limit is 268,435,456"
            ):
                refused(files[suffix], max_pixels=1 << 23)
        assert probe(files[suffix], max_pixels=(1 << 23) + 1).width == 64


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_limit_is_ours_and_exact(files: dict[str, Path], suffix: str) -> None:
    assert read(files[suffix], max_pixels=64 * 48).width == 64
    assert "3,072 pixels" in refusal(files[suffix], max_pixels=64 * 48 - 1)
    with pytest.raises(ImageError, match="3,072 pixels"):
        probe(files[suffix], max_pixels=64 * 48 - 1)


def test_pillows_own_limit_is_neither_used_nor_changed(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in files.values():
            assert read(path).height == 48
    assert Image.MAX_IMAGE_PIXELS == 100


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.png")
    (tmp_path / "folder.png").mkdir()
    assert "it is a folder" in refusal(tmp_path / "folder.png")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may read all")
def test_an_unreadable_file_is_refused(files: dict[str, Path]) -> None:
    files[".png"].chmod(0)
    assert "permission denied" in refusal(files[".png"])


@pytest.mark.user("B4")
@pytest.mark.parametrize(
    "name",
    [
        "日本語.png",
        "größe.png",
        "ＡＢＣ.png",
        "🌅.png",
        "two words .png",
        "-leading.png",
        "a'b\"c.png",
    ],
)
def test_any_file_name_works(tmp_path: Path, name: str) -> None:
    assert write(picture(), tmp_path / name) == ()
    assert [p.name for p in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(read(tmp_path / name).color, picture().color)
    (tmp_path / name).write_bytes(b"no")
    assert name in refusal(tmp_path / name)


def test_a_name_that_cannot_be_printed_makes_one_line(tmp_path: Path) -> None:
    path = tmp_path / "line\nbreak.png"
    path.write_bytes(b"no")
    assert "line\\nbreak.png is not" in refusal(path)


@pytest.mark.user("B6")
def test_the_content_decides_not_the_suffix(tmp_path: Path, files: dict[str, Path]) -> None:
    (tmp_path / "really.jpg").write_bytes(files[".png"].read_bytes())
    assert read(tmp_path / "really.jpg").format == "PNG"
    assert probe(tmp_path / "really.jpg").format == "PNG"


MODES = {
    "1": (1, False, 8),
    "L": (1, False, 8),
    "LA": (1, True, 8),
    "P": (3, False, 8),
    "RGB": (3, False, 8),
    "RGBA": (3, True, 8),
    "I;16": (1, False, 16),
}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_comes_in_as_pillow_shows_it(tmp_path: Path, mode: str, suffix: str) -> None:
    source = Image.fromarray(ramp(channels=4)).convert("RGB" if mode == "P" else "RGBA")
    if mode == "I;16":
        source = Image.fromarray(ramp()[..., 0].astype(np.uint16) * 250 + 7)
    else:
        source = source.convert(mode)
    path = tmp_path / f"a{suffix}"
    source.save(path)
    found = read(path)
    channels, alpha, depth = MODES[mode]
    assert (found.mode, found.depth) == (mode, depth)
    assert found.color.dtype == np.float32
    assert (found.color.shape[2], found.alpha is not None) == (channels, alpha)
    top = 65535 if depth == 16 else 255
    shown = np.asarray(source.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    shown = shown.reshape(*shown.shape[:2], -1)
    np.testing.assert_array_equal(np.rint(found.color * top), shown[..., :channels])
    if found.alpha is not None:
        np.testing.assert_array_equal(np.rint(found.alpha * 255), shown[..., -1])
    header = probe(path)
    assert (header.mode, header.depth, header.width, header.height) == (mode, depth, 40, 24)


@pytest.mark.user("B1")
def test_a_palette_with_transparency_keeps_it(tmp_path: Path) -> None:
    image = Image.fromarray(ramp(channels=4)).quantize(16)
    image.save(tmp_path / "a.png")
    assert image.mode == "P"
    found = read(tmp_path / "a.png")
    shown = np.asarray(image.convert("RGBA"))
    assert found.mode == "P"
    assert found.alpha is not None
    assert len(np.unique(found.alpha)) > 4
    np.testing.assert_array_equal(np.rint(found.alpha * 255), shown[..., 3])
    np.testing.assert_array_equal(np.rint(found.color * 255), shown[..., :3])


@pytest.mark.user("B1")
def test_one_transparent_palette_entry_is_kept(tmp_path: Path) -> None:
    image = Image.fromarray(ramp()).quantize(8)
    image.save(tmp_path / "a.png", transparency=3)
    found = read(tmp_path / "a.png")
    assert found.alpha is not None
    np.testing.assert_array_equal(found.alpha == 0, np.asarray(image) == 3)


@pytest.mark.user("B1")
def test_one_transparent_colour_becomes_alpha(tmp_path: Path) -> None:
    samples = ramp()
    samples[5:9, 5:9] = (1, 2, 3)
    Image.fromarray(samples).save(tmp_path / "rgb.png", transparency=(1, 2, 3))
    grey = samples[..., 0].copy()
    Image.fromarray(grey).save(tmp_path / "grey.png", transparency=1)
    deep = grey.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png", transparency=257)
    for name in ("rgb", "grey", "deep"):
        alpha = read(tmp_path / f"{name}.png").alpha
        assert alpha is not None
        assert alpha[5:9, 5:9].max() == 0
        assert alpha.sum() == alpha.size - 16


@pytest.mark.user("B1")
@pytest.mark.parametrize("bits", [2, 4])
def test_the_transparent_grey_of_few_bits_is_found(tmp_path: Path, bits: int) -> None:
    levels = np.tile(np.arange(4, dtype=np.uint8), (2, 2))
    packed = np.zeros((2, bits), np.uint8)
    for column in range(8):
        shift = 8 - bits - column * bits % 8
        packed[:, column * bits // 8] |= levels[:, column] << shift
    rows = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
        )

    header = struct.pack(">LLBBBBB", 8, 2, bits, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", b"\0\2")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    found = read(tmp_path / "a.png")
    assert found.alpha is not None
    np.testing.assert_array_equal(found.alpha == 0, levels == 2)


def test_several_pictures_are_counted_and_not_taken_for_one(tmp_path: Path) -> None:
    frames = [Image.fromarray(ramp()), Image.fromarray(255 - ramp())]
    for suffix in (".png", ".webp", ".tif", ".gif", ".avif"):
        frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
        what = "pages" if suffix == ".tif" else "frames"
        said = refusal(tmp_path / f"a{suffix}")
        assert f"it has 2 {what}" in said
        assert "give the file to a restorekit command, such as upscale" in said
        assert probe(tmp_path / f"a{suffix}").frames == 2


def test_a_thumbnail_page_is_no_second_page(tmp_path: Path) -> None:
    small = Image.fromarray(ramp(6, 10))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(ramp()).save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert read(tmp_path / "a.tif").width == 40


def test_samples_without_a_known_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.int32)).save(tmp_path / "a.tif")
    signed, unsigned = (struct.pack("<HHLL", 339, 3, 1, kind) for kind in (2, 1))
    data = (tmp_path / "a.tif").read_bytes().replace(signed, unsigned)
    (tmp_path / "a.tif").write_bytes(data)
    assert "mode I" in refusal(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_signed_samples_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray(np.zeros((4, 4), kind)).save(tmp_path / "a.tif", tiffinfo={339: 2})
    assert "its samples are signed" in refusal(tmp_path / "a.tif")


def test_a_camera_raw_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.dng", "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    assert "camera raw" in refusal(tmp_path / "a.dng")


def test_header_and_picture_agree(tmp_path: Path) -> None:
    Image.fromarray(ramp(30, 50)).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0" + exif_blob(6), xmp=XMP, icc_profile=SRGB
    )
    header, found = probe(tmp_path / "a.jpg"), read(tmp_path / "a.jpg")
    assert (header.width, header.height) == (found.width, found.height) == (30, 50)
    assert (header.mode, header.depth, header.format) == (found.mode, found.depth, found.format)
