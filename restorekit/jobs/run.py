"""Restoring a list of files: one after another, each on its own, nothing lost and all accounted for."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.errors import ImageError, RestoreError, UsageError
from restorekit.images import Picture, check_size, premultiply, probe, read, write
from restorekit.images.failures import reading, writing
from restorekit.images.formats import format_for
from restorekit.images.writer import part_path
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.scan import Target

_ROWS = 256  # looked at at a time, so that checking a result needs little memory


@dataclass
class Report:
    """What became of every source: found = done + skipped + failed + left.

    tracebacks: of the failures, kept where RESTOREKIT_DEBUG=1.
    """

    found: int
    done: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def left(self) -> int:
        """Files not reached, because the run was stopped."""
        return self.found - self.done - self.skipped - len(self.failed)

    @property
    def exit_code(self) -> int:
        """0: every picture is there. 1: some failed. 130: stopped by the person."""
        return 130 if self.stopped else int(bool(self.failed))

    def fail(self, path: Path, reason: str) -> None:
        """Count the file whose failure is being handled; the reason names it if it does not yet."""
        self.failed.append(reason if path.name in reason else f"{path}: {reason}")
        if os.environ.get("RESTOREKIT_DEBUG") == "1":
            self.tracebacks.append(traceback.format_exc())

    def summary(self) -> str:
        """One line that adds up."""
        left = f" + {self.left} left" if self.left else ""
        return (
            f"{self.found} found = {self.done} done + {self.skipped} skipped + "
            f"{len(self.failed)} failed{left}"
        )


@dataclass(frozen=True)
class Step:
    """Progress within a run: the file in hand, its number, and its finished share in [0, 1]."""

    path: Path
    number: int
    share: float


def prepare_folder(planned: Iterable[Target], out: Path) -> None:
    """Make sure that results can be written before any work; UsageError with one sentence if not."""
    single = [target.path for target in planned] == [out]
    folder = out.parent if single else out
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write into {folder}: it is a file; give -o a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = part_path(folder / "trial")
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"cannot write into {folder}: {reason}; give -o a folder you own"
        ) from error


def run(
    restorer: Restorer,
    planned: list[Target],
    *,
    overwrite: bool = False,
    quality: int | None = None,
    tell: Callable[[Step], Any] = lambda _: None,
) -> Report:
    """Restore every target; a failure is noted and the run goes on. Ctrl-C ends it cleanly."""
    report = Report(len(planned))
    taken = {os.path.realpath(target.source.path): target.source.path for target in planned}
    try:
        for number, target in enumerate(planned, 1):
            tell(Step(target.source.path, number, 0.0))
            share = _share(tell, target, number)
            _restore_next(report, restorer, target, taken, overwrite, quality, share)
            tell(Step(target.source.path, number, 1.0))
    except KeyboardInterrupt:
        report.stopped = True
    return report


def _restore_next(
    report: Report,
    restorer: Restorer,
    target: Target,
    taken: dict[str, Path],
    overwrite: bool,
    quality: int | None,
    share: Callable[[int, int], None],
) -> None:
    """One file done, skipped or failed. taken: every source, and every result with its source."""
    source = target.source.path
    try:
        target = resolve(target)
        other = taken.setdefault(os.path.realpath(target.path), source)
        if other != source or target.path.is_dir():
            what = "a folder" if target.path.is_dir() else f"{other} or its result"
            raise ImageError(f"{source} would become {target.path}, which is {what}; rename one")
        if target.path.exists() and not overwrite:
            if not report.skipped:
                report.notes.append(
                    f"results that are there already, as {target.path}, are skipped; --overwrite "
                    "replaces them"
                )
            report.skipped += 1
        else:
            notes = restore_file(restorer, target, overwrite, quality, share)
            report.done += 1
            report.notes += [f"{source}: {note}" for note in notes]
    except RestoreError as error:
        report.fail(source, str(error))
    except OSError as error:
        report.fail(source, f"{source}: {error.strerror or error}")
    except Exception as error:  # a bug of ours or a library's costs this file, not the run
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        report.fail(source, f"{source}: {reason}; this is a bug (RESTOREKIT_DEBUG=1 shows where)")


def _share(tell: Callable[[Step], Any], target: Target, number: int) -> Callable[[int, int], None]:
    return lambda done, total: tell(Step(target.source.path, number, done / total))


def resolve(target: Target) -> Target:
    """The target with its format known: the source's by content, and a suffix that tells it."""
    if target.format:
        return target
    header = probe(target.source.path)
    own = format_for(header.format)
    path = target.path
    if path.suffix.lower() not in own.suffixes:
        path = path.with_name(path.name + own.suffixes[0])
    return Target(target.source, path, own.name)


def restore_file(
    restorer: Restorer,
    target: Target,
    overwrite: bool = False,
    quality: int | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> tuple[str, ...]:
    """Read, restore and write one file; notes for the person. Raises RestoreError."""
    with reading(target.source.path):
        before = target.source.path.stat()
        picture = read(target.source.path)

    def fits(width: int, height: int) -> None:
        check_size(target.format, width, height)

    restored = restorer(picture, tell, fits)
    check_result(picture, restored)
    with reading(target.source.path):
        after = target.source.path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ImageError(f"{target.source.path} changed while it was read; restore it again")
    with writing(target.path):
        target.path.parent.mkdir(parents=True, exist_ok=True)
    notes = write(restored, target.path, format=target.format, overwrite=overwrite, quality=quality)
    with suppress(OSError):
        os.utime(target.path, ns=(after.st_atime_ns, after.st_mtime_ns))
    if quality is not None and target.format not in ("JPEG", "WEBP"):
        notes = (*notes, f"--quality says nothing about {target.format}, which keeps every pixel")
    return (*picture.notes, *notes)


def check_result(source: Picture, result: Picture) -> None:
    """Refuse what a broken driver or damaged weights make of a picture: one flat colour, or far off.

    Raises ImageError where the result is constant and the source is not, or their means differ by
    more than a quarter of the range. What reduces a picture may make it constant.
    """
    before, after = _statistics(source), _statistics(result)
    enlarged = result.height >= source.height and result.width >= source.width
    flat = enlarged and before[1] > 0.02 and after[1] < 0.001
    if flat or abs(before[0] - after[0]) > 0.25:
        raise ImageError(
            f"the result does not look like the picture (mean {after[0]:.2f} from {before[0]:.2f}); "
            "nothing was saved: try --device cpu, and see `restorekit doctor`"
        )


def _statistics(picture: Picture) -> tuple[float, float]:
    """(mean, deviation) of what shows of a picture, in units of the full range.

    All of it: every n-th pixel of a pattern may be all its light ones.
    """
    top = np.iinfo(picture.color.dtype).max if picture.color.dtype.kind == "u" else 1.0
    total, squares = 0.0, 0.0
    for start in range(0, picture.height, _ROWS):
        rows = picture.color[start : start + _ROWS]
        if picture.alpha is not None:
            rows, top = premultiply(rows, picture.alpha[start : start + _ROWS]), 1.0
        values = np.divide(rows, top, dtype=np.float64)
        total += float(values.sum())
        squares += float(np.vdot(values, values))
    mean = total / picture.color.size
    return mean, max(squares / picture.color.size - mean**2, 0.0) ** 0.5
