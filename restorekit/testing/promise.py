"""A promise: what it says, where it is explained, and how it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from restorekit.testing.subject import Subject


class Broken(AssertionError):  # noqa: N818 (a finding, which nobody but the examination sees)
    """A promise is broken; the text says what was seen."""


class NotTried(Exception):  # noqa: N818 (no error: the promise does not apply, or cannot be tried here)
    """A promise does not apply to a task, or this machine cannot try it."""


@dataclass(frozen=True)
class Promise:
    """try_it answers with what was seen where the promise is kept; it raises Broken or NotTried."""

    name: str
    says: str
    read: str
    try_it: Callable[[Subject], str]


def demand(kept: bool, seen: str) -> None:
    """Raise Broken with what was seen, unless the promise is kept."""
    if not kept:
        raise Broken(seen)
