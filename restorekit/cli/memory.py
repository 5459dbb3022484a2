"""What the command line's own process asks of the system's memory."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h
_NEVER, _STEP = 2**31 - 1, 2**26


def keep() -> None:
    """Keep freed memory for the next picture instead of giving it back, where glibc can.

    Every array above 32 MiB is otherwise fetched page by page from the system and given back: a
    quarter of the time of a large picture.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP)):
        mallopt(parameter, value)
