"""Small pictures of every kind, made by hand, and the profiles and EXIF that go with them."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image, ImageCms

from restorekit.images import Picture

SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TAKEN = b"2019:07:21 16:05:09\0"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" '
    b'dc:subject="harbour"/></x:xmpmeta>'
)


def ramp(height: int = 24, width: int = 40, channels: int = 3) -> np.ndarray:
    """(H, W, C) uint8: a smooth picture, different in each channel, with no symmetry."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        columns * 200 / width + 20,
        rows * 180 / height + 30,
        (rows + columns) * 120 / (height + width) + 60,
        255 - columns * 250 / width,
    ]
    return np.stack(planes[:channels], axis=2).astype(np.uint8)


def deep_picture(channels: int, *, alpha: bool, seed: int = 0) -> Picture:
    """A 16-bit Picture of random samples."""
    rng = np.random.default_rng(seed)
    color = rng.integers(0, 65536, (23, 37, channels)) / 65535
    opacity = rng.integers(0, 65536, (23, 37)) / 65535
    return Picture(
        color.astype(np.float32),
        opacity.astype(np.float32) if alpha else None,
        depth=16,
        mode="RGB;16",
    )


def picture(channels: int = 3, *, alpha: bool = False, **others: object) -> Picture:
    """An 8-bit Picture of the ramp."""
    planes = ramp().astype(np.float32) / np.float32(255)
    opacity = ramp(channels=4)[..., 3].astype(np.float32) / np.float32(255)
    return Picture(planes[..., :channels].copy(), opacity if alpha else None, **others)  # pyright: ignore


def exif_blob(orientation: int = 6, order: str = "<") -> bytes:
    """EXIF with orientation, date taken, pixel dimensions, a maker note that holds an offset
    into itself, and a thumbnail at the end; without the "Exif" prefix."""
    note = b"MAKER" + struct.pack(order + "L", 151) + b"\xaa" * 7
    copyright_ = b"A. Person\0"
    main, inner, second = 8, 8 + 2 + 3 * 12 + 4, 0
    data = inner + 2 + 4 * 12 + 4
    taken_at, note_at = data, data + len(TAKEN)
    copyright_at = note_at + len(note)
    second = copyright_at + len(copyright_)
    thumbnail_at = second + 2 + 2 * 12 + 4

    def field(tag: int, kind: int, count: int, value: int) -> bytes:
        if kind == 3:
            return struct.pack(order + "HHLHH", tag, kind, count, value, 0)
        return struct.pack(order + "HHLL", tag, kind, count, value)

    blob = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", main)
    blob += struct.pack(order + "H", 3)
    blob += field(0x0112, 3, 1, orientation)
    blob += field(0x8298, 2, len(copyright_), copyright_at)
    blob += field(0x8769, 4, 1, inner) + struct.pack(order + "L", second)
    blob += struct.pack(order + "H", 4)
    blob += field(0x9003, 2, len(TAKEN), taken_at)
    blob += field(0x927C, 7, len(note), note_at)
    blob += field(0xA002, 3, 1, 4000) + field(0xA003, 4, 1, 3000) + bytes(4)
    blob += TAKEN + note + copyright_
    blob += struct.pack(order + "H", 2)
    blob += field(0x0201, 4, 1, thumbnail_at) + field(0x0202, 4, 1, 24) + bytes(4)
    return blob + b"\xff\xd8THUMBNAIL-THUMBNAIL!\xff\xd9"


def exif_of(path: object) -> Image.Exif:
    """What another program sees: the EXIF of a file through Pillow."""
    with Image.open(path) as image:  # pyright: ignore
        image.load()
        exif = image.getexif()
        exif.get_ifd(0x8769)
        return exif


def _lab8(lightness: float, a: float, b: float) -> bytes:
    return bytes((round(lightness * 2.55), round(a + 128), round(b + 128)))


def cmyk_profile() -> bytes:
    """A v2 CMYK profile of two grid points an ink: paper is white, black is black, cyan is
    Lab (60, -35, -45), and inks mix by multiplying (ICC.1:2001, 6.5.7, lut8Type)."""
    inks = {0: (60, -35, -45), 1: (50, 70, 0), 2: (90, -5, 90), 3: (0, 0, 0)}
    corners = []
    for number in range(16):
        lightness, a, b = 1.0, 0.0, 0.0
        for ink, (ink_l, ink_a, ink_b) in inks.items():
            if number >> (3 - ink) & 1:
                lightness, a, b = lightness * ink_l / 100, a + ink_a, b + ink_b
        dark = 0 if number & 1 else 1
        corners.append(
            _lab8(lightness * 100, np.clip(a * dark, -128, 127), np.clip(b * dark, -128, 127))
        )
    identity = bytes(range(256))
    matrix = struct.pack(">9l", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + identity * 4
    lut += b"".join(corners) + identity * 3
    text = b"inks for a test"
    description = b"desc" + bytes(4) + struct.pack(">L", len(text) + 1) + text + bytes(79)
    white = b"XYZ " + bytes(4) + struct.pack(">3l", 63190, 65536, 54061)
    return _profile(b"CMYK", {b"desc": description, b"A2B0": lut, b"wtpt": white})


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">L", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sLL", name, start + len(body), len(data))
        body += data
    size = start + len(body)
    illuminant = struct.pack(">3l", 63190, 65536, 54061)
    header = struct.pack(">L4sL4s4s4s", size, bytes(4), 0x02400000, b"prtr", space, b"Lab ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + illuminant
    return header.ljust(128, b"\0") + table + body
