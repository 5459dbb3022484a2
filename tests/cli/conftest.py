"""The fixtures that the tests of the outer layers share; they live in tests/jobs/outer_kit.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))

from outer_kit import denoise_render, fresh_plugins, inpaint, model, photo, restorer, run, upscale

__all__ = [
    "denoise_render",
    "fresh_plugins",
    "inpaint",
    "model",
    "photo",
    "restorer",
    "run",
    "upscale",
]
