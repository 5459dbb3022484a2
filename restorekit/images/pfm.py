"""PFM, the portable float map: floats without a limit, grey or RGB, rows from the bottom up.

Format: https://www.pauldebevec.com/Research/HDR/PFM/
"""

from __future__ import annotations

import math
import re
from typing import BinaryIO

import numpy as np

from restorekit.errors import ImageError
from restorekit.images.picture import Planes

SIGNATURES = (b"PF\n", b"Pf\n", b"PF ", b"Pf ")
_HEADER = re.compile(rb"(PF|Pf)\s+(\d{1,9})\s+(\d{1,9})\s+([-+0-9.eE]{1,40})[ \t\r]?\n?")


def size_of(head: bytes) -> tuple[int, int, int, int, str]:
    """(height, width, channels, where the pixels begin, their type) of a file's first 128 bytes.

    Raises ImageError where they are no header of this format.
    """
    found = _HEADER.match(head)
    scale = _number(found[4]) if found else 0.0
    if not found or not scale or not int(found[2]) * int(found[3]):
        raise ImageError("its header is not that of a PFM file; save it again")
    kind = "<f4" if scale < 0 else ">f4"
    return int(found[3]), int(found[2]), 3 if found[1] == b"PF" else 1, found.end(), kind


def _number(text: bytes) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def read_pfm(file: BinaryIO) -> Planes:
    """(H, W, 1 or 3) float32, as stored: the header's scale, a matter of units, is not applied.

    Raises ImageError for another format, EOFError for a file that ends early.
    """
    file.seek(0)
    height, width, channels, start, kind = size_of(file.read(128))
    file.seek(start)
    expected = height * width * channels * 4
    data = file.read(expected)
    if len(data) < expected:
        raise EOFError
    rows = np.frombuffer(data, kind).reshape(height, width, channels)
    return rows[::-1].astype(np.float32)


def write_pfm(file: BinaryIO, light: Planes) -> None:
    """Write (H, W, 1 or 3) floats, little-endian."""
    height, width, channels = light.shape
    file.write(b"%s\n%d %d\n-1.0\n" % (b"PF" if channels == 3 else b"Pf", width, height))
    file.write(np.ascontiguousarray(light[::-1], "<f4").tobytes())
