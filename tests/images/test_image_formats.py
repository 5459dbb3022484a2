from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from restorekit.errors import ImageError, UsageError
from restorekit.images import check_size, format_for, formats, is_image_suffix


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (".png", "PNG"),
        ("jpg", "JPEG"),
        (".JFIF", "JPEG"),
        ("JPEG", "JPEG"),
        ("webp", "WEBP"),
        ("TIF", "TIFF"),
        (".dib", "BMP"),
        (".gif", "GIF"),
        ("jp2", "JPEG2000"),
        (".HEIC", "HEIC"),
    ],
)
def test_a_format_is_found_by_suffix_and_by_name(given: str, name: str) -> None:
    assert format_for(given).name == name


@pytest.mark.parametrize("given", [".hdr", "", "exe", "."])
def test_an_unknown_format_lists_the_known_ones(given: str) -> None:
    with pytest.raises(UsageError, match=r"use PNG, JPEG, .* or PFM"):
        format_for(given)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a.PNG", True), ("a.jpeg", True), ("b.txt", False), ("Thumbs.db", False), ("png", False)],
)
def test_suffixes_of_pictures_are_known(name: str, answer: bool) -> None:
    assert is_image_suffix(Path(name)) is answer


def test_sides_are_limited_by_the_format() -> None:
    check_size("WEBP", 16_383, 16_383)
    check_size("PNG", 200_000, 1)
    assert formats.limits("WEBP") == 16_383
    with pytest.raises(ImageError, match=r"at most 16,383 pixels a side.*16,384 x 20"):
        check_size("webp", 16_384, 20)
    with pytest.raises(ImageError, match="65,500"):
        check_size(".jpg", 10, 65_501)
    with pytest.raises(ImageError, match="at least 1"):
        check_size("PNG", 0, 5)


def test_suffixes_and_names_are_each_of_one_format_only() -> None:
    words = [word for f in formats.FORMATS for word in (f.name.lower(), *f.suffixes)]
    assert len(words) == len(set(words))


def test_signatures_are_told_apart() -> None:
    assert formats.sniff(b"\x89PNG\r\n\x1a\n" + bytes(8)) is format_for("PNG")
    assert formats.sniff(b"RIFF\1\2\3\4WEBPVP8L") is format_for("WEBP")
    assert formats.sniff(b"RIFF\1\2\3\4WAVEfmt ") is None
    assert formats.sniff(b"\0\0\0\x20ftypavif") is format_for("AVIF")
    assert formats.sniff(b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif") is format_for("AVIF")
    assert formats.sniff(b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic") is format_for("HEIC")
    assert formats.foreign(b"8BPS") == "a Photoshop document"
    assert formats.foreign(b"hello, world....") == ""


def test_the_table_needs_neither_pillow_nor_numpy() -> None:
    code = (
        "import sys, restorekit.images.formats\n"
        "print(sorted({'PIL', 'numpy', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


def test_reading_and_writing_need_no_torch() -> None:
    code = (
        "import sys, restorekit.images as images\n"
        "[getattr(images, name) for name in images.__all__]\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "False"


def test_the_page_on_formats_says_what_the_table_says() -> None:
    words = {
        "icc": "ICC",
        "exif": "EXIF",
        "xmp": "XMP",
        "iptc": "IPTC",
        "dpi": "resolution",
        "text": "texts",
        "comment": "comment",
        "colour": "colour chunks",
        "exr": "layers and attributes",
    }
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    for f in formats.FORMATS:
        depths = ["8"] * (not f.light) + ["16"] * f.deep + ["32 float"] * f.floating
        held = [w for key, w in words.items() if key in f.holds]
        if "text" in f.holds:
            held.remove("comment")  # one of its texts
        cells = [
            f.name,
            " ".join(f.suffixes),
            ", ".join(depths),
            "yes" if f.alpha else "no",
            "frames" if f.moving else "pages" if f.pages else "no",
            "yes" if f.lossless else "no",
            ", ".join(held),
        ]
        assert f"| {' | '.join(cells)} |" in page
