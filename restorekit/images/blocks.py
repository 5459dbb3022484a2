"""Blocks of rows worked on side by side, their results in order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")
_BLOCK_BYTES = 1 << 19
_MOST_THREADS = 8


def rows_each(row_bytes: int) -> int:
    """Rows a block: about half a megabyte, which a processor's cache still holds."""
    return max(1, _BLOCK_BYTES // row_bytes)


def in_order(work: Callable[[int], _Result], starts: range) -> Iterator[_Result]:
    """The results of `work(start)` for each start. Closing the iterator drops what waits."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS))
    try:
        yield from pool.map(work, starts)
    finally:
        pool.shutdown(cancel_futures=True)
