"""One file on its way through the stages, and what was found out about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restorekit.images import Header, Picture, read
from restorekit.images.failures import reading
from restorekit.jobs.manifest import Content, content
from restorekit.jobs.report import kind_of, words
from restorekit.jobs.scan import Target
from restorekit.task import Plan

LARGE = 1 << 24  # pixels: a larger picture is read only when the one before is written


@dataclass
class Attempt:
    """One file on its way through the stages; the first error ends it.

    files: of the images that go with it, by the name of the input; companions: what is in them.
    skipped: why nothing is to be done, "" where something is. replaces: the result of an earlier
    run whose place its own takes. facts: what the task found out about it, of frames and pages the
    largest numbers. settled: the options that its first picture decided. seconds: of each stage.
    """

    target: Target
    files: Mapping[str, Path] = field(default_factory=dict)
    companions: dict[str, Picture] = field(default_factory=dict)
    inputs: tuple[Content, ...] = ()
    header: Header | None = None
    replaces: Content | None = None
    picture: Picture | None = None
    result: Picture | None = None
    skipped: str = ""
    notes: list[str] = field(default_factory=list)
    facts: dict[str, float | str] = field(default_factory=dict)
    settled: Mapping[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def source(self) -> Path:
        """The file to restore."""
        return self.target.source.path

    @property
    def sources(self) -> tuple[Path, ...]:
        """Every file that it is made of."""
        return (self.source, *self.files.values())

    @property
    def large(self) -> bool:
        """Whether two such pictures are too much for the memory."""
        return self.header is not None and self.header.width * self.header.height > LARGE

    @property
    def several(self) -> bool:
        """Whether it has frames or pages, which are restored and written one by one."""
        return self.header is not None and self.header.frames > 1

    def read_companions(self, max_pixels: int) -> None:
        """Decode the images that go with it; an error names its file."""
        for name, path in self.files.items():
            with reading(path):
                self.inputs += (content(path),)
            self.companions[name] = read(path, max_pixels=max_pixels)

    def do(self, stage: str, work: Callable[[Attempt], None]) -> None:
        """Take the file through a stage, unless it is over; its error is this file's alone."""
        if self.error or self.skipped:
            return
        started = time.perf_counter()
        try:
            work(self)
        except Exception as error:
            self.error = error
        spent = time.perf_counter() - started
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + spent, 4)

    def planned(self, plan: Plan) -> None:
        """Keep what a plan says of the file, once of all its frames."""
        self.settled = {**plan.settled, **self.settled}
        self.found(plan.note)
        known = {kind_of(note) for note in self.notes}
        self.notes += [note for note in words(plan.note) if kind_of(note) not in known]

    def found(self, facts: Mapping[str, float | str]) -> None:
        """Add facts; of a number that is known already, from a frame before, the larger one stays."""
        for name, fact in facts.items():
            before = self.facts.get(name, fact)
            numbers = not isinstance(fact, str) and not isinstance(before, str)
            self.facts[name] = max(before, fact) if numbers else fact
