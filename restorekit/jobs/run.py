"""Restoring a list of files: each on its own, nothing lost and all accounted for.

Three stages overlap, in threads: the next file is read while one is restored and the one before is
written. Each is one file deep, so memory stays flat, and files pass through them in order, so results,
messages and the manifest are those of one file after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from restorekit.errors import DeviceError
from restorekit.jobs.attempt import Attempt
from restorekit.jobs.report import Report, Step
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.scan import Shard, Target, one_file
from restorekit.jobs.stages import Saving, Stages
from restorekit.jobs.workspace import workspace

Tell = Callable[[Step], Any]


def run(
    restorer: Restorer,
    planned: list[Target],
    out: Path,
    saving: Saving | None = None,
    *,
    shard: Shard | None = None,
    beside: Mapping[str, Path] | None = None,
    tell: Tell = lambda _: None,
    report: Report | None = None,
) -> Report:
    """Restore every target of a shard; a failure is noted and the run goes on. Ctrl-C ends it cleanly.

    beside: files or folders of the task's further images, by name. Where `out` is a folder, its
    manifest says what is done already, and what is done is added to it. report: an earlier run's, to go
    on with. Raises UsageError where nothing can be written there.
    """
    stages = Stages.of(restorer, planned, out, saving or Saving(), shard or Shard(), beside, report)
    with (
        workspace(out.parent if one_file(out) else out) as parts,
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        try:
            _through(stages, parts, reader, writer, tell)
        except KeyboardInterrupt:
            stages.report.stopped = True
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            raise DeviceError(
                "the system has no room for another thread: free some memory or stop other programs"
            ) from error
    return stages.report


def _through(
    stages: Stages, parts: Path, reader: ThreadPoolExecutor, writer: ThreadPoolExecutor, tell: Tell
) -> None:
    """Every file through every stage; at most one waits before and one behind the one in hand."""
    behind: Future[None] | None = None
    for number, attempt in enumerate(_one_ahead(reader, stages.load, stages.chosen), 1):
        step = Step(attempt.source, number, 0.0, stages.report.skipped)
        tell(step)
        if (attempt.large or attempt.several) and behind:
            behind.result()
        attempt.do("read", stages.read)
        attempt.do("restore", lambda a, step=step: stages.restore(a, parts, _share(tell, step)))
        if behind:
            behind.result()
        behind = writer.submit(stages.save, attempt, parts)
        tell(Step(attempt.source, number, 1.0, step.skipped))
    if behind:
        behind.result()


def _one_ahead(
    reader: ThreadPoolExecutor, load: Callable[[Target], Attempt], targets: Iterable[Target]
) -> Iterator[Attempt]:
    """Each target's attempt, loaded while the one before it is worked on."""
    waiting: Future[Attempt] | None = None
    for target in targets:
        attempt = waiting.result() if waiting else None
        waiting = reader.submit(load, target)
        if attempt:
            yield attempt
    if waiting:
        yield waiting.result()


def _share(tell: Tell, step: Step) -> Callable[[int, int], None]:
    return lambda done, total: tell(Step(step.path, step.number, done / total, step.skipped))
