from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from image_samples import SRGB, TAKEN, XMP, exif_blob, exif_of, picture, ramp
from PIL import Image

from restorekit.images import Metadata, read, write
from restorekit.images.exif import orientation, sized, upright

ALL = (".png", ".jpg", ".webp", ".tif")


def full_file(path: Path) -> None:
    """A file with everything its format carries, written by Pillow."""
    image = Image.fromarray(ramp())
    options: dict[str, object] = {"icc_profile": SRGB, "xmp": XMP, "dpi": (300, 200)}
    if path.suffix == ".tif":
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + exif_blob(1))
        exif[700] = XMP
        options["exif"] = exif
    else:
        options["exif"] = b"Exif\0\0" + exif_blob(1)
    if path.suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_text("Author", "Ann Ó Brien")
        text.add_text("parameters", "steps: 20, 種: 3")
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
        del options["xmp"]
    image.save(path, **options)  # pyright: ignore


@pytest.mark.user("B2")
@pytest.mark.user("B5")
@pytest.mark.parametrize("after", ALL)
@pytest.mark.parametrize("before", ALL)
def test_profile_exif_and_xmp_survive_each_pair(tmp_path: Path, before: str, after: str) -> None:
    full_file(tmp_path / f"in{before}")
    source = read(tmp_path / f"in{before}")
    assert source.metadata.icc == SRGB
    notes = write(source, tmp_path / f"out{after}")
    found = read(tmp_path / f"out{after}")

    assert found.metadata.icc == SRGB
    assert found.metadata.xmp is not None
    assert b"harbour" in found.metadata.xmp
    exif = exif_of(tmp_path / f"out{after}")
    assert exif.get_ifd(0x8769)[0x9003] == TAKEN[:-1].decode()
    assert exif[0x8298] == "A. Person"
    assert exif.get_ifd(0x8769)[0x927C].startswith(b"MAKER")
    if before == ".webp":
        assert found.metadata.dpi in (None, (72, 72))
    elif after == ".webp":
        assert any("resolution" in note for note in notes)
    else:
        assert found.metadata.dpi == pytest.approx((300, 200), abs=0.02)


@pytest.mark.user("B5")
def test_maker_notes_do_not_move(tmp_path: Path) -> None:
    """The note's inner offset counts from the start of the blob: nothing before it may grow."""
    full_file(tmp_path / "in.jpg")
    before = exif_blob(1)
    write(read(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    after = read(tmp_path / "out.jpg").metadata.exif
    assert after is not None
    assert after.index(b"MAKER") == before.index(b"MAKER")


@pytest.mark.user("B11")
@pytest.mark.parametrize("suffix", ALL)
def test_pixel_dimensions_follow_the_picture(tmp_path: Path, suffix: str) -> None:
    full_file(tmp_path / "in.jpg")
    source = read(tmp_path / "in.jpg")
    large = replace(source, color=source.color.repeat(2, axis=0).repeat(2, axis=1))
    write(large, tmp_path / f"out{suffix}")
    inner = exif_of(tmp_path / f"out{suffix}").get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (80, 48)


@pytest.mark.user("B11")
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_old_thumbnail_is_gone_and_the_rest_is_not(order: str) -> None:
    before = exif_blob(6, order)
    after = upright(before)
    assert after is not None
    assert orientation(before) == 6
    assert orientation(after) == 1
    assert b"THUMBNAIL" in before
    assert b"THUMBNAIL" not in after
    assert TAKEN in after
    assert after.index(b"MAKER") == before.index(b"MAKER")
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + after)
    assert not exif.get_ifd(1)
    assert exif.get_ifd(0x8769)[0x9003] == TAKEN[:-1].decode()


@pytest.mark.parametrize("order", ["<", ">"])
def test_dimensions_beyond_sixteen_bits_fit(order: str) -> None:
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + sized(exif_blob(1, order), 70_000, 12))
    inner = exif.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (70_000, 12)


def test_damaged_exif_is_dropped_with_a_note(tmp_path: Path) -> None:
    for cut in range(len(exif_blob())):
        blob = exif_blob()[:cut]
        assert orientation(blob) in (None, 6)
        assert sized(blob, 3, 4)[:8] == blob[:8]
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    found = read(tmp_path / "a.jpg")
    assert found.metadata.exif is None
    assert found.notes == ("its EXIF is damaged and was left out",)


