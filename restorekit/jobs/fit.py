"""Whether a file's result can be what was asked for, as far as its header tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from restorekit.errors import ImageError, RestoreError, UsageError
from restorekit.images.formats import format_for
from restorekit.images.picture import Header
from restorekit.task import Task

_LOSSY_BY_QUALITY = ("WEBP", "JPEG2000")


def check(source: Path, header: Header, format: str, task: Task) -> None:
    """ImageError where a task does not take such a file, or its result's format cannot hold it."""
    own, wanted = format_for(header.format), format_for(format)
    if own.light and not task.linear:
        raise ImageError(
            f"{source} holds linear light, which {task.name} does not take; save it as PNG or TIFF "
            "first"
        )
    if header.frames == 1 or wanted.pages:
        return
    several = f"{source} has {header.frames:,} {'pages' if own.pages else 'frames'}"
    if not wanted.moving:
        raise ImageError(
            f"{several} and {wanted.name} holds one picture; write TIFF for pages, or PNG, WEBP or "
            "GIF for what moves"
        )
    if own.pages:
        raise ImageError(f"{several}, which are no frames of a moving {wanted.name}; write TIFF")


def unfit(source: Path, files: Mapping[str, Path], error: RestoreError) -> RestoreError:
    """What is told of a UsageError about a file: a person must know all that do not go together."""
    if not isinstance(error, UsageError):
        return error
    beside = ", ".join(f"{name} {path}" for name, path in files.items())
    named = f"{source} ({beside})" if beside else str(source)
    return ImageError(f"{named}: {error}")


def loss(format: str, quality: int | None, task: Task) -> str:
    """What a person should know of a format that changes what an exact task leaves; "" of others."""
    wanted = format_for(format)
    lossy = not wanted.lossless or (quality is not None and wanted.name in _LOSSY_BY_QUALITY)
    if not (task.exact and lossy):
        return ""
    return (
        f"its result is {wanted.name}, which does not keep the pixels that {task.name} leaves alone "
        "as they are; PNG does"
    )
