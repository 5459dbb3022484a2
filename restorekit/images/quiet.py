"""Pillow at work without a word: what it has to say becomes our sentence, or nothing."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from PIL import Image, PngImagePlugin

_LOCK = threading.RLock()
# Bytes of a colour profile or packed text in a PNG; Pillow's own limit is 1 MiB.
_LONGEST_CHUNK = 1 << 26


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow without warnings, messages and its size limits, for which ours stand.

    All of them belong to the process, so a lock keeps two threads from restoring each other's
    state, and all are as before when the block ends.
    """
    with _LOCK, warnings.catch_warnings(), ExitStack() as undo:
        warnings.simplefilter("ignore")
        undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
        undo.callback(setattr, PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_CHUNK)
        PngImagePlugin.MAX_TEXT_CHUNK = _LONGEST_CHUNK
        logger = logging.getLogger("PIL")
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)
        if switch := _libtiff_switch():
            undo.callback(switch, switch(None))
        yield


def _libtiff_switch() -> Callable[[Any], Any] | None:
    """libtiff prints errors itself; its switch is found where Pillow links it as a library."""
    try:
        switch = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):
        return None
    switch.restype, switch.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    return switch
