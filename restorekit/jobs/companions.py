"""The images that go with a picture: one file for all of them, or a folder that mirrors theirs."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from restorekit.errors import ImageError, UsageError
from restorekit.images.formats import is_image_suffix
from restorekit.jobs.scan import Source, Target, place


def check(given: Mapping[str, Path]) -> None:
    """UsageError where something named is not there, or is a pipe or the like, before any work."""
    for name, path in given.items():
        if not path.exists():
            raise UsageError(f"--{name} {path}: there is no such file or folder")
        if not (path.is_file() or path.is_dir()):  # a pipe would be waited for
            raise UsageError(f"--{name} {path} is no regular file and no folder")


def check_kept(planned: Iterable[Target], given: Mapping[str, Path]) -> None:
    """UsageError where a result would replace an image that goes with a picture, before any work."""
    planned = list(planned)
    there = {place(target.path) for target in planned if os.path.lexists(target.path)}
    for source in (target.source for target in planned if there):
        with suppress(ImageError):  # of one that is missing its picture's failure tells
            for name, path in of(source, given).items():
                if place(path) in there:
                    raise UsageError(
                        f"{path} is the {name} of {source.path} and would be overwritten; give "
                        "another -o"
                    )


def of(source: Source, given: Mapping[str, Path]) -> dict[str, Path]:
    """The files that go with a source, by the name of the input; ImageError where one is missing or
    is a pipe or the like.

    In a folder it lies where the source lies in its own, under the same name; its ending may differ.
    """
    files = {name: _beside(source, name, path) for name, path in given.items()}
    for name, path in files.items():
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ImageError(f"{path}, the {name} of {source.path}, is no regular file")
    return files


def _beside(source: Source, name: str, given: Path) -> Path:
    if not given.is_dir():
        return given
    exact = given / source.relative
    if exact.is_file():
        return exact
    changed = exact.parent.stat().st_mtime_ns if exact.parent.is_dir() else 0
    like = _by_stem(exact.parent, changed).get(exact.stem)
    if like is None:  # a folder whose time was set back may hold more than its list
        like = _by_stem.__wrapped__(exact.parent, changed).get(exact.stem, [])
    if len(like) == 1:
        return like[0]
    if like:
        names = " and ".join(path.name for path in like)
        raise ImageError(f"{source.path}: its {name} could be {names} in {exact.parent}; leave one")
    raise ImageError(f"{source.path} has no {name}: there is no {exact.with_suffix('')}.*")


@lru_cache(maxsize=8)
def _by_stem(folder: Path, changed: int) -> Mapping[str, Sequence[Path]]:  # noqa: ARG001 (the key)
    """A folder's pictures by name without ending; listed once for as long as nothing comes or goes."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*")):
        if is_image_suffix(path):
            found[path.stem].append(path)
    return dict(found)
