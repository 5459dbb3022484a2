"""IPTC, texts, comments, words on colour and content credentials: kept, or told of."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_samples import SRGB, XMP, exif_blob, picture, ramp
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from restorekit.images import Metadata, format_for, read, write
from restorekit.images.orientation import sized_xmp, upright_xmp

RECORD = b"\x1c\x02\x00\x00\x02\x00\x04\x1c\x02\x19\x00\x07harbour\x1c\x02\x74\x00\x09A. Person"
ALL = (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".avif", ".jp2", ".heic")
FULL = Metadata(
    icc=SRGB,
    exif=exif_blob(1),
    xmp=upright_xmp(XMP),
    iptc=RECORD,
    dpi=(300.0, 200.0),
    text={"Comment": "from the harbour, ü"},
)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def with_chunks(path: Path, *chunks: bytes) -> None:
    """A PNG with further chunks behind its header."""
    Image.fromarray(ramp()).save(path, "PNG")
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(chunks) + data[33:])


@pytest.mark.user("B5")
@pytest.mark.parametrize("after", ALL)
@pytest.mark.parametrize("before", ALL)
def test_each_companion_survives_each_pair_or_is_named(
    tmp_path: Path, before: str, after: str
) -> None:
    if ".heic" in (before, after):
        pytest.importorskip("pillow_heif")
    write(picture(metadata=FULL), tmp_path / f"in{before}")
    source = read(tmp_path / f"in{before}")
    held, kept = format_for(before).holds, format_for(after).holds
    notes = " ".join(write(source, tmp_path / f"out{after}"))
    found = read(tmp_path / f"out{after}").metadata
    words = {"icc": "profile", "exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "dpi": "resolution"}
    for name, word in words.items():
        value = getattr(source.metadata, name)
        assert (value is not None) == (name in held)
        if name in held and name in kept:
            assert word not in notes
            if name in ("icc", "iptc"):
                assert getattr(found, name) == getattr(FULL, name)
            elif name == "dpi":
                assert found.dpi == pytest.approx((300, 200), abs=0.02)
            elif name == "exif":
                assert b"A. Person" in (found.exif or b"")
            else:
                assert b"harbour" in (found.xmp or b"")
        elif name in held:
            assert word in notes
    if "comment" in held and "comment" in kept:
        assert found.text["Comment"] == "from the harbour, ü"
    elif "comment" in held:
        assert "text (Comment)" in notes


@pytest.mark.user("B5")
def test_the_iptc_of_other_programs_is_found(tmp_path: Path) -> None:
    block = b"8BIM\x04\x25\0\0" + struct.pack(">L", 2) + b"xx"
    block += b"8BIM\x04\x04\0\0" + struct.pack(">L", len(RECORD)) + RECORD + bytes(len(RECORD) % 2)
    data = b"Photoshop 3.0\0" + block
    segment = b"\xff\xed" + struct.pack(">H", len(data) + 2) + data
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", extra=segment)
    assert read(tmp_path / "a.jpg").metadata.iptc == RECORD
    Image.fromarray(ramp()).save(tmp_path / "a.tif", tiffinfo={34377: block})
    assert read(tmp_path / "a.tif").metadata.iptc == RECORD
    for stored in (RECORD, block):
        text = PngInfo()
        text.add_text(
            "Raw profile type iptc", f"\niptc\n{len(stored):8}\n{stored.hex()}\n", zip=True
        )
        Image.fromarray(ramp()).save(tmp_path / "a.png", pnginfo=text)
        assert read(tmp_path / "a.png").metadata.iptc == RECORD
        assert read(tmp_path / "a.png").metadata.text == {}


@pytest.mark.user("B5")
def test_pillow_finds_our_iptc(tmp_path: Path) -> None:
    from PIL import IptcImagePlugin

    for suffix in (".jpg", ".tif"):
        write(picture(metadata=FULL), tmp_path / f"a{suffix}")
        with Image.open(tmp_path / f"a{suffix}") as image:
            info = IptcImagePlugin.getiptcinfo(image)  # pyright: ignore[reportArgumentType]
        assert info is not None
        assert info[(2, 25)] == b"harbour"


@pytest.mark.user("B5")
def test_texts_of_every_kind_and_place_are_kept(tmp_path: Path) -> None:
    long = "many words " * 4000
    info = PngInfo()
    info.add_text("plain", "Ann Ó Brien")
    info.add_text("packed", long, zip=True)
    info.add_itxt("wide", "種")
    info.add_itxt("wide and packed", "種" * 3000, zip=True)
    Image.fromarray(ramp()).save(tmp_path / "a.png", pnginfo=info)
    data = (tmp_path / "a.png").read_bytes()
    late = chunk(b"tEXt", b"late\0behind the pixels")
    (tmp_path / "a.png").write_bytes(data[:-12] + late + data[-12:])
    expected = {
        "plain": "Ann Ó Brien",
        "packed": long,
        "wide": "種",
        "wide and packed": "種" * 3000,
        "late": "behind the pixels",
    }
    source = read(tmp_path / "a.png")
    assert source.metadata.text == expected
    write(source, tmp_path / "b.png")
    assert read(tmp_path / "b.png").metadata.text == expected


def test_a_text_that_is_a_bomb_is_left_out(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(80 << 20), 9)
    with_chunks(tmp_path / "a.png", chunk(b"zTXt", b"bomb\0\0" + packed))
    try:
        assert read(tmp_path / "a.png").metadata.text == {}
    except Exception as error:
        assert "unpacks to more than 64 MiB" in str(error)  # noqa: PT017 (Pillow may refuse it)


@pytest.mark.user("B2")
def test_a_png_keeps_its_words_on_colour(tmp_path: Path) -> None:
    words = {
        "gAMA": struct.pack(">L", 100_000),
        "cHRM": struct.pack(">8L", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000),
        "cICP": bytes((12, 13, 0, 1)),
    }
    with_chunks(tmp_path / "a.png", *(chunk(k.encode(), v) for k, v in words.items()))
    source = read(tmp_path / "a.png")
    assert source.metadata.colour == words
    assert write(source, tmp_path / "b.png") == ()
    assert read(tmp_path / "b.png").metadata.colour == words
    assert write(source, tmp_path / "b.jpg") == ("JPEG cannot hold its words on colour: left out",)
    with_chunks(tmp_path / "c.png", chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">L", 45455)))
    assert write(read(tmp_path / "c.png"), tmp_path / "c.jpg") == ()


def jumbf(manifest: bytes = b"c2pa") -> bytes:
    return (
        struct.pack(">L4s", 40, b"jumb") + struct.pack(">L4s", 24, b"jumd") + manifest + bytes(20)
    )


def credentials_jpeg(path: Path) -> None:
    data = b"JP\0\1\0\0\0\1" + jumbf()
    segment = b"\xff\xeb" + struct.pack(">H", len(data) + 2) + data
    Image.fromarray(ramp()).save(path, "JPEG", extra=segment)


def credentials_png(path: Path) -> None:
    with_chunks(path, chunk(b"caBX", jumbf()))


def credentials_webp(path: Path) -> None:
    Image.fromarray(ramp()).save(path, "WEBP", exif=exif_blob(1))
    data = path.read_bytes() + b"C2PA" + struct.pack("<L", len(jumbf())) + jumbf()
    path.write_bytes(data[:4] + struct.pack("<L", len(data) - 8) + data[8:])


def credentials_tiff(path: Path) -> None:
    Image.fromarray(ramp()).save(path, "TIFF", tiffinfo={52545: jumbf()})


def credentials_gif(path: Path) -> None:
    Image.fromarray(ramp()).save(path, "GIF")
    block = b"!\xff\x0bC2PA_GIF\1\0\0" + bytes([len(jumbf())]) + jumbf() + b"\0"
    path.write_bytes(path.read_bytes()[:-1] + block + b";")


def credentials_avif(path: Path) -> None:
    Image.fromarray(ramp()).save(path, "AVIF")
    identity = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
    box = struct.pack(">L4s", 8 + 16 + len(jumbf()), b"uuid") + identity + jumbf()
    path.write_bytes(path.read_bytes() + box)


def credentials_jp2(path: Path) -> None:
    Image.fromarray(ramp()).save(path, "JPEG2000")
    path.write_bytes(path.read_bytes() + jumbf())


@pytest.mark.user("L5")
@pytest.mark.parametrize(
    "make",
    [
        credentials_jpeg,
        credentials_png,
        credentials_webp,
        credentials_tiff,
        credentials_gif,
        credentials_avif,
        credentials_jp2,
    ],
)
def test_content_credentials_are_noticed(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a")
    notes = read(tmp_path / "a").notes
    assert len(notes) == 1
    assert "C2PA manifest (content credentials), which does not describe the result" in notes[0]
    Image.fromarray(ramp()).save(tmp_path / "plain.png")
    assert read(tmp_path / "plain.png").notes == ()


def test_the_xmp_of_a_gif_is_found(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.gif")
    data = (tmp_path / "a.gif").read_bytes()
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    block = b"!\xff\x0bXMP DataXMP" + upright_xmp(XMP) + trailer  # pyright: ignore[reportOperatorIssue]
    (tmp_path / "a.gif").write_bytes(data[:-1] + block + b";")
    assert read(tmp_path / "a.gif").metadata.xmp == upright_xmp(XMP)


@pytest.mark.user("B11")
def test_pixel_dimensions_in_xmp_follow(tmp_path: Path) -> None:
    xmp = (
        b'<rdf:Description tiff:ImageWidth="40" tiff:ImageLength="24">'
        b"<exif:PixelXDimension>40</exif:PixelXDimension></rdf:Description>"
    )
    assert sized_xmp(xmp, 160, 96) == (
        b'<rdf:Description tiff:ImageWidth="160" tiff:ImageLength="96">'
        b"<exif:PixelXDimension>160</exif:PixelXDimension></rdf:Description>"
    )


def test_the_second_part_of_an_xmp_is_missed(tmp_path: Path) -> None:
    data = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">LL", 4, 0) + b"depth"
    segment = b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", extra=segment)
    assert read(tmp_path / "a.jpg").notes == (
        "the second part of its XMP (a depth map or the like) was left out",
    )


@pytest.mark.user("B2")
def test_a_jp2_shows_its_colours_with_its_profile(tmp_path: Path) -> None:
    """Another reader honours the profile that we put into the header."""
    write(picture(metadata=Metadata(icc=SRGB)), tmp_path / "a.jp2")
    data = (tmp_path / "a.jp2").read_bytes()
    place = data.index(b"colr")
    assert data[place + 4] == 2
    with Image.open(tmp_path / "a.jp2") as image:
        np.testing.assert_array_equal(np.asarray(image), ramp())
