"""The fixtures that the tests of the outer layers share; they live in tests/jobs/outer_kit.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))

from outer_kit import fresh_plugins, model, photo, restorer, run, upscale

__all__ = ["fresh_plugins", "model", "photo", "restorer", "run", "upscale"]
