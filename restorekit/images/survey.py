"""What a file's own structure says, before any decoder sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST_BLOCK = 1 << 26
"""Bytes of a profile, of EXIF, of a packet or of a text that are read, packed or not."""


@dataclass(frozen=True)
class Survey:
    """What was found; a field says nothing where its format does not state it.

    `size` is width and height in pixels, `missing` how many bytes short the file is (-1 when that
    is not known), `bits` those of a sample, `lossy` how the pixels are
    coded, `manifest` whether there is a C2PA manifest, `cut` whether there is no end mark.
    """

    size: tuple[int, int] = (0, 0)
    missing: int = 0
    bits: int = 0
    lossy: bool = False
    manifest: bool = False
    cut: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    colour: Mapping[str, bytes] = field(default_factory=dict)
