"""What a person named: files and folders to a list of sources, and each one's target."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restorekit.errors import UsageError
from restorekit.images.formats import (
    UNREAD_SUFFIXES,
    Format,
    format_for,
    format_names,
    is_image_suffix,
    sniff,
)
from restorekit.jobs.manifest import Manifest, is_manifest


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


def check_out(named: Sequence[Path], out: str) -> None:
    """UsageError where one picture is to become a file of a format that is not written, which would
    make a folder of that name, or where a new folder is to have the name of a picture."""
    if out.endswith(("/", os.sep)) and one_file(Path(out)):
        raise UsageError(
            f"-o {out} is a folder by its slash and a picture by its name; leave the slash out, or make "
            "the folder first"
        )
    ending = Path(os.path.basename(out)).suffix  # noqa: PTH119 (Path would drop a slash at the end)
    folder = not ending or os.path.lexists(out)
    if not folder and not is_image_suffix(out) and len(named) == 1 and not named[0].is_dir():
        raise UsageError(
            f"-o {out}: {ending} is no format that restorekit writes; use {format_names()}, or end "
            "the name with a slash if it is a folder"
        )


def scan(
    named: Iterable[Path], out: Path, beside: bool = False, companions: Iterable[Path] = ()
) -> Found:
    """Walk what was named; folders in full, by suffix, without hidden files, without `out` and without
    the files and folders of the images that go with the pictures.

    beside: whether results may lie beside their sources; what a manifest in `out` says was made is
    then no source. UsageError where something named does not exist, is `out` itself unless `beside`,
    or holds no picture at all.
    """
    named, apart = list(named), (out, *companions)
    sources: dict[Path, Source] = {}  # by path: what is named twice is restored once
    others, notes, missed = 0, [], []
    for path in named:
        if not _is_folder(path):
            sources.setdefault(path.absolute(), Source(path, Path(path.name)))
            continue
        if same_file(path, out) and not beside:
            raise UsageError(
                f"{out} is input and output at once; give -o another folder, or --suffix a word that "
                "tells the results from their sources"
            )
        notes += [
            f"{other} lies inside {path} and is not taken as input"
            for other in apart
            if _inside(other, path)
        ]
        files = list(_walk(path, apart, notes, missed))
        made = _made(files, path, out) if beside else set()
        if made:
            notes.append(
                f"what earlier runs made in {out} is not taken as input: "
                f"{len(made)} file{'s' * (len(made) > 1)}"
            )
        for file in files:
            if file in made:
                continue
            # Pictures that are not read count as found: a run tells of them instead of losing them.
            if is_image_suffix(file) or file.suffix.lower() in UNREAD_SUFFIXES:
                sources.setdefault(file.absolute(), Source(file, file.relative_to(path)))
            elif not is_manifest(file):
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


def _made(files: Iterable[Path], folder: Path, out: Path) -> set[Path]:
    """Those of a folder's files that are results by the manifest in `out`, which is read now: what
    another run made since its names were listed has a line in it."""
    if not (same_file(folder, out) or _inside(folder, out)):
        return set()
    manifest = Manifest(out)
    below = Path(os.path.relpath(os.path.realpath(folder), os.path.realpath(out)))
    return {f for f in files if manifest.made((below / f.relative_to(folder)).as_posix())}


def _walk(
    folder: Path, apart: Iterable[Path], notes: list[str], missed: list[str]
) -> Iterator[Path]:
    left_out = {os.path.realpath(path) for path in apart}

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
        folders[:] = [name for name in shown if os.path.realpath(here / name) not in left_out]
        for name in sorted(files):
            if not name.startswith(".") and os.path.realpath(here / name) not in left_out:
                yield here / name


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder: also through a link, a second mount, or letters of
    another case where the file system takes them for the same."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(one: Path, other: Path) -> bool:
    return Path(os.path.realpath(other)) in Path(os.path.realpath(one)).parents


@dataclass(frozen=True)
class Target:
    """A source and where its result goes; format "" means the source's own, where that is not known
    yet. note: why the format is not the source's, where nobody asked for another."""

    source: Source
    path: Path
    format: str
    note: str = ""


