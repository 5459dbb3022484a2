"""Writing a picture so that there is always either the old file or the whole new one."""

from __future__ import annotations

import itertools
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import features

from restorekit.errors import ImageError
from restorekit.images.encode import Prepared, encode, encode_frames, prepare
from restorekit.images.failures import shown, writing
from restorekit.images.formats import Format, check_size, format_for
from restorekit.images.picture import Picture, Planes
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
    path, target = _target(path, format, overwrite)
    check_size(target.name, picture.width, picture.height)
    with writing(path):
        prepared = prepare(picture, target, quality)
        size = (picture.width, picture.height)
        _replace(path, lambda file: encode(file, prepared, target), target, size)
    return prepared.notes


def write_frames(
    frames: Iterable[Picture],
    path: Path | str,
    *,
    format: str = "",
    overwrite: bool = False,
    quality: int | None = None,
) -> tuple[str, ...]:
    """Write several pictures into one file, in turn, and return notes, each once.

    They are pages of a TIFF, each of its own size, mode and depth, or frames of a PNG, WebP, GIF or
    AVIF, of one size and shown as long as their metadata say. Frames are taken one at a time; one
    alone is written as `write` does. `format`, `quality` and failures are as there.

    Raises ImageError also when the format holds one picture only, when pages are to become frames,
    when frames differ in size, or when there is none; and whatever `frames` itself raises.
    """
    path, target = _target(path, format, overwrite)
    pictures = iter(frames)
    first = next(pictures, None)
    second = next(pictures, None)
    if first is None:
        raise ImageError(f"{shown(path)} was not written: there is no picture to write")
    if second is None:
        return write(first, path, format=target.name, overwrite=overwrite, quality=quality)
    _check_several(path, first, target)
    notes: dict[str, None] = {}

    def prepared() -> Iterator[Prepared]:
        kind: Prepared | None = None
        for number, picture in enumerate(itertools.chain([first, second], pictures), 1):
            check_size(target.name, picture.width, picture.height)
            ready = prepare(picture, target, quality)
            notes.update(dict.fromkeys(ready.notes))
            if not target.pages:
                kind = kind or ready
                _check_alike(path, number, kind, ready)
                ready = replace(ready, samples=_as_many_channels(ready.samples, kind.samples))
            yield ready

    with writing(path):
        size = (first.width, first.height)
        _replace(path, lambda file: encode_frames(file, prepared(), target), target, size)
    if target.pages and first.metadata.duration is not None:
        notes[f"{target.name} holds the frames as pages, without the times they are shown"] = None
    return tuple(notes)


def _target(path: Path | str, format: str, overwrite: bool) -> tuple[Path, Format]:
    """The path and format of a file that may be written."""
    path = Path(path)
    target = format_for(format or path.suffix or path.name)
    if path.is_dir():
        raise ImageError(f"{shown(path)} was not written: a folder has that name; use another name")
    if not overwrite and os.path.lexists(path):
        raise ImageError(
            f"{shown(path)} was not written: it exists; allow overwriting to replace it"
        )
    if target.extra and not find_spec(target.plugin.split(".")[0]):
        raise ImageError(
            f"{shown(path)} was not written: {target.name} needs a part that is missing: pip "
            f"install 'restorekit[{target.extra}]'"
        )
    if target.feature and not features.check(target.feature):
        raise ImageError(
            f"{shown(path)} was not written: this build of Pillow has no {target.name}; write "
            "another format"
        )
    return path, target


def _check_several(path: Path, first: Picture, target: Format) -> None:
    if not (target.pages or target.moving):
        raise ImageError(
            f"{shown(path)} was not written: {target.name} holds one picture and there are "
            "several; write TIFF for pages, or PNG, WEBP or GIF for what moves"
        )
    if not target.pages and first.metadata.duration is None:
        raise ImageError(
            f"{shown(path)} was not written: pages are no frames of a moving {target.name}; write "
            "TIFF"
        )


def _check_alike(path: Path, number: int, first: Prepared, other: Prepared) -> None:
    (height, width), (high, wide) = first.samples.shape[:2], other.samples.shape[:2]
    if (height, width) != (high, wide):
        raise ImageError(
            f"{shown(path)} was not written: frame {number} is {wide:,} x {high:,} pixels and the "
            f"first {width:,} x {height:,}; give frames of one size"
        )


def _as_many_channels(samples: Planes, first: Planes) -> Planes:
    """The samples as grey or RGB, with alpha or without, as the first frame's."""
    if samples.shape[2] == first.shape[2]:
        return samples
    alpha = samples.shape[2] % 2 == 0
    color, opacity = (samples[..., :-1], samples[..., -1:]) if alpha else (samples, None)
    colours = 3 if first.shape[2] > 2 else 1
    if color.shape[2] < colours:
        color = np.repeat(color, 3, axis=2)
    elif color.shape[2] > colours:
        raise ImageError("the first frame is grey and another has colours; make the first RGB")
    if first.shape[2] == colours:
        return color
    top = np.iinfo(color.dtype).max
    solid = np.full((*color.shape[:2], 1), top, color.dtype) if opacity is None else opacity
    return np.concatenate([color, solid], axis=2)


def part_path(path: Path) -> Path:
    """Where the file grows until it is whole, in the same folder."""
    name = path.name
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        # Names may have 255 bytes; a checksum keeps two long ones apart.
        encoded = name.encode("utf-8", "surrogateescape")
        name = f"{zlib.crc32(encoded):08x}"
    return path.with_name(f".{name}{PART}-{os.getpid()}")


def _replace(
    path: Path, write_to: Callable[[BinaryIO], None], target: Format, size: tuple[int, int]
) -> None:
    part = part_path(path)
    try:
        with part.open("w+b") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        _check(part, path, target, size)
        if path.exists():
            part.chmod(path.stat().st_mode & 0o7777)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _check(part: Path, path: Path, target: Format, size: tuple[int, int]) -> None:
    """Read the header back: a disk that lies is noticed while the old file still stands."""
    width, height = size
    try:
        found = probe(part, max_pixels=sys.maxsize)
    except ImageError as error:
        raise ImageError(
            f"{shown(path)} was not written: what reached the disk cannot be read; check the disk"
        ) from error
    if (found.format, found.width, found.height) != (target.name, width, height):
        raise ImageError(
            f"{shown(path)} was not written: it read back as {found.format} of {found.width:,} x "
            f"{found.height:,} pixels; check the disk"
        )
