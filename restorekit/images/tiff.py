"""TIFF for 8 and 16 bits a sample and for floats, in strips or tiles, with one page or many.

Pillow writes no 16-bit colour; its directory class writes tags well, so only pixels are ours. They
come first and the directories last, so that nothing but the page in hand is in memory, and so that
the offsets are as wide as the whole file needs.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from restorekit.images.blocks import in_order, rows_each
from restorekit.images.picture import Metadata, Planes, TiffCoding

LEVEL = 2
# Above this the offsets of classic TIFF (32 bits) no longer reach.
_CLASSIC_BYTES = 2**32 - 2**24
_CLASSIC, _BIG = b"II*\0\x08\0\0\0", b"II+\0" + struct.pack("<HHQ", 8, 0, 16)
_EXIF, _GPS, _INTEROP = 34665, 34853, 40965
# Name, description, make, model, software, date, artist, host, rating, copyright, Windows' own.
_DESCRIPTIVE = (269, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096))
_LONG, _LONG8, _UNDEFINED = 4, 16, 7
_COMPRESSIONS = {"none": 1, "lzw": 5, "packbits": 32773, "deflate": 8}
# Offsets and lengths of strips, and of tiles.
_STRIPS, _TILES = (273, 279), (324, 325)


def write(file: BinaryIO, pages: Iterable[tuple[Planes, Metadata]]) -> None:
    """Write pages of (H, W, C) uint8, uint16 or float32 samples, C = 1 to 4 (grey, grey + alpha,
    RGB, RGBA), coded as their metadata says, by default deflated."""
    file.write(bytes(16))
    written, big = [], False
    for samples, metadata in pages:
        coding = metadata.tiff or TiffCoding()
        offsets, sizes = [], []
        for block in _blocks(samples, coding):
            offsets.append(file.tell())
            sizes.append(len(block))
            file.write(block)
        written.append((_tags(samples, metadata, coding), offsets, sizes, coding.tile is not None))
        big |= coding.big
    big |= file.tell() > _CLASSIC_BYTES
    # Where the offset of the next directory stands: in the header, then behind each directory.
    link = 8 if big else 4
    for tags, offsets, sizes, tiled in written:
        file.write(bytes(-file.tell() % 2))
        place = file.tell()
        data = _directory(tags, offsets, sizes, tiled, big, place)
        file.write(data)
        _set_link(file, link, place, big)
        count = struct.unpack_from("<Q" if big else "<H", data)[0]
        link = place + (8 + 20 * count if big else 2 + 12 * count)
    file.seek(0)
    file.write((_BIG if big else _CLASSIC)[: 8 if big else 4])
    file.seek(0, io.SEEK_END)


def _set_link(file: BinaryIO, link: int, place: int, big: bool) -> None:
    file.seek(link)
    file.write(struct.pack("<Q" if big else "<L", place))
    file.seek(0, io.SEEK_END)


def _directory(
    tags: dict[int, Any],
    offsets: list[int],
    sizes: list[int],
    tiled: bool,
    big: bool,
    place: int,
) -> bytes:
    """The bytes of a directory that will stand at `place`."""
    directory = ImageFileDirectory_v2(_BIG if big else _CLASSIC)
    for tag, value in tags.items():
        if isinstance(value, bytes):
            directory.tagtype[tag] = _UNDEFINED
        directory[tag] = value
    at, lengths = _TILES if tiled else _STRIPS
    directory.tagtype[at] = _LONG8 if big else _LONG
    directory[at] = (0,) * len(offsets)
    directory.tagtype[lengths] = _LONG
    directory[lengths] = tuple(sizes)
    data = bytearray(directory.tobytes(place))
    # Pillow would count the offsets of strips from the directory's end: they are set here.
    entry = sorted(directory).index(at) * (20 if big else 12) + (8 if big else 2)
    start = entry + (12 if big else 8)
    if len(offsets) > 1:
        start = struct.unpack_from("<Q" if big else "<L", data, start)[0] - place
    struct.pack_into(f"<{len(offsets)}{'Q' if big else 'L'}", data, start, *offsets)
    return bytes(data)


def _blocks(samples: Planes, coding: TiffCoding) -> Iterator[bytes]:
    """The strips or tiles of a picture, coded, in order."""
    if coding.tile is None:
        rows = _strip_rows(samples)
        starts = range(0, len(samples), rows)
        return in_order(lambda start: _coded(samples[start : start + rows], coding), starts)
    high, wide = coding.tile
    across = -(-samples.shape[1] // wide)
    numbers = range(across * -(-len(samples) // high))

    def tile(number: int) -> bytes:
        top, left = number // across * high, number % across * wide
        part = samples[top : top + high, left : left + wide]
        missing = ((0, high - part.shape[0]), (0, wide - part.shape[1]), (0, 0))
        return _coded(np.pad(part, missing, mode="edge"), coding)

    return in_order(tile, numbers)


def _strip_rows(samples: Planes) -> int:
    return rows_each(samples[0].nbytes)


def _coded(block: Planes, coding: TiffCoding) -> bytes:
    """One strip or tile: little-endian, as differences where that helps, compressed."""
    little = block.astype(block.dtype.newbyteorder("<"))
    if coding.compression in ("none", "packbits"):
        data = little.tobytes()
    elif block.dtype.kind == "f":
        data = _byte_planes(block)
    else:
        little[:, 1:] -= block[:, :-1]
        data = little.tobytes()
    if coding.compression == "none":
        return data
    if coding.compression == "deflate":
        return zlib.compress(data, LEVEL)
    return _by_libtiff(data, len(block), coding.compression)


def _byte_planes(block: Planes) -> bytes:
    """Rows of floats as differences of bytes, the first bytes of all samples before all the second
    ones (Adobe Photoshop TIFF Technical Note 3)."""
    height, _, channels = block.shape
    big = np.ascontiguousarray(block, block.dtype.newbyteorder(">"))
    split = big.reshape(height, -1).view(np.uint8).reshape(height, -1, block.dtype.itemsize)
    planes = split.transpose(0, 2, 1).reshape(height, -1, channels)
    differences = planes.copy()
    differences[:, 1:] -= planes[:, :-1]
    return differences.tobytes()


def _by_libtiff(data: bytes, rows: int, compression: str) -> bytes:
    """A block's bytes compressed by libtiff, which takes them for the pixels of a grey picture."""
    image = Image.frombytes("L", (len(data) // rows, rows), data)
    file = io.BytesIO()
    name = compression if compression == "packbits" else f"tiff_{compression}"
    image.save(file, "TIFF", compression=name, strip_size=len(data))
    file.seek(0)
    tags: Any = TiffImageFile(file).tag_v2
    start, size = tags[273][0], tags[279][0]
    return file.getvalue()[start : start + size]


def _tags(samples: Planes, metadata: Metadata, coding: TiffCoding) -> dict[int, Any]:
    """The tags that say how the pixels are laid out (TIFF 6.0, sections 3 to 8, 14 and 15), and
    what goes with them."""
    height, width, channels = samples.shape
    colours, floats = 3 if channels > 2 else 1, samples.dtype.kind == "f"
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * samples.dtype.itemsize,) * channels,
        259: _COMPRESSIONS[coding.compression],
        262: 2 if colours == 3 else 1,
        277: channels,
    }
    if coding.tile:
        tags |= {322: coding.tile[1], 323: coding.tile[0]}
    else:
        tags[278] = _strip_rows(samples)
    if coding.compression in ("lzw", "deflate"):
        tags[317] = 3 if floats else 2
    if channels > colours:
        tags[338] = 2  # alpha, not premultiplied
    if floats:
        tags[339] = (3,) * channels
    return tags | _ancillary(metadata)