def targets(
    found: Found, out: Path, format: str, suffix: str = "", exact: bool = False
) -> list[Target]:
    """One target a source: the tree mirrored in `out`, or `out` itself for one file to one file.

    format: "keep" or a format's name. suffix: goes between a name and its ending. exact: whether
    results must not lose pixels, as in `resolve`. UsageError where two sources would become one file,
    or one would overwrite a source; compared without regard to case and to how accents are written,
    as some file systems do.
    """
    if set(suffix) & {"/", "\\", "\0"}:
        raise UsageError(f"--suffix {suffix!r} is no part of a file's name; leave slashes out")
    if one_file(out):
        if len(found.sources) != 1:
            raise UsageError(
                f"-o {out} names one file and there are {len(found.sources)} pictures; give a folder"
            )
        own = format_for(out.suffix)
        if format != "keep" and format_for(format) != own:
            raise UsageError(f"-o {out} and --format {format} contradict each other; leave one out")
        if suffix:
            raise UsageError(f"-o {out} and --suffix {suffix} contradict each other; leave one out")
        planned = [Target(source, out, own.name) for source in found.sources]
    else:
        planned = [_target(source, out, format, suffix, exact) for source in found.sources]
    _check_collisions(planned)
    return planned


def one_file(out: Path) -> bool:
    """Whether `out` names a picture rather than a folder."""
    return is_image_suffix(out) and not os.path.isdir(out)  # noqa: PTH112 (is_dir raises for some)


def _target(source: Source, out: Path, format: str, suffix: str, exact: bool) -> Target:
    path, own = out / source.relative, _content_format(source.path)
    if suffix:
        path = path.with_name(path.stem + suffix + path.suffix)
    if own is None and path.suffix.lower() in UNREAD_SUFFIXES:  # will fail: in no other's way
        return Target(source, path, "")
    if format == "keep":
        target = Target(source, path, "")
        return resolve(target, own, exact) if own else target
    wanted = format_for(format)
    if path.suffix.lower() not in wanted.suffixes:
        path = path.with_name(path.stem + wanted.suffixes[0])
    return Target(source, path, wanted.name)


def _content_format(path: Path) -> Format | None:
    """The format that a file's first bytes tell; None where they cannot be read or are of none."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with path.open("rb") as file:
            return sniff(file.read(32))
    except OSError:
        return None


def resolve(target: Target, own: Format, exact: bool) -> Target:
    """The target with its format known: the source's by content, and a suffix that tells it.

    exact: a format that would lose what must be kept is replaced by PNG.
    """
    if target.format:
        return target
    path, note = target.path, ""
    if exact and not own.lossless:
        note = f"its result is PNG, since {own.name} cannot keep pixels as they are"
        own = format_for("png")
        path = path.with_suffix(own.suffixes[0])
    elif path.suffix.lower() not in own.suffixes:
        path = path.with_name(path.name + own.suffixes[0])
    return Target(target.source, path, own.name, note)


def place(path: Path) -> str:
    """Where a path leads, the same for names that some file systems take for one."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _check_collisions(planned: Iterable[Target]) -> None:
    planned = list(planned)
    inputs = {os.path.realpath(target.source.path) for target in planned}
    seen: dict[str, Target] = {}
    for target in planned:
        key = place(target.path)
        if key in seen:
            raise UsageError(
                f"{seen[key].source.path} and {target.source.path} would both become {target.path}; "
                "rename one, or restore them into different folders"
            )
        seen[key] = target
        if os.path.realpath(target.path) in inputs:
            raise UsageError(f"{target.path} is a source and would be overwritten; give another -o")


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of a run, `number` from 1, that need nothing of each other.

    A picture's part is decided by its relative path alone, so files that come or go move no other.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def of(cls, text: str) -> Shard:
        """The shard of "2/4"; UsageError where it is none."""
        numbers = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if numbers and 1 <= int(numbers[1]) <= int(numbers[2]):
            return cls(int(numbers[1]), int(numbers[2]))
        raise UsageError(f"--shard {text!r} is no shard; write I/N, as 1/4 to 4/4 for four parts")

    @property
    def part(self) -> str:
        """What tells the shard's manifest from another's."""
        return f"-{self.number}of{self.count}" if self.count > 1 else ""

    def holds(self, source: Source) -> bool:
        """Whether a source is in this part. Those whose results might meet are in the same one."""
        name = unicodedata.normalize("NFC", source.relative.as_posix()).casefold()
        while is_image_suffix(name):
            name = name[: name.rindex(".")]
        hashed = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(hashed[:8]) % self.count == self.number - 1
