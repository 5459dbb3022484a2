from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_samples import SUFFIXES, cmyk_profile, deep_picture, picture, ramp
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from restorekit.images import Picture, format_for, probe, read, write
from restorekit.images.alpha import over

KINDS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "LA;16", "RGB;16", "RGBA;16")


def source_file(folder: Path, kind: str) -> Path:
    """A file of this mode, made by Pillow where Pillow can."""
    path = folder / "source.png"
    image = Image.fromarray(ramp(channels=4))
    if kind == "I;16":
        Image.fromarray(ramp()[..., 0].astype(np.uint16) * 257).save(path)
    elif kind.endswith(";16"):
        write(deep_picture(1 if kind[0] == "L" else 3, alpha="A" in kind), path)
    elif kind == "CMYK":
        path = folder / "source.tif"
        image.convert("RGB").convert("CMYK").save(path, icc_profile=cmyk_profile())
    elif kind in ("P", "PA"):
        (image if kind == "PA" else image.convert("RGB")).quantize(32).save(path)
    else:
        image.convert(kind).save(path)
    return path


@pytest.mark.user("B10")
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_goes_into_every_format(tmp_path: Path, kind: str, suffix: str) -> None:
    source = read(source_file(tmp_path, kind))
    target = format_for(suffix)
    out = tmp_path / f"out{suffix}"
    notes = write(source, out)
    found = read(out)
    assert (found.width, found.height) == (source.width, source.height)

    shown = source.color
    if source.alpha is not None and not target.alpha:
        shown = over(source.color, source.alpha, 1.0)
        assert any("transparency" in note for note in notes)
    assert abs(float(found.color.mean() - shown.mean())) <= 1 / 255
    assert (found.alpha is not None) == (source.alpha is not None and target.alpha)
    if not target.deep and source.depth == 16:
        assert any("8 bits a sample" in note for note in notes)
    else:
        assert found.depth == source.depth
    if target.grey and (suffix, kind) != (".tif", "LA;16"):
        assert found.color.shape[2] == source.color.shape[2]
    if target.lossless:
        top = 65535 if found.depth == 16 else 255
        assert np.abs(found.color - shown).max() <= 0.5001 / top
        if found.alpha is not None and source.alpha is not None:
            assert np.abs(found.alpha - source.alpha).max() <= 0.5001 / top


@pytest.mark.user("B9")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_stay_sixteen(tmp_path: Path, suffix: str, channels: int, alpha: bool) -> None:
    levels = np.arange(4096 * channels, dtype=np.float64).reshape(32, 128, channels)
    color = (levels * 5 / 65535).astype(np.float32)
    source = Picture(color, color[..., 0] if alpha else None, depth=16, mode="RGB;16")
    write(source, tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}")
    assert probe(tmp_path / f"a{suffix}").depth == found.depth == 16
    assert len(np.unique(found.color)) == 4096 * channels > 256
    np.testing.assert_array_equal(found.color[..., :channels], color)
    if alpha:
        np.testing.assert_array_equal(found.alpha, color[..., 0])


@pytest.mark.user("B9")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_other_programs_read_our_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    cv2 = pytest.importorskip("cv2")
    source = deep_picture(3, alpha=True)
    write(source, tmp_path / f"a{suffix}")
    data = np.frombuffer((tmp_path / f"a{suffix}").read_bytes(), np.uint8)
    seen = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert seen.dtype == np.uint16
    expected = np.dstack([source.color, source.alpha])  # pyright: ignore
    np.testing.assert_array_equal(seen[..., [2, 1, 0, 3]], np.rint(expected * 65535.0))


@pytest.mark.user("B9")
@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_we_read_the_sixteen_bits_of_others(tmp_path: Path, suffix: str, compression: int) -> None:
    cv2 = pytest.importorskip("cv2")
    samples = np.random.default_rng(5).integers(0, 65536, (33, 21, 3)).astype(np.uint16)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression] if suffix == ".tif" else []
    (tmp_path / "a").write_bytes(cv2.imencode(suffix, samples[..., ::-1], options)[1].tobytes())
    found = read(tmp_path / "a")
    assert (found.mode, found.depth) == ("RGB;16", 16)
    np.testing.assert_array_equal(np.rint(found.color * 65535.0), samples)


