"""OpenEXR files come back whole, and the usual layers are found by the names renderers give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from restorekit.errors import ImageError, UsageError
from restorekit.images import probe, read
from restorekit.images.exr import HALF_TOP, plain_exr, read_exr, write_exr
from restorekit.images.exr_layers import find, layers, planes, with_planes
from restorekit.images.exr_whole import check_whole

OpenEXR = pytest.importorskip("OpenEXR")
LONG = "ViewLayer.A layer whose name is far longer than the thirty-one letters of old.R"
HEIGHT, WIDTH = 21, 34


def corners(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], np.int32), np.array([left + width - 1, top + height - 1], np.int32)


def channel(seed: int, dtype: Any = np.float32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype == np.uint32:
        return rng.integers(0, 2**32, (HEIGHT, WIDTH), np.uint32)
    return (rng.random((HEIGHT, WIDTH)) ** 4 * 1000).astype(dtype)


def write(path: Path, *parts: tuple[str, dict[str, np.ndarray], dict[str, Any]]) -> Path:
    """A file of parts (name, channels, attributes) made by the package itself."""
    common = {"displayWindow": corners(0, 0, 64, 48), "pixelAspectRatio": 1.0}
    made = [
        OpenEXR.Part({"dataWindow": corners(5, -3, WIDTH, HEIGHT), **common, **header}, own, name)
        for name, own, header in parts
    ]
    OpenEXR.File(made).write(str(path))
    return path


def named(path: Path, *names: str) -> Path:
    """A file with these channels, each of its own values."""
    return write(path, ("", {name: channel(i) for i, name in enumerate(names)}, {}))


def rgb(layer: str, letters: str = "RGB") -> list[str]:
    return [f"{layer}.{letter}" if layer else letter for letter in letters]


@pytest.fixture
def varied(tmp_path: Path) -> Path:
    """Two parts: tiles, half, float and whole numbers, a long name, a data window outside, metadata."""
    colours = {name: channel(i, np.float16) for i, name in enumerate("RGB")}
    others = {"A": channel(4), LONG: channel(5), "id": channel(6, np.uint32)}
    tiled = {
        "type": OpenEXR.tiledimage,
        "tiles": OpenEXR.TileDescription(),
        "compression": OpenEXR.ZIP_COMPRESSION,
        "owner": "somebody",
        "exposure": 1.5,
        "worldToCamera": np.arange(16, dtype=np.float32).reshape(4, 4),
    }
    lines = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.PIZ_COMPRESSION}
    return write(
        tmp_path / "varied.exr",
        ("rgba", colours | others, tiled),
        ("depth", {"Z": channel(7)}, lines),
    )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other) if isinstance(one, np.ndarray) else str(one) == str(other)


@pytest.mark.user("I6")
def test_a_file_comes_back_byte_for_byte(varied: Path, tmp_path: Path) -> None:
    write_exr(read_exr(varied), tmp_path / "again.exr")
    assert (tmp_path / "again.exr").read_bytes() == varied.read_bytes()


@pytest.mark.user("L3")
def test_stripped_of_all_that_its_pixels_do_not_need(varied: Path, tmp_path: Path) -> None:
    write_exr(read_exr(varied).stripped(), tmp_path / "bare.exr")
    old, new = (
        OpenEXR.File(str(p), separate_channels=True).parts for p in (varied, tmp_path / "bare.exr")
    )
    told = {"owner", "exposure", "worldToCamera"}
    for before, after in zip(old, new, strict=True):
        assert before.header.keys() - after.header.keys() == told & before.header.keys()
        assert all(same(value, before.header[name]) for name, value in after.header.items())
        for name, had in before.channels.items():
            np.testing.assert_array_equal(after.channels[name].pixels, had.pixels)


@pytest.mark.user("I6")
def test_replacing_a_layer_changes_nothing_else(varied: Path, tmp_path: Path) -> None:
    file = read_exr(varied)
    layer = find(file, "image")
    assert layer is not None
    light = planes(file, layer) * 0.5
    write_exr(with_planes(file, layer, light), tmp_path / "new.exr")
    old, new = (
        OpenEXR.File(str(p), separate_channels=True).parts for p in (varied, tmp_path / "new.exr")
    )
    assert len(old) == len(new) == 2
    for before, after in zip(old, new, strict=True):
        assert before.header.keys() == after.header.keys()
        for name, value in before.header.items():
            assert name == "channels" or same(value, after.header[name]), name
        assert list(before.channels) == list(after.channels)
        for name, had in before.channels.items():
            has = after.channels[name].pixels
            assert has.dtype == had.pixels.dtype
            if name in layer.channels and before.name() == "rgba":
                want = light[..., layer.channels.index(name)].astype(np.float16)
                np.testing.assert_array_equal(has, want)
            else:
                np.testing.assert_array_equal(has, had.pixels)


def test_half_precision_never_becomes_infinite(varied: Path) -> None:
    file = read_exr(varied)
    layer = find(file, "image")
    assert layer is not None
    brighter = with_planes(file, layer, np.full((HEIGHT, WIDTH, 3), 1e9, np.float32))
    assert (planes(brighter, layer) == HALF_TOP).all()


def test_a_file_of_ones_own_is_read_by_the_package(tmp_path: Path) -> None:
    light = np.stack([channel(i) for i in range(3)], 2)
    write_exr(plain_exr(light), tmp_path / "plain.exr")
    found = OpenEXR.File(str(tmp_path / "plain.exr")).channels()["RGB"].pixels
    np.testing.assert_array_equal(found, light)


NAMINGS = {
    "cycles": ("ViewLayer.Combined", "ViewLayer.Denoising Albedo", "ViewLayer.Denoising Normal"),
    "cycles plain": ("View.Combined", "View.DiffCol", "View.Normal"),
    "arnold": ("", "albedo", "N"),
    "arnold denoiser": ("RGBA", "denoise_albedo_noisy", "denoise_normal_noisy"),
    "mitsuba": ("", "albedo", "sh_normal"),
    "renderman": ("Ci", "albedo", "normal"),
}


@pytest.mark.parametrize("renderer", NAMINGS)
@pytest.mark.user("I6")
def test_layers_are_found_by_the_names_of(renderer: str, tmp_path: Path) -> None:
    image, albedo, normal = NAMINGS[renderer]
    letters = "XYZ" if renderer != "mitsuba" else "RGB"
    names = [*rgb(image), *rgb(albedo), *rgb(normal, letters), "Z", "ViewLayer.Mist.Z"]
    file = read_exr(named(tmp_path / "a.exr", *names))
    for role, name, wanted in (
        ("image", image, "RGB"),
        ("albedo", albedo, "RGB"),
        ("normal", normal, letters),
    ):
        layer = find(file, role)
        assert layer is not None
        assert layer.channels == tuple(rgb(name, wanted))
        for plane, channel_name in zip(
            np.moveaxis(planes(file, layer), 2, 0), rgb(name, wanted), strict=True
        ):
            np.testing.assert_array_equal(plane, channel(names.index(channel_name)))


def test_parts_are_layers_by_their_names(tmp_path: Path) -> None:
    parts = [
        (name, {c: channel(i) for i, c in enumerate("RGB")}, {}) for name in ("beauty", "albedo")
    ]
    file = read_exr(write(tmp_path / "a.exr", *parts))
    assert [layer.name for layer in layers(file)] == ["beauty", "albedo"]
    assert find(file, "albedo") == layers(file)[1]
    assert find(file, "normal") is None


def test_a_layer_can_be_named(tmp_path: Path) -> None:
    file = read_exr(named(tmp_path / "a.exr", *rgb("ViewLayer.Combined"), *rgb("ViewLayer.Other")))
    layer = find(file, "image", "Other")
    assert layer is not None
    assert layer.name == "ViewLayer.Other"
    with pytest.raises(UsageError, match=r"no layer 'Third'; the file has .*Combined.*Other"):
        find(file, "image", "Third")


@pytest.mark.parametrize("keep", [0, 3, 40, 900])
def test_a_damaged_file_is_one_sentence(keep: int, varied: Path) -> None:
    varied.write_bytes(varied.read_bytes()[:keep])
    with pytest.raises(ImageError) as told:
        read_exr(varied)
    assert "\n" not in str(told.value)
    assert str(varied) in str(told.value)


@pytest.mark.parametrize("short", [1, 100, 3000, 9000])
def test_a_file_that_ends_early_is_told_without_a_word_of_the_package(
    short: int, varied: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of two parts; the package prints what it finds and leaves out a part, or all of them."""
    varied.write_bytes(varied.read_bytes()[:-short])
    with pytest.raises(ImageError, match="the file ends early"):
        read_exr(varied)
    assert capfd.readouterr() == ("", "")


