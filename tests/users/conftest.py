"""The fixtures that the tests of the outer layers share, and what these tests add to them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tasks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))

from outer_kit import fresh_plugins, model, photo, restorer, run, upscale
from plugin_makers import install
from task_kit import denoise_model, inpaint_model

__all__ = [
    "denoise_model",
    "fresh_plugins",
    "inpaint_model",
    "install",
    "model",
    "photo",
    "restorer",
    "run",
    "upscale",
]