@pytest.mark.user("B9")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "layout", ["strips", "tiles", "premultiplied", "white is zero", "and alpha"]
)
def test_tiff_in_all_its_layouts(tmp_path: Path, order: str, layout: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples = np.random.default_rng(6).integers(0, 65536, (70, 50, 4)).astype(np.uint16)
    path = tmp_path / "a.tif"
    if layout == "white is zero":
        tifffile.imwrite(path, samples[..., 0], photometric="miniswhite", byteorder=order)
        seen = 65535 - np.rint(read(path).color[..., 0] * 65535.0)
        np.testing.assert_array_equal(seen, samples[..., 0])
    elif layout == "and alpha":
        given = {"photometric": "miniswhite", "byteorder": order, "extrasamples": ["unassalpha"]}
        tifffile.imwrite(path, samples[..., :2], planarconfig="contig", **given)
        found = read(path)
        assert found.alpha is not None
        np.testing.assert_array_equal(np.rint(found.alpha * 65535.0), samples[..., 1])
        seen = 65535 - np.rint(found.color[..., 0] * 65535.0)
        np.testing.assert_array_equal(seen, samples[..., 0])
    elif layout == "premultiplied":
        alpha = samples[..., 3:] | 0x8000
        stored = np.concatenate([samples[..., :3] % alpha, alpha], axis=2)
        tifffile.imwrite(
            path, stored, photometric="rgb", byteorder=order, extrasamples=["assocalpha"]
        )
        found = read(path)
        assert found.mode == "RGBA;16"
        np.testing.assert_allclose(
            found.color, stored[..., :3].astype(float) / stored[..., 3:], atol=1e-6
        )
    else:
        tile = (32, 32) if layout == "tiles" else None
        tifffile.imwrite(path, samples[..., :3], photometric="rgb", byteorder=order, tile=tile)
        np.testing.assert_array_equal(np.rint(read(path).color * 65535.0), samples[..., :3])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_tiff_s_fourth_channel_is_transparency_unless_it_says_no(
    tmp_path: Path, dtype: type
) -> None:
    tifffile = pytest.importorskip("tifffile")
    top = 65535 if dtype == np.uint16 else 1
    samples = (np.random.default_rng(7).random((9, 8, 4)) * top).astype(dtype)
    path, word = tmp_path / "a.tif", bytes.fromhex("5201 0300 01000000")  # ExtraSamples
    tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["unspecified"])
    found = read(path)
    assert found.alpha is None
    assert found.notes[0].startswith("its last channel, which the file says is no transparency")
    data = path.read_bytes()
    assert data.count(word) == 1
    path.write_bytes(data.replace(word, bytes.fromhex("e8fd 0300 01000000")))  # a private tag
    found = read(path)
    assert found.alpha is not None
    np.testing.assert_allclose(found.alpha * float(top), samples[..., 3], rtol=1e-6)
    np.testing.assert_allclose(found.color * float(top), samples[..., :3], rtol=1e-6)


def test_interlaced_sixteen_bit_png(tmp_path: Path) -> None:
    """Adam7 by hand: a 1 x 1 picture has one pass, so the interlace flag is all there is."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))
        )

    samples = np.arange(8 * 8 * 3, dtype=np.uint16).reshape(8, 8, 3) * 331 + 5
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = b"".join(
        b"\0" + row.astype(">u2").tobytes()
        for top, left, down, across in passes
        for row in samples[top::down, left::across]
    )
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">LLBBBBB", 8, 8, 16, 2, 0, 0, 1))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    np.testing.assert_array_equal(np.rint(read(tmp_path / "a.png").color * 65535.0), samples)


@pytest.mark.user("B7")
def test_lossless_stays_lossless_by_default(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (40, 40, 3)).astype(np.float32)
    write(Picture(noise / np.float32(255)), tmp_path / "a.png")
    first = read(tmp_path / "a.png")
    write(first, tmp_path / "b.webp")
    second = read(tmp_path / "b.webp")
    assert second.metadata.lossy is False
    write(second, tmp_path / "c.webp")
    np.testing.assert_array_equal(read(tmp_path / "c.webp").color, first.color)


@pytest.mark.user("B7")
def test_lossy_webp_is_told_and_stays_lossy(tmp_path: Path) -> None:
    noise = np.random.default_rng(8).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.webp", quality=80)
    source = read(tmp_path / "a.webp")
    assert source.metadata.lossy
    write(source, tmp_path / "b.webp")
    write(replace(source, metadata=replace(source.metadata, lossy=False)), tmp_path / "c.webp")
    assert read(tmp_path / "b.webp").metadata.lossy
    assert (tmp_path / "b.webp").stat().st_size < (tmp_path / "c.webp").stat().st_size


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5), (700, 900)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_our_own_encoders_at_odd_sizes(tmp_path: Path, suffix: str, shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    samples = np.stack([rows * columns, rows + columns, rows ^ columns], axis=2) % 256
    color = (samples / 255).astype(np.float32)
    write(Picture(color), tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").color, color)


@pytest.mark.parametrize("kind", range(5))
def test_each_png_filter_is_undone_by_pillow(
    tmp_path: Path, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restorekit.images import png

    def only(filtered: np.ndarray) -> np.int64:
        calls.append(filtered)
        return np.int64(len(calls) % 5 != (kind + 1) % 5)

    calls: list[np.ndarray] = []
    monkeypatch.setattr(png, "_cost", only)
    source = picture(3, alpha=True)
    write(source, tmp_path / "a.png")
    assert len(calls) == 5
    np.testing.assert_array_equal(read(tmp_path / "a.png").color, source.color)


def test_a_large_tiff_has_wide_offsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from restorekit.images import tiff

    monkeypatch.setattr(tiff, "_CLASSIC_BYTES", 100)
    source = deep_picture(3, alpha=False)
    write(source, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    np.testing.assert_array_equal(read(tmp_path / "a.tif").color, source.color)


def test_a_predictor_says_nothing_of_what_is_not_predicted(tmp_path: Path) -> None:
    """libtiff looks at the tag where LZW, deflate or zstd are used, and nowhere else."""
    samples = np.full((9, 20), 1000, np.uint16)
    Image.fromarray(samples).save(tmp_path / "a.tif", tiffinfo={317: 2})
    with Image.open(tmp_path / "a.tif") as file:
        assert isinstance(file, TiffImageFile)
        assert (file.tag_v2[259], file.tag_v2[317]) == (1, 2)
    np.testing.assert_array_equal(
        np.rint(read(tmp_path / "a.tif").color[..., 0] * 65535.0), samples
    )
