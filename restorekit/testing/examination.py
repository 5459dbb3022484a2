"""A task held to its promises, one after another; each finding says what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from restorekit import plugins
from restorekit.errors import PluginError, RestoreError
from restorekit.testing import hooks, results
from restorekit.testing.promise import NotTried, Promise
from restorekit.testing.subject import Subject, subject


def _load(examined: Subject) -> str:
    card = examined.usual.model.card
    return f"{examined.loaded.listing}, spec {examined.task.spec}, with model {card.name}"


LOADING = Promise(
    "loads", "it is imported, declared, and has its weights", "When something is wrong", _load
)
PROMISES: tuple[Promise, ...] = (*hooks.PROMISES, *results.PROMISES)
"""Every promise but that, in the order in which they are tried."""


@dataclass(frozen=True)
class Finding:
    """What came of one promise.

    kept: None where it could not be tried here, or does not apply. seen: what was found, in words.
    read: the section of docs/plugins.md that explains the promise.
    """

    promise: str
    says: str
    kept: bool | None
    seen: str
    read: str

    def __str__(self) -> str:
        state = {True: "kept", False: "BROKEN", None: "not tried"}[self.kept]
        line = f"{state:9}  {self.promise:13} {self.seen}"
        return line if self.kept is not False else f"{line}\n{self._advice}"

    @property
    def _advice(self) -> str:
        return f"{'':11}{'':13} promise: {self.says}\n{'':11}{'':13} read: {self.read}"


def examine(name: str) -> Iterator[Finding]:
    """Findings about an installed task, as they are made; a minute's work at most on a processor.

    Raises PluginError where no plugin brings the task. One that cannot be loaded, or has no weights,
    has one broken promise, and no other is tried.
    """
    if name not in plugins.tasks():
        plugins.load(name)  # which says what is installed
    try:
        examined = subject(name)
        seen = _load(examined)
    except RestoreError as error:
        yield _finding(LOADING, False, str(error))
        return
    yield _finding(LOADING, True, seen)
    for promise in PROMISES:
        yield tried(promise, examined)


def check_task(name: str) -> None:
    """Hold an installed task to every promise of the contract; for a plugin's own tests.

    Raises PluginError, listing each broken promise with what was seen and what to read.
    """
    findings = list(examine(name))
    broken = [str(finding) for finding in findings if finding.kept is False]
    if broken:
        count = f"{len(broken)} of {len(findings)} promises"
        raise PluginError("\n".join([f"task {name} breaks {count}:", *broken]), name)


def tried(promise: Promise, examined: Subject) -> Finding:
    """What comes of one promise; nothing is raised."""
    try:
        return _finding(promise, True, promise.try_it(examined))
    except NotTried as reason:
        return _finding(promise, None, str(reason))
    except (RestoreError, AssertionError) as error:
        return _finding(promise, False, str(error))
    except Exception as error:  # somebody else's program: what it raises is a finding too
        return _finding(promise, False, f"it raises {type(error).__name__}: {error}")


def _finding(promise: Promise, kept: bool | None, seen: str) -> Finding:
    return Finding(promise.name, promise.says, kept, seen, f"Plugins, “{promise.read}”")
