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
    """The sources in order, how many other files were passed over, and what a person should know.

    missed: one sentence for each folder that could not be read, whose pictures are not in `sources`.
    """

    sources: tuple[Source, ...]
    others: int
    notes: tuple[str, ...]
    missed: tuple[str, ...] = ()


def scan(named: Iterable[Path], out: Path) -> Found:
    """Walk what was named; folders in full, by suffix, without hidden files, without `out`.

    UsageError where something named does not exist, is `out` itself, or holds no picture at all.
    """
    named = list(named)
    sources: dict[Path, Source] = {}  # by path: what is named twice is restored once
    others, notes, missed = 0, [], []
    for path in named:
        if not _is_folder(path):
            sources.setdefault(path.absolute(), Source(path, Path(path.name)))
            continue
        if _same(path, out):
            raise UsageError(f"{out} is input and output at once; give -o another folder")
        if _inside(out, path):
            notes.append(f"{out} lies inside {path}: what is in it is not taken as input")
        for file in _walk(path, out, notes, missed):
            if is_image_suffix(file) or file.suffix.lower() in _FOREIGN:
                sources.setdefault(file.absolute(), Source(file, file.relative_to(path)))
            else:
                others += 1
    if others:
        files = (
            "1 other file, no picture by its name, was"
            if others == 1
            else (f"{others} other files, no pictures by their names, were")
        )
        notes.append(f"{files} passed over")
    if not sources:
        shown = ", ".join(str(path) for path in named)
        raise UsageError("; ".join([f"no pictures found in {shown}", *notes, *missed]))
    return Found(tuple(sources.values()), others, tuple(notes), tuple(missed))


def _is_folder(path: Path) -> bool:
    """Whether it is a folder rather than a file; UsageError where it is neither."""
    try:
        if path.is_dir():
            return True
        if path.exists() or path.is_symlink():
            return False
    except OSError as error:
        raise UsageError(f"{path} cannot be looked at: {error.strerror}") from error
    raise UsageError(f"there is no file or folder {path}")


def _walk(folder: Path, out: Path, notes: list[str], missed: list[str]) -> Iterator[Path]:
    def tell(error: OSError) -> None:
        missed.append(f"{error.filename}: the folder cannot be read: {error.strerror}")

    for place, folders, files in os.walk(folder, onerror=tell):
        here = Path(place)
        shown = sorted(name for name in folders if not name.startswith("."))
        notes += [
            f"{here / name} is a link to a folder and was not followed; name it to restore it"
            for name in shown
            if (here / name).is_symlink()
        ]
        folders[:] = [name for name in shown if not _same(here / name, out)]
        for name in sorted(files):
            if not name.startswith(".") and not _same(here / name, out):
                yield here / name


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _inside(one: Path, other: Path) -> bool:
    return Path(os.path.realpath(other)) in Path(os.path.realpath(one)).parents


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
    if is_image_suffix(out) and not os.path.isdir(out):  # noqa: PTH112 (is_dir raises for some)
        if len(found.sources) != 1:
            raise UsageError(
                f"-o {out} names one file and there are {len(found.sources)} pictures; give a folder"
            )
        own = format_for(out.suffix)
        if format != "keep" and format_for(format) != own:
            raise UsageError(f"-o {out} and --format {format} contradict each other; leave one out")
        planned = [Target(source, out, own.name) for source in found.sources]
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
    inputs = {os.path.realpath(target.source.path) for target in planned}
    seen: dict[str, Target] = {}
    for target in planned:
        key = os.path.realpath(target.path).casefold()
        if key in seen:
            raise UsageError(
                f"{seen[key].source.path} and {target.source.path} would both become {target.path}; "
                "rename one, or restore them into different folders"
            )
        seen[key] = target
        if os.path.realpath(target.path) in inputs:
            raise UsageError(f"{target.path} is a source and would be overwritten; give another -o")
