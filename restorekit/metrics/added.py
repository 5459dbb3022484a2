"""A metric that a plugin adds, measured and recorded beside the named ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from restorekit.errors import PluginError, RestoreError
from restorekit.metrics.checks import Picture
from restorekit.metrics.protocol import Beside


@dataclass(frozen=True)
class Metric:
    """A metric that a plugin adds.

    name: the word for `--metrics`. score: result and reference, two pictures of one shape (H, W, 3),
    uint8, → the score. label: the name in words, with what decides it. unit: "dB", or "". by: who
    computes it; restorekit says it.
    """

    name: str
    score: Callable[[Picture, Picture], float]
    label: str
    unit: str = ""
    higher_is_better: bool = False
    by: str = ""
    needs = ""  # beside the pictures, as `Protocol.needs`

    def measure(self, result: Picture, reference: Picture, beside: Beside | None = None) -> float:  # noqa: ARG002
        """The score; PluginError, naming who computes it, where it cannot be computed."""
        try:
            return float(self.score(result, reference))
        except RestoreError:
            raise
        except Exception as error:
            raise PluginError(
                f"plugin {self.by}: metric {self.name} fails: {type(error).__name__}: {error}"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Its name, what it is in words, and who computes it."""
        words = ("name", "label", "unit", "higher_is_better")
        return {word: getattr(self, word) for word in words} | {"implementation": self.by}