def test_a_stopped_writer_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It leaves its table of chunks empty."""
    path = named(tmp_path / "a.exr", *rgb(""))
    data = path.read_bytes()
    with path.open("rb") as file:
        assert len(check_whole(file)) == 1
    start = data.index(int.to_bytes(data.index(b"\xfd\xff\xff\xff", 330), 8, "little"))
    path.write_bytes(data[:start] + bytes(16) + data[start + 16 :])
    with pytest.raises(ImageError, match="the file ends early"):
        read_exr(path)
    assert capfd.readouterr() == ("", "")


def test_a_part_that_cannot_be_decoded_is_not_left_out(tmp_path: Path) -> None:
    path, zipped = tmp_path / "a.exr", {"compression": OpenEXR.ZIP_COMPRESSION}
    depth = ("depth", {"Z": np.round(channel(7) / 100)}, zipped)
    write(path, ("rgb", {c: channel(i) for i, c in enumerate("RGB")}, {}), depth)
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    with pytest.raises(ImageError, match="its data are damaged"):
        read_exr(path)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (300, 40)])
@pytest.mark.parametrize("coding", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "DWAB"])
def test_whole_files_are_whole(
    tmp_path: Path, coding: str, size: tuple[int, int], tiled: bool
) -> None:
    header = {"compression": getattr(OpenEXR, f"{coding}_COMPRESSION")}
    header |= {"type": OpenEXR.tiledimage if tiled else OpenEXR.scanlineimage}
    header |= {"tiles": OpenEXR.TileDescription()} if tiled else {}
    values = np.random.default_rng(0).random(size).astype(np.float16)
    OpenEXR.File(header, dict.fromkeys("RGB", values)).write(str(tmp_path / "a.exr"))
    with (tmp_path / "a.exr").open("rb") as file:
        assert len(check_whole(file)) == 1
    (tmp_path / "b.exr").write_bytes((tmp_path / "a.exr").read_bytes()[:-1])
    with (tmp_path / "b.exr").open("rb") as file, pytest.raises(EOFError):
        check_whole(file)


def test_grey_is_a_layer_where_there_is_no_other(tmp_path: Path) -> None:
    grey = read_exr(named(tmp_path / "a.exr", "Y", "A"))
    layer = find(grey, "image")
    assert layer is not None
    assert layer.channels == ("Y",)
    assert planes(grey, layer).shape == (HEIGHT, WIDTH, 1)
    for names in (("Y", "RY", "BY"), ("Z",)):
        assert layers(read_exr(named(tmp_path / "b.exr", *names))) == []
    mixed = read_exr(named(tmp_path / "c.exr", "Y", *rgb("Odd")))
    assert [layer.name for layer in layers(mixed)] == ["Odd"]


def test_a_file_of_no_picture_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none of its layers is RGB or grey \(Y\)"):
        read(named(tmp_path / "a.exr", "Z"))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no such file"):
        read_exr(tmp_path / "none.exr")


def test_a_folder_that_is_not_there_is_one_sentence(varied: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="was not written"):
        write_exr(read_exr(varied), tmp_path / "none" / "a.exr")


def test_values_of_another_size_are_refused(varied: Path) -> None:
    with pytest.raises(UsageError, match="no channel 'R' of shape"):
        read_exr(varied).replaced(0, {"R": np.zeros((2, 2), np.float32)})


def test_a_file_of_too_many_pixels_is_refused_before_any_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = named(tmp_path / "a.exr", *rgb("ViewLayer.Combined"))
    with path.open("rb") as file:
        ((height, width),) = check_whole(file)
    assert probe(path, max_pixels=height * width).width == width
    monkeypatch.setattr(OpenEXR, "File", None)  # what decodes
    for look in (probe, read):
        with pytest.raises(ImageError, match=f"{width} x {height} = {height * width:,} pixels"):
            look(path, max_pixels=height * width - 1)
