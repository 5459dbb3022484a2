"""A run that is asked to stop ends with an iteration, not within one."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come since; tells of the first, and a second one acts at once.

    Only in a process's main thread.
    """
    came: list[int] = []
    before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: Any) -> None:
        came.append(number)
        signal.signal(number, before[number])
        tell()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
