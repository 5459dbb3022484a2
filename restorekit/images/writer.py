"""Writing a picture so that there is always either the old file or the whole new one."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from pathlib import Path

from restorekit.errors import ImageError
from restorekit.images.encode import Prepared, encode, prepare
from restorekit.images.failures import shown, writing
from restorekit.images.formats import Format, check_size, format_for
from restorekit.images.picture import Picture
from restorekit.images.reader import probe

PART = ".restorekit-part"
_LONGEST_NAME = 180


def write(
    picture: Picture,
    path: Path | str,
    *,
    format: str = "",
    overwrite: bool = False,
    quality: int | None = None,
) -> tuple[str, ...]:
    """Write a picture and return notes: sentences about what the format could not hold.

    `format` is a name or suffix, by default that of `path`. `quality`, 1 to 100, is for JPEG
    and makes a WebP lossy; without it a JPEG keeps its source's subsampling and quality class.
    The bytes depend on the picture alone. On any failure `path` is as it was before.

    Raises ImageError when `path` exists and `overwrite` is False, when the picture is too large
    for the format, or when writing fails; UsageError for an unknown format or quality.
    """
    path = Path(path)
    target = format_for(format or path.suffix or path.name)
    check_size(target.name, picture.width, picture.height)
    if path.is_dir():
        raise ImageError(f"{shown(path)} was not written: a folder has that name; use another name")
    if not overwrite and os.path.lexists(path):
        raise ImageError(
            f"{shown(path)} was not written: it exists; allow overwriting to replace it"
        )
    with writing(path):
        prepared = prepare(picture, target, quality)
        _replace(path, prepared, target)
    return prepared.notes


def part_path(path: Path) -> Path:
    """Where the file grows until it is whole, in the same folder."""
    name = path.name
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        # Names may have 255 bytes; a checksum keeps two long ones apart.
        encoded = name.encode("utf-8", "surrogateescape")
        name = f"{zlib.crc32(encoded):08x}"
    return path.with_name(f".{name}{PART}-{os.getpid()}")


def _replace(path: Path, prepared: Prepared, target: Format) -> None:
    part = part_path(path)
    try:
        with part.open("wb") as file:
            encode(file, prepared, target)
            file.flush()
            os.fsync(file.fileno())
        _check(part, path, prepared, target)
        if path.exists():
            part.chmod(path.stat().st_mode & 0o7777)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _check(part: Path, path: Path, prepared: Prepared, target: Format) -> None:
    """Read the header back: a disk that lies is noticed while the old file still stands."""
    height, width = prepared.samples.shape[:2]
    try:
        found = probe(part)
    except ImageError as error:
        raise ImageError(
            f"{shown(path)} was not written: what reached the disk cannot be read; check the disk"
        ) from error
    if (found.format, found.width, found.height) != (target.name, width, height):
        raise ImageError(
            f"{shown(path)} was not written: it read back as {found.format} of {found.width:,} x "
            f"{found.height:,} pixels; check the disk"
        )
