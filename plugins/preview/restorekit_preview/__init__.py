"""Show a picture while it is restored: a small PNG, written anew as windows and steps are done.

An add-on, not a task: it watches the steps of every task and changes nothing.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

import restorekit as rk


class Preview:
    """Writes to `file`, at most every so many seconds, with at most so many pixels a side."""

    def __init__(self, file: str | None, longest: int = 640, seconds: float = 0.5) -> None:
        self.file, self.longest, self.seconds = file, longest, seconds
        self.size, self.stride, self.written = (0, 0), 1, -math.inf
        self.canvas = np.zeros((0, 0, 3), np.uint8)

    @rk.hookimpl(wrapper=True)
    def restorekit_prepare(self) -> Generator[None, Any, Any]:
        """Begin a new picture of the planned size, black at first; a stage is a picture too."""
        plan = yield
        if isinstance(plan, rk.Plan):
            self.size = plan.size
            self.stride = max(1, math.ceil(max(plan.size) / self.longest))
            small = [-(-side // self.stride) for side in plan.size]
            self.canvas = np.zeros((*small, 3), np.uint8)
        return plan

    @rk.hookimpl
    def restorekit_step(self, event: rk.StepEvent) -> None:
        """Put the estimate where it lies, every so many pixels of it, and write the file."""
        if self.file is None:
            return
        box, stride = event.box, self.stride
        estimate = event.x0_hat[0, :, -box.top % stride :: stride, -box.left % stride :: stride]
        pixels = ((estimate.float().clamp(-1, 1) + 1) * 127.5).round().cpu().numpy()
        place = self.canvas[-(-box.top // stride) :, -(-box.left // stride) :]
        place[: pixels.shape[1], : pixels.shape[2]] = np.moveaxis(pixels, 0, 2)
        last = (
            event.step == event.steps and box.bottom >= self.size[0] and box.right >= self.size[1]
        )
        if last or time.monotonic() - self.written >= self.seconds:
            self.written = time.monotonic()
            self.write(Path(self.file))

    def write(self, file: Path) -> None:
        """The file, whole at every moment."""
        from PIL import Image

        beside = file.with_name(f".{file.name}.part")
        Image.fromarray(self.canvas).save(beside, "png")
        beside.replace(file)


PREVIEW = Preview(os.environ.get("RESTOREKIT_PREVIEW"))
