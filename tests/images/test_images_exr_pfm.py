"""PFM files: round trips, the other byte order, OpenCV as a second implementation, damage."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from restorekit.errors import ImageError
from restorekit.images import read
from restorekit.images.exr_display import from_display, to_display
from restorekit.images.failures import CutShortError
from restorekit.images.pfm import read_pfm, write_pfm


def light(channels: int) -> np.ndarray:
    rng = np.random.default_rng(channels)
    return (rng.random((7, 5, channels)) ** 4 * 1e5).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read(channels: int) -> None:
    file = io.BytesIO()
    write_pfm(file, light(channels))
    np.testing.assert_array_equal(read_pfm(file), light(channels))


def test_the_other_byte_order_is_read() -> None:
    rows = light(3)[::-1].astype(">f4")
    file = io.BytesIO(b"PF\n5 7\n1.0\n" + rows.tobytes())
    np.testing.assert_array_equal(read_pfm(file), light(3))


def test_another_program_reads_the_same(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.pfm"
    with path.open("wb") as file:
        write_pfm(file, light(3))
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found[..., ::-1], light(3))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PF\n5",
        b"PF\n5 7\n0\n" + bytes(420),
        b"PF\n5 7\n1e999\n" + bytes(420),
        b"PF\n0 7\n-1\n",
        b"P6\n",
    ],
)
def test_a_bad_header_is_told(data: bytes) -> None:
    with pytest.raises(ImageError):
        read_pfm(io.BytesIO(data))


def test_an_early_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pfm").write_bytes(b"PF\n5 7\n-1.0\n" + bytes(100))
    with pytest.raises(CutShortError, match=r"a\.pfm .* ends early \(truncated at 112 bytes\)"):
        read(tmp_path / "a.pfm")


def test_the_display_curve_is_undone() -> None:
    values = np.linspace(0, 1, 4001, dtype=np.float32)
    np.testing.assert_allclose(to_display(from_display(values)), values, atol=2e-6)
    assert round(float(to_display(np.float32([0.18]))[0]) * 255) == 118  # IEC 61966-2-1
    np.testing.assert_allclose(to_display(np.float32([-1.0, 7.0])), [0, 1], atol=1e-6)
