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

from restorekit.images.survey import LONGEST_BLOCK

_LOCK = threading.RLock()


@contextmanager
def quiet(max_pixels: int | None = None) -> Iterator[None]:
    """Pillow without warnings and messages, and with our size limits instead of its own.

    Where a picture grows while it is decoded, as a GIF may, Pillow stops it at twice `max_pixels`.
    All of them belong to the process, so a lock keeps two threads from restoring each other's
    state, and all are as before when the block ends.
    """
    with _LOCK, warnings.catch_warnings(), ExitStack() as undo:
        warnings.simplefilter("ignore")
        undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = max_pixels
        undo.callback(setattr, PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_CHUNK)
        PngImagePlugin.MAX_TEXT_CHUNK = LONGEST_BLOCK
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