def _ancillary(metadata: Metadata) -> dict[int, Any]:
    """Tags and values for what a picture carries beside its pixels."""
    tags = exif_tags(metadata.exif) if metadata.exif else {}
    if metadata.dpi:
        tags |= {282: metadata.dpi[0], 283: metadata.dpi[1], 296: 2}
    if metadata.icc:
        tags[34675] = metadata.icc
    if metadata.xmp:
        tags[700] = metadata.xmp
    if metadata.iptc:
        tags[33723] = metadata.iptc
    return tags


def exif_tags(blob: bytes) -> dict[int, Any]:
    """The tags of an EXIF blob that TIFF can hold; {} when they cannot be written."""
    try:
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + blob)
        tags = _selected(exif)
        trial = ImageFileDirectory_v2(_CLASSIC)
        for tag, value in tags.items():
            trial[tag] = value
        trial.tobytes()
    except Exception:  # a stranger's EXIF may break Pillow's writer in any way
        return {}
    return tags


def exif_blob(exif: Image.Exif) -> bytes | None:
    """The EXIF structure of a TIFF's own tags; None when it has none worth keeping."""
    kept = Image.Exif()
    for tag, value in _selected(exif).items():
        kept[tag] = value
    return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None


def _selected(exif: Image.Exif) -> dict[int, Any]:
    """Descriptive tags, and the EXIF and GPS directories as mappings."""
    tags: dict[int, Any] = {tag: exif[tag] for tag in _DESCRIPTIVE if tag in exif}
    for tag in (_EXIF, _GPS):
        inner: Mapping[int, Any] = exif.get_ifd(tag)
        # The interoperability directory is a bare offset that means nothing elsewhere.
        if kept := {key: value for key, value in inner.items() if key != _INTEROP}:
            tags[tag] = kept
    return tags
