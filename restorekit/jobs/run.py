"""Restoring a list of files: one after another, each on its own, nothing lost and all accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restorekit.errors import ImageError, RestoreError, UsageError
from restorekit.images import Picture, check_size, probe, read, write
from restorekit.images.formats import format_for
from restorekit.images.writer import part_path
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.scan import Target


@dataclass
class Report:
    """What became of every source: found = done + skipped + failed + left."""

    found: int
    done: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False

    @property
    def left(self) -> int:
        """Files not reached, because the run was stopped."""
        return self.found - self.done - self.skipped - len(self.failed)

    @property
    def exit_code(self) -> int:
        """0: every picture is there. 1: some failed. 130: stopped by the person."""
        return 130 if self.stopped else int(bool(self.failed))

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
    for number, target in enumerate(planned, 1):
        tell(Step(target.source.path, number, 0.0))
        try:
            target = resolve(target)
            if target.path.exists() and not overwrite:
                report.skipped += 1
                report.notes.append(f"{target.path} is there already; --overwrite replaces it")
            else:
                notes = restore_file(
                    restorer, target, overwrite, quality, _share(tell, target, number)
                )
                report.done += 1
                report.notes += [f"{target.source.path}: {note}" for note in notes]
        except RestoreError as error:
            report.failed.append(_named(target.source.path, str(error)))
        except OSError as error:
            report.failed.append(f"{target.source.path}: {error.strerror or error}")
        except KeyboardInterrupt:
            report.stopped = True
            break
        tell(Step(target.source.path, number, 1.0))
    return report


def _share(tell: Callable[[Step], Any], target: Target, number: int) -> Callable[[int, int], None]:
    return lambda done, total: tell(Step(target.source.path, number, done / total))


def _named(path: Path, sentence: str) -> str:
    return sentence if path.name in sentence else f"{path}: {sentence}"


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
    before = target.source.path.stat()
    picture = read(target.source.path)

    def fits(width: int, height: int) -> None:
        check_size(target.format, width, height)

    restored = restorer(picture, tell, fits)
    check_result(picture, restored)
    after = target.source.path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ImageError(f"{target.source.path} changed while it was read; restore it again")
    target.path.parent.mkdir(parents=True, exist_ok=True)
    notes = write(restored, target.path, format=target.format, overwrite=overwrite, quality=quality)
    with suppress(OSError):
        os.utime(target.path, ns=(after.st_atime_ns, after.st_mtime_ns))
    return (*picture.notes, *notes)


def check_result(source: Picture, result: Picture) -> None:
    """Refuse what a broken driver or damaged weights make of a picture: one flat colour, or far off.

    Raises ImageError where the result is constant and the source is not, or their means differ by
    more than a quarter of the range.
    """
    before, after = _statistics(source), _statistics(result)
    if (before[1] > 0.02 and after[1] == 0) or abs(before[0] - after[0]) > 0.25:
        raise ImageError(
            f"the result does not look like the picture (mean {after[0]:.2f} from {before[0]:.2f}); "
            "nothing was saved: try --device cpu, and see `restorekit doctor`"
        )


def _statistics(picture: Picture) -> tuple[float, float]:
    """(mean, deviation) of a thinned picture, in units of the full range."""
    color = picture.color[:: max(1, picture.height // 256), :: max(1, picture.width // 256)]
    top = 2.0 ** (8 * color.dtype.itemsize) - 1 if color.dtype.kind == "u" else 1.0
    return float(color.mean() / top), float(color.std() / top)
