"""What a person named: files and folders to a list of sources, and each one's target."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from restorekit.errors import UsageError
from restorekit.images.formats import format_for, is_image_suffix

# Pictures that are not read yet count as found, so that a run tells of them instead of losing them.
_FOREIGN = {".avif", ".exr", ".gif", ".hdr", ".heic", ".heif", ".jp2", ".jxl", ".psd"}


@dataclass(frozen=True)
class Source:
    """A file to restore, and its path below the folder it was found in (its name, if named itself)."""

    path: Path
    relative: Path


@dataclass(frozen=True)
class Found:
    """The sources in order, how many other files were passed over, and what a person should know."""

    sources: tuple[Source, ...]
    others: int
    notes: tuple[str, ...]


def scan(named: Iterable[Path], out: Path) -> Found:
    """Walk what was named; folders in full, by suffix, without hidden files, without `out`.

    UsageError where something named does not exist, is `out` itself, or holds no picture at all.
    """
    sources: dict[Path, Source] = {}
    others, notes = 0, []
    for path in named:
        if path.is_dir():
            if _same(path, out):
                raise UsageError(f"{out} is input and output at once; give -o another folder")
            if _inside(out, path):
                notes.append(f"{out} lies inside {path}: what is in it is not taken as input")
            for file in _walk(path, out):
                if is_image_suffix(file) or file.suffix.lower() in _FOREIGN:
                    sources.setdefault(file.resolve(), Source(file, file.relative_to(path)))
                else:
                    others += 1
        elif path.exists() or path.is_symlink():
            sources.setdefault(path.resolve(), Source(path, Path(path.name)))
        else:
            raise UsageError(f"there is no file or folder {path}")
    if not sources:
        shown = ", ".join(str(path) for path in named)
        raise UsageError(f"no pictures found in {shown}")
    return Found(tuple(sources.values()), others, tuple(notes))


def _walk(folder: Path, out: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _same(here / name, out)
        )
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _inside(one: Path, other: Path) -> bool:
    return other.resolve() in one.resolve().parents


@dataclass(frozen=True)
class Target:
    """A source and where its result goes; format "" means the source's own."""

    source: Source
    path: Path
    format: str


def targets(found: Found, out: Path, format: str) -> list[Target]:
    """One target a source: the tree mirrored in `out`, or `out` itself for one file to one file.

    format: "keep" or a format's name. UsageError where two sources would become one file, or one
    would overwrite a source; compared without regard to case, as some file systems do.
    """
    if len(found.sources) == 1 and is_image_suffix(out) and not out.is_dir():
        chosen = format_for(out.suffix if format == "keep" else format).name
        planned = [Target(found.sources[0], out, chosen)]
    else:
        planned = [_target(source, out, format) for source in found.sources]
    _check_collisions(planned)
    return planned


def _target(source: Source, out: Path, format: str) -> Target:
    path = out / source.relative
    if format == "keep":
        return Target(source, path, "")
    wanted = format_for(format)
    if path.suffix.lower() not in wanted.suffixes:
        path = path.with_name(path.stem + wanted.suffixes[0])
    return Target(source, path, wanted.name)


def _check_collisions(planned: Iterable[Target]) -> None:
    planned = list(planned)
    inputs = {os.path.normcase(target.source.path.resolve()) for target in planned}
    seen: dict[str, Target] = {}
    for target in planned:
        key = str(target.path.resolve()).casefold()
        if key in seen:
            raise UsageError(
                f"{seen[key].source.path} and {target.source.path} would both become {target.path}; "
                "rename one, or restore them into different folders"
            )
        seen[key] = target
        if os.path.normcase(target.path.resolve()) in inputs:
            raise UsageError(f"{target.path} is a source and would be overwritten; give another -o")
