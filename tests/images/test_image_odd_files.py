"""Every mode, format and depth; cut anywhere; changed at random: a picture or one sentence."""

from __future__ import annotations

import itertools
import os
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from odd_files import odd_files, small

from restorekit.errors import ImageError
from restorekit.images import Picture, format_for, frames, probe, read, write, write_frames
from restorekit.images.alpha import over

# By hand: RESTOREKIT_THOROUGH=1 cuts every file at every tenth byte and changes files for ten minutes.
THOROUGH = os.environ.get("RESTOREKIT_THOROUGH") == "1"
EXAMPLES, SECONDS = (2000, 600.0) if THOROUGH else (400, 0.0)
MOST_PIXELS = 1_000_000
FILES = odd_files()
# One of each kind; the rest differ from these in what the decoder is given, not in what reads it.
USUAL = [
    name
    for name in FILES
    if name.startswith(("Pillow's RGB.", "Pillow's P.", "3A 16 bits.", "our moving"))
]


def contents(folder: Path, name: str) -> bytes:
    suffix, make = FILES[name]
    path = folder / f"made{suffix}"
    path.unlink(missing_ok=True)
    make(path)
    return path.read_bytes()


def taken_in(path: Path) -> list[Picture]:
    """All frames of a file; [] where it is refused, properly."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refusal, found = "", []
        try:
            found = list(frames(path, max_pixels=MOST_PIXELS, max_frames=100))
        except ImageError as error:
            refusal = str(error)
    assert not refusal or (str(path) in refusal and "\n" not in refusal)
    for picture in found:
        assert picture.color.dtype == np.float32
        assert 0 <= picture.color.min() <= picture.color.max() <= 1
    return found


@pytest.mark.user("B10")
@pytest.mark.parametrize("name", FILES)
def test_every_file_is_read_or_refused_by_name(tmp_path: Path, name: str) -> None:
    suffix, make = FILES[name]
    path = tmp_path / f"a{suffix}"
    make(path)
    found = taken_in(path)
    if name in ("Pillow's I.tif", "Pillow's LAB.tif", "Pillow's CMYK.jp2"):
        assert not found
        return
    header = probe(path)
    assert len(found) == header.frames == (3 if "moving" in name else 1)
    first = found[0]
    assert (header.mode, header.depth) == (first.mode, first.depth)
    assert (header.width, header.height) == (first.width, first.height) == (17, 11)
    # And once more through a file of its own format: mode and depth as before, or a reason.
    again = tmp_path / f"again{suffix}"
    notes = write_frames(found, again)
    after = list(frames(again))
    assert len(after) == len(found)
    if first.mode in ("1", "P", "PA", "CMYK", "YCbCr", "RGBX") or suffix == ".gif":
        assert after[0].depth == first.depth  # colours instead of a palette, inks or fewer levels
    elif not notes:
        assert (after[0].mode, after[0].depth) == (first.mode, first.depth)
    if suffix != ".gif" or (first.alpha is not None and first.alpha.min() < 1):
        assert (after[0].alpha is None) == (first.alpha is None)
    if format_for(suffix).lossless and not first.metadata.lossy and not notes:
        for one, other in zip(after, found, strict=True):
            np.testing.assert_allclose(_shown(one), _shown(other), atol=1e-6)


def _shown(picture: Picture) -> np.ndarray:
    return picture.color if picture.alpha is None else over(picture.color, picture.alpha, 0)


@pytest.mark.user("C3")
@pytest.mark.parametrize("name", FILES if THOROUGH else USUAL)
def test_a_file_cut_at_every_tenth_byte_is_no_traceback(tmp_path: Path, name: str) -> None:
    data, path, suffix = contents(tmp_path, name), tmp_path / "cut", FILES[name][0]
    whole = [picture.color for picture in taken_in(tmp_path / f"made{suffix}")]
    for length in range(0, len(data), 10):
        path.write_bytes(data[:length])
        found = [picture.color for picture in taken_in(path)]
        # All pixels are there: what is cut is an end mark, which is told of, a JPEG 2000's last boxes,
        # of which nothing says how many there were, or zeros that fill up a TIFF's last page.
        boxes = suffix == ".jp2" and data[length + 4 : length + 8] == b"uuid"
        filling = suffix == ".tif" and not data[length:].strip(b"\0")
        assert not found or length == len(data) - 1 or boxes or filling
        assert not found or len(found) == len(whole)
        assert all(map(np.array_equal, found, whole))


@pytest.mark.user("C3")
@pytest.mark.parametrize("name", sorted(set(FILES) - set(USUAL)))
def test_any_file_cut_somewhere_is_no_traceback(tmp_path: Path, name: str) -> None:
    data, path = contents(tmp_path, name), tmp_path / "cut"
    for ninth in range(1, 9, 3):
        path.write_bytes(data[: len(data) * ninth // 9])
        assert not taken_in(path)


@cache
def seeds() -> tuple[bytes, ...]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        return tuple(contents(Path(folder), name) for name in USUAL)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file with a few bytes, or numbers of up to eight, replaced, put in or taken out."""
    data = bytearray(draw(st.sampled_from(seeds())))
    for _ in range(draw(st.integers(1, 5))):
        # The first bytes say what the rest is: they are changed as often as all others.
        reach = draw(st.sampled_from([64, 600, len(data)]))
        place = draw(st.integers(0, max(min(reach, len(data)) - 1, 0)))
        size = draw(st.sampled_from([1, 2, 4, 8]))
        number = draw(
            st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
            | st.integers(0, 2 ** (8 * size) - 1)
        )
        order = draw(st.sampled_from(["little", "big"]))
        new = (number % 2 ** (8 * size)).to_bytes(size, order)
        old = draw(st.sampled_from([size, size, 0]))
        data[place : place + old] = new if draw(st.integers(0, 9)) else b""
    return bytes(data)


