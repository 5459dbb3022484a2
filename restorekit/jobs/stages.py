"""What happens to one file: examined, read, restored, written, accounted for; its errors are its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from restorekit.errors import ImageError, UsageError
from restorekit.images import (
    Picture,
    Provenance,
    check_size,
    frames,
    probe,
    read,
    strip,
    with_provenance,
    write,
    write_frames,
)
from restorekit.images.failures import CutShortError, reading, shown, writing
from restorekit.images.formats import format_for
from restorekit.images.reader import MAX_PIXELS
from restorekit.jobs import companions, fit
from restorekit.jobs.attempt import Attempt
from restorekit.jobs.checks import check_result, reprojection
from restorekit.jobs.manifest import Content, Entry, Manifest, content, digest
from restorekit.jobs.progress import Tell, part_of
from restorekit.jobs.recipe import recipe
from restorekit.jobs.report import HASH, Report
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.scan import Shard, Target, one_file, place, resolve, same_file
from restorekit.jobs.workspace import check_free, publish
from restorekit.task import Plan

_TOLD = ("fidelity", "strength", "steps", "seed")
_WITHOUT_QUALITY = ("BMP", "GIF", "PNG", "TIFF")
_DONE = "done already, from the same file in the same way"
_FOREIGN = (
    "a file of its result's name is there already, which this command did not make; it is left, and "
    "--overwrite replaces it"
)
_CHANGED = "its result was changed after it was made; it is left, and --overwrite makes it anew"


@dataclass(frozen=True)
class Saving:
    """How files are read and results are written.

    overwrite: replace what is there already. quality: of formats with loss, 1 to 100. max_pixels:
    larger pictures are refused. strip: leave out what a source says of itself but its colours.
    provenance: say in the XMP what was done.
    """

    overwrite: bool = False
    quality: int | None = None
    max_pixels: int = MAX_PIXELS
    strip: bool = False
    provenance: bool = True


@dataclass(frozen=True)
class Stages:
    """What happens to the chosen files. taken: every source and result with its source, by place.
    recipe: what all of them are made by. beside: files or folders of the task's further images."""

    restorer: Restorer
    chosen: Sequence[Target]
    out: Path
    saving: Saving
    manifest: Manifest | None
    report: Report
    taken: dict[str, Path]
    recipe: Mapping[str, Any]
    beside: Mapping[str, Path]

    @classmethod
    def of(
        cls,
        restorer: Restorer,
        planned: Sequence[Target],
        out: Path,
        saving: Saving,
        shard: Shard,
        beside: Mapping[str, Path] | None = None,
        report: Report | None = None,
    ) -> Stages:
        """The stages of a shard's files, which the report goes on with; a folder has a manifest, a
        single result has none."""
        chosen = [target for target in planned if shard.holds(target.source)]
        manifest = None if one_file(out) else Manifest(out, shard.part)
        taken = {place(target.source.path): target.source.path for target in planned}
        how = recipe(
            restorer,
            quality=saving.quality,
            strip=saving.strip,
            provenance=saving.provenance,
        )
        report, beside = report or Report(0), beside or {}
        report.found += len(chosen)
        return cls(restorer, chosen, out, saving, manifest, report, taken, how, beside)

    @cached_property
    def provenance(self) -> Provenance:
        """What is said in a result of how it was made."""
        how = self.recipe
        options = {**how["options"], **{name: how[name] for name in _TOLD}}
        return Provenance(
            "restorekit",
            how["restorekit"],
            how["task"],
            how["model"],
            how["model_sha256"],
            {"plugin": str(self.restorer.listing), **options},
        )

    def load(self, target: Target) -> Attempt:
        """A file's attempt: what is to be done with it, and its picture unless it is large."""
        attempt = Attempt(target)
        attempt.do("read", self.examine)
        if not (attempt.large or attempt.several):
            attempt.do("read", self.read)
        return attempt

    def examine(self, attempt: Attempt) -> None:
        """Find out where a file's result goes, and whether it is there already; only its header is
        read. Raises RestoreError."""
        source = attempt.source
        if source.exists() and not source.is_file():  # a pipe would be waited for
            raise ImageError(f"{source} is no regular file and was not read")
        attempt.header = header = probe(source, max_pixels=self.saving.max_pixels)
        task, own = self.restorer.task, format_for(header.format)
        target = attempt.target = resolve(attempt.target, own, task.exact)
        fit.check(source, header, target.format, task)
        attempt.files = companions.of(target.source, self.beside)
        told = (target.note, fit.loss(target.format, self.saving.quality, task))
        attempt.notes += [note for note in told if note]
        other = self.taken.setdefault(place(target.path), source)
        if other != source or target.path.is_dir():
            what = "a folder" if target.path.is_dir() else f"{other} or its result"
            raise ImageError(f"{source} would become {target.path}, which is {what}; rename one")
        if not os.path.lexists(target.path):
            return
        if not self.saving.overwrite:
            self._compare(attempt)
        elif same_file(target.path, source):
            raise ImageError(f"{target.path} is {source} itself, by another name; give another -o")

    def _compare(self, attempt: Attempt) -> None:
        """Skip a file whose result is there, unless it is ours and its source or recipe changed."""
        path = attempt.target.path
        made = self.manifest.made(self._name(path)) if self.manifest else {}
        try:
            found = content(path, [one.result for one in made.values()])
        except FileNotFoundError:  # a link to nothing, which is not ours
            found = None
        origin = made.get(found.sha256) if found else None
        if origin is None and made and found and _cut_short(path):
            attempt.replaces = found
            attempt.notes.append("its result was cut short and is made anew")
        elif origin is None:
            attempt.skipped = _CHANGED if made else _FOREIGN
        else:
            inputs = [content(path, origin.inputs) for path in attempt.sources]
            changed = origin.differs(inputs, digest(self._recipe(attempt)))
            attempt.replaces = found if changed else None
            attempt.skipped = "" if changed else _DONE
            attempt.notes += [f"{changed} since its result was made; it is made anew"] * bool(
                changed
            )

    def read(self, attempt: Attempt) -> None:
        """Decode the picture; what it was decoded from is known by its hash."""
        if attempt.inputs:
            return
        with reading(attempt.source):
            attempt.inputs = (content(attempt.source),)
        attempt.read_companions(self.saving.max_pixels)
        if not attempt.several:
            attempt.picture = read(attempt.source, max_pixels=self.saving.max_pixels)
            self._check_unchanged(attempt)

    def _check_unchanged(self, attempt: Attempt) -> None:
        for path, before in zip(attempt.sources, attempt.inputs, strict=True):
            with reading(path):
                after = path.stat()
            if (before.bytes, before.mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise ImageError(f"{path} changed while it was read; restore it again")

    def restore(self, attempt: Attempt, parts: Path, tell: Tell) -> None:
        """The task's work; of frames or pages also their reading and writing, one by one."""
        budget = self.restorer.budget
        if attempt.several:
            self._restore_several(attempt, parts / attempt.target.path.name, tell)
        elif attempt.picture:
            attempt.result = self._restored(attempt, attempt.picture, tell)
        if self.restorer.budget < budget:
            attempt.notes.append("memory ran out and it was done in smaller tiles; so is the rest")

    def _restored(self, attempt: Attempt, picture: Picture, tell: Tell) -> Picture:
        def planned(plan: Plan) -> None:
            check_size(attempt.target.format, plan.size[1], plan.size[0])
            attempt.planned(plan)

        try:
            return self.restorer(picture, tell, planned, attempt.companions, attempt.settled)
        except UsageError as error:
            raise fit.unfit(attempt.source, attempt.files, error) from error

    def _check(self, attempt: Attempt, picture: Picture, result: Picture) -> None:
        if not self.restorer.task.exact:  # which may rightly fill a hole with anything
            check_result(self.restorer.chosen(picture), result)
            attempt.found(reprojection(picture, result))

    def _restore_several(self, attempt: Attempt, staged: Path, tell: Tell) -> None:
        def results() -> Iterator[Picture]:
            given = frames(attempt.source, max_pixels=self.saving.max_pixels)
            for number, picture in enumerate(given):
                attempt.notes += [note for note in picture.notes if note not in attempt.notes]
                result = self._restored(attempt, picture, part_of(tell, number, count))
                self._check(attempt, picture, result)
                yield self._told(attempt, result)
            self._check_unchanged(attempt)

        count = attempt.header.frames if attempt.header else 1
        self._write_as(attempt, staged, lambda **how: write_frames(results(), staged, **how))

    def save(self, attempt: Attempt, parts: Path) -> None:
        """Write the result, in the folder `parts` until it is whole, and account for the file."""
        staged = parts / attempt.target.path.name
        attempt.do("write", lambda a: self._write(a, staged))
        attempt.picture = attempt.result = None
        attempt.do("publish", lambda a: self._publish(a, staged))
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        if attempt.skipped:
            self.report.skipped += 1
            self.report.note(attempt.source, attempt.skipped)
            if attempt.skipped == _DONE:
                self.report.results.setdefault(attempt.source, []).append(attempt.target.path)
        elif attempt.error:
            sentence = self.report.fail(attempt.source, attempt.error)
            with suppress(OSError):  # the disk may be full, and the person is told anyway
                self._append(attempt, None, sentence)
        else:
            self.report.done += 1
            self.report.results.setdefault(attempt.source, []).append(attempt.target.path)
            for note in attempt.notes:
                self.report.note(attempt.source, note)

    def _write(self, attempt: Attempt, staged: Path) -> None:
        picture, result = attempt.picture, attempt.result
        if picture is None or result is None:
            return
        self._check(attempt, picture, result)
        attempt.notes += picture.notes
        attempt.picture = None
        told = self._told(attempt, result)
        self._write_as(attempt, staged, lambda **how: write(told, staged, **how))

    def _write_as(self, attempt: Attempt, staged: Path, to: Callable[..., Sequence[str]]) -> None:
        """Write a file by `to`, whose notes and errors are then about the result."""
        target, quality = attempt.target, self.saving.quality
        try:
            attempt.notes += to(format=target.format, quality=quality)
        except ImageError as error:  # a person knows the result by its own name
            raise ImageError(str(error).replace(shown(staged), shown(target.path))) from error
        if quality is not None and target.format in _WITHOUT_QUALITY:
            attempt.notes.append(f"--quality says nothing about {target.format}")

    def _told(self, attempt: Attempt, result: Picture) -> Picture:
        """The result with the metadata that were asked for, and without loss where pixels are kept."""
        if self.restorer.task.exact and self.saving.quality is None:
            result = replace(result, metadata=replace(result.metadata, lossy=False))
        if self.saving.strip:
            result = strip(result)
        if self.saving.provenance and "xmp" in format_for(attempt.target.format).holds:
            chain = {k: fact for k, fact in attempt.facts.items() if k.endswith(HASH)}
            told = replace(self.provenance, options={**self.provenance.options, **chain})
            result = with_provenance(result, told)
            attempt.notes += [note for note in result.notes if note not in attempt.notes]
        return result

    def _publish(self, attempt: Attempt, staged: Path) -> None:
        """Give a whole result its time and its name. The manifest speaks first: a line without its
        result is done again, but a result without its line would pass for another's."""
        path, times = attempt.target.path, attempt.inputs[0].mtime_ns
        old = None if self.saving.overwrite else attempt.replaces
        over = self.saving.overwrite or old is not None
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            check_free(path, over)
            if old and path.exists() and content(path, [old]).sha256 != old.sha256:
                raise ImageError(f"{path} changed while it was made anew; what it is now was left")
            with suppress(OSError):
                os.utime(staged, ns=(times, times))
            if path.exists():
                staged.chmod(path.stat().st_mode & 0o7777)
            made = content(staged)
        if self.manifest:
            with writing(self.manifest.path):
                self._append(attempt, made)
        with writing(path):
            publish(staged, path, over)

    def _append(self, attempt: Attempt, made: Content | None, error: str | None = None) -> None:
        if self.manifest is None:
            return
        entry = Entry(
            str(attempt.source),
            self._name(attempt.target.path),
            attempt.inputs,
            made,
            self._recipe(attempt),
            attempt.seconds,
            tuple(attempt.notes),
            error,
            attempt.facts,
        )
        self.manifest.append(entry)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.out).as_posix()

    def _recipe(self, attempt: Attempt) -> Mapping[str, Any]:
        return {**self.recipe, "format": attempt.target.format}


def _cut_short(path: Path) -> bool:
    """Whether a result has lost its end. Whatever else it holds, a person may have made of it."""
    try:
        for _ in frames(path, max_pixels=sys.maxsize):
            pass
    except CutShortError:
        return True
    except ImageError:
        pass
    return False
