"""What became of every file of a run, in words that add up."""

from __future__ import annotations

import os
import re
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from restorekit.errors import RestoreError

HASH = "_sha256"
"""The end of a fact's name that is the hash of the weights which did a stage: for the records alone."""


@dataclass(frozen=True)
class Step:
    """Progress within a run: the file in hand, its number, its finished share in [0, 1], and how
    many files before it took no work."""

    path: Path
    number: int
    share: float
    skipped: int = 0


@dataclass
class Report:
    """What became of every source: found = done + skipped + failed + left.

    tracebacks: of the failures, kept where RESTOREKIT_DEBUG=1. results: where the results of each source
    are, those of earlier runs too.
    """

    found: int
    done: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    stopped: bool = False
    results: dict[Path, list[Path]] = field(default_factory=dict)
    _noted: dict[str, tuple[Path, str]] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)
    _varied: set[str] = field(default_factory=set)

    @property
    def left(self) -> int:
        """Files not reached, because the run was stopped."""
        return self.found - self.done - self.skipped - len(self.failed)

    @property
    def exit_code(self) -> int:
        """0: every picture is there. 1: some failed. 130: stopped by the person."""
        return 130 if self.stopped else int(bool(self.failed))

    def note(self, path: Path, text: str) -> None:
        """Say something of a file. What holds of many files, whatever the numbers in it, is said once,
        with their number."""
        kind = kind_of(text)
        _, first = self._noted.setdefault(kind, (path, text))
        self._times[kind] += 1
        if text != first:
            self._varied.add(kind)

    @property
    def notes(self) -> list[str]:
        """One sentence for each thing said: of which file, and of how many more."""
        return [
            f"{path}{_and_more(self._times[kind] - 1, kind in self._varied)}: {text}"
            for kind, (path, text) in self._noted.items()
        ]

    def fail(self, path: Path, error: Exception) -> str:
        """Count a file as failed; the sentence that says so, which names the file."""
        sentence = _sentence(path, error)
        self.failed.append(sentence)
        if os.environ.get("RESTOREKIT_DEBUG") == "1":
            self.tracebacks.append("".join(traceback.format_exception(error)))
        return sentence

    def summary(self) -> str:
        """One line that adds up."""
        left = f" + {self.left} left" if self.left else ""
        return (
            f"{self.found} found = {self.done} done + {self.skipped} skipped + "
            f"{len(self.failed)} failed{left}"
        )


def words(note: Mapping[str, float | str]) -> list[str]:
    """What a person should know of the facts that a task found out: its sentences, its words with the
    names of the facts, and repairs."""
    told = {
        name: fact
        for name, fact in note.items()
        if isinstance(fact, str) and not name.endswith(HASH)
    }
    said = [fact if " " in fact else f"{name}: {fact}" for name, fact in told.items()]
    repaired = note.get("repaired")
    if isinstance(repaired, float | int) and repaired:
        said.append(
            "pixels that were no numbers (NaN, infinity) were filled from their neighbours: "
            f"{repaired:,.0f}"
        )
    return said


def kind_of(text: str) -> str:
    """A note without its numbers."""
    return re.sub(r"\d[\d,.]*", "#", text)


def _and_more(count: int, varied: bool) -> str:
    other = " with other numbers" if varied else ""
    return f" (and {count:,} more{other})" if count else ""


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, RestoreError):
        reason = str(error)
    elif isinstance(error, OSError):
        reason = str(error.strerror or error)
    else:  # a bug of ours or a library's costs this file, not the run
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        reason += "; this is a bug (RESTOREKIT_DEBUG=1 shows where)"
    return reason if path.name in reason else f"{path}: {reason}"