@pytest.fixture(scope="module")
def bounded() -> Iterator[None]:
    """The most memory this process ever had grows by less than 300 MB, for a million pixels."""
    scale = 1 if sys.platform == "darwin" else 1024
    seeds()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale - before < 300_000_000


@pytest.mark.user("C3")
@pytest.mark.slow
@pytest.mark.usefixtures("bounded")
def test_no_change_breaks_the_readers(tmp_path: Path) -> None:
    """In rounds, each of its own seed: hypothesis remembers every example until its round is over."""

    def survives(data: bytes) -> None:
        (tmp_path / "changed").write_bytes(data)
        taken_in(tmp_path / "changed")

    how = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    began = time.monotonic()
    for number in itertools.count():
        seed(number)(how(given(data=damaged())(survives)))()
        if time.monotonic() >= began + SECONDS:
            break


@pytest.mark.usefixtures("bounded")
def test_a_header_that_promises_too_much_costs_no_memory(tmp_path: Path) -> None:
    """Bombs: small files of huge pictures, of each format, by the size in their header."""
    import struct
    import zlib

    def png(width: int, height: int) -> bytes:
        body = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
        chunk = struct.pack(">L", 13) + body + struct.pack(">L", zlib.crc32(body))
        return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">L", 0) + b"IEND" + b"\xae\x42\x60\x82"

    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    large = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\1\0\0;"
    webp = b"VP8X" + struct.pack("<L", 10) + bytes(4) + b"\xff\x3f\0\xff\x3f\0"
    bombs = {
        "png": png(60_000, 60_000),
        "gif": gif + large,
        "junk.gif": gif + b"!\xf9\4\x08\0\0\0\0\7\7" + large,  # to be cleared to the background
        "webp": b"RIFF" + struct.pack("<L", 4 + len(webp)) + b"WEBP" + webp,
        "bmp": b"BM"
        + struct.pack("<LLLLllHHLLLLLL", 54, 0, 54, 40, 60_000, 60_000, 1, 24, *[0] * 6),
    }
    for name, data in bombs.items():
        path = tmp_path / f"bomb.{name}"
        path.write_bytes(data)
        with pytest.raises(ImageError, match=r"pixels and the limit is 1,000,000"):
            read(path, max_pixels=MOST_PIXELS)


def test_damaged_strips_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff would say on standard error what it thinks of each strip."""
    rng = np.random.default_rng(4)
    for coding in ("lzw", "packbits"):
        data = bytearray(contents(tmp_path, f"3 16 bits {coding} None .tif"))
        for _ in range(20):
            data[rng.integers(16, 400)] = rng.integers(0, 256)
        (tmp_path / "damaged").write_bytes(data)
        taken_in(tmp_path / "damaged")
    assert capfd.readouterr() == ("", "")


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    layers = np.zeros((8, 9, 40), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", layers, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match="not a picture restorekit can read"):
        read(tmp_path / "a.tif")


def test_pages_that_point_in_a_circle_end(tmp_path: Path) -> None:
    write_frames([small(1, alpha=False, depth=8, seed=n) for n in range(3)], tmp_path / "a.tif")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    link = first + 2 + 12 * count
    data[link : link + 4] = first.to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(data)
    assert probe(tmp_path / "a.tif").frames == 1


def test_writing_never_changes_what_it_is_given(tmp_path: Path) -> None:
    for suffix in (".tif", ".gif", ".png"):
        given_picture = small(3, alpha=True, depth=8)
        color, alpha = given_picture.color.copy(), given_picture.alpha
        assert alpha is not None
        kept = alpha.copy()
        write(given_picture, tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(given_picture.color, color)
        np.testing.assert_array_equal(given_picture.alpha, kept)
