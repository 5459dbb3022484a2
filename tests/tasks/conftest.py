"""The fixtures that the tests of the outer layers share; they live in tests/jobs/outer_kit.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from outer_kit import fresh_plugins, model, photo, restorer, run, upscale
from task_kit import denoise_model, inpaint_model

__all__ = [
    "denoise_model",
    "fresh_plugins",
    "inpaint_model",
    "model",
    "photo",
    "restorer",
    "run",
    "upscale",
]