@pytest.mark.parametrize("stated", [0, 9, 65535])
def test_an_orientation_out_of_range_is_none(stated: int) -> None:
    assert orientation(exif_blob(stated)) is None
    assert orientation(upright(exif_blob(stated))) == 1


@pytest.mark.user("B5")
def test_png_texts_stay_in_png_and_are_missed_elsewhere(tmp_path: Path) -> None:
    full_file(tmp_path / "in.png")
    source = read(tmp_path / "in.png")
    texts = {"Author": "Ann Ó Brien", "parameters": "steps: 20, 種: 3"}
    assert source.metadata.text == texts
    assert write(source, tmp_path / "out.png") == ()
    assert read(tmp_path / "out.png").metadata.text == texts
    notes = write(source, tmp_path / "out.jpg")
    assert notes == ("JPEG cannot hold its text (Author, parameters): left out",)


def test_a_jpeg_comment_stays(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "in.jpg", comment="from the harbour, ü")
    source = read(tmp_path / "in.jpg")
    assert write(source, tmp_path / "out.jpg") == ()
    assert write(source, tmp_path / "out.png") == ()
    for name in ("out.jpg", "out.png"):
        assert read(tmp_path / name).metadata.text == {"Comment": "from the harbour, ü"}


@pytest.mark.user("B5")
def test_bmp_says_what_it_cannot_hold(tmp_path: Path) -> None:
    full_file(tmp_path / "in.png")
    notes = write(read(tmp_path / "in.png"), tmp_path / "out.bmp")
    assert notes == (
        "BMP cannot hold its colour profile, EXIF, XMP, text (Author, parameters): left out",
    )
    assert read(tmp_path / "out.bmp").metadata.dpi == pytest.approx((300, 200), abs=0.02)


@pytest.mark.user("B5")
def test_what_is_too_long_for_jpeg_is_said(tmp_path: Path) -> None:
    long = Metadata(exif=exif_blob(1) + bytes(70_000), xmp=XMP + b" " * 70_000, icc=SRGB * 40)
    notes = write(picture(metadata=long), tmp_path / "a.jpg")
    assert notes == ("JPEG cannot hold its EXIF, XMP: left out",)
    assert read(tmp_path / "a.jpg").metadata.icc == SRGB * 40
    assert write(picture(metadata=long), tmp_path / "a.png") == ()
    fine = Metadata(dpi=(70_000, 70_000), text={"Comment": "x" * 65_534})
    assert len(write(picture(metadata=fine), tmp_path / "c.jpg")) == 1
    assert read(tmp_path / "c.jpg").metadata.text == {}
    fits = Metadata(exif=exif_blob(1).ljust(65_527, b"\1"), xmp=XMP.ljust(65_504))
    assert write(picture(metadata=fits), tmp_path / "b.jpg") == ()


@pytest.mark.user("B2")
def test_a_profile_of_megabytes_goes_through_png(tmp_path: Path) -> None:
    large = SRGB + bytes(3_000_000)
    assert write(picture(metadata=Metadata(icc=large)), tmp_path / "a.png") == ()
    assert read(tmp_path / "a.png").metadata.icc == large


def test_nominal_resolution_is_not_worth_a_note(tmp_path: Path) -> None:
    assert write(picture(metadata=Metadata(dpi=(72, 72))), tmp_path / "a.webp") == ()
    assert write(picture(metadata=Metadata(dpi=(300, 300))), tmp_path / "b.webp") != ()


@pytest.mark.user("B2")
def test_a_profile_for_other_colours_is_not_attached(tmp_path: Path) -> None:
    grey_with_rgb_profile = picture(1, metadata=Metadata(icc=SRGB))
    notes = write(grey_with_rgb_profile, tmp_path / "a.png")
    assert "another kind of colours" in notes[0]
    assert read(tmp_path / "a.png").metadata.icc is None


def test_old_ways_to_keep_exif_in_png_are_read(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    blob = b"Exif\0\0" + exif_blob(3)
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(blob):8}\n{blob.hex()}\n")
    Image.fromarray(ramp()).save(tmp_path / "a.png", pnginfo=text)
    found = read(tmp_path / "a.png")
    assert found.metadata.exif is not None
    assert TAKEN in found.metadata.exif
    assert found.metadata.text == {}
    assert found.color[0, 0, 0] > found.color[-1, -1, 0]
