"""The fixtures that the tests of the outer layers share, and plugins made by hand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))

from outer_kit import fresh_plugins, model, run
from plugin_makers import install

__all__ = ["fresh_plugins", "install", "model", "run"]
