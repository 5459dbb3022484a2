"""A run that is asked to stop ends with an iteration, not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def asked(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come since; tells of the first, and a second one acts at once.

    Signals come to a process's main thread alone: in another one it is never asked to stop.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []
    before: dict[int, Any] = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def as_before() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: Any) -> None:
        came.append(number)
        as_before()
        tell()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        as_before()
