"""What changed against a baseline: quality beyond its tolerance, speed beyond its bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from restorekit.evaluation import as_text

TOLERANCES = {"psnr-y": 0.02, "psnr": 0.02, "ssim-y": 0.001, "lpips": 0.002}
"""Results are the same bytes on one machine; other processors round elsewhere, by less than this."""


class Change(NamedTuple):
    """One figure that is not what it was; None where there is none."""

    where: str
    was: float | None
    found: float | None
    allowed: str


def changes(found: dict[str, Any], baseline: dict[str, Any]) -> list[Change]:
    """Every figure of the baseline that the run has not, or has with another value.

    A metric that the run could not compute, and says so, is passed over.
    """
    return [*_quality(found["quality"], baseline["quality"]), *_speed(found, baseline)]


def _quality(found: dict[str, Any], baseline: dict[str, Any]) -> Iterator[Change]:
    for suite, record in baseline.items():
        now = found.get(suite, {"methods": {}, "not_run": []})
        missing = {note.partition(":")[0] for note in now["not_run"]}
        for method, scores in record["methods"].items():
            for metric, tolerance in TOLERANCES.items():
                if metric not in scores or metric in missing:
                    continue
                was = scores[metric]["mean"]
                value = now["methods"].get(method, {}).get(metric, {"mean": None})["mean"]
                same = was == value if None in (was, value) else abs(was - value) <= tolerance
                if not same:
                    yield Change(f"{suite}, {method}, {metric}", was, value, f"± {tolerance}")


def _speed(found: dict[str, Any], baseline: dict[str, Any]) -> Iterator[Change]:
    for name, bar in baseline.get("bars", {}).items():
        piece, key = name.split(".")
        value = found["speed"].get(piece, {}).get(key)
        if value is None or value > bar:
            was = baseline["speed"].get(piece, {}).get(key)
            yield Change(name, was, value, f"≤ {bar}")


def table(changed: Sequence[Change]) -> str:
    """The changes, a line each."""

    def cell(value: float | None) -> str:
        return "none" if value is None else f"{value:.4f}"

    rows = [["what fell", "was", "is", "allowed"]]
    rows += [[c.where, cell(c.was), cell(c.found), c.allowed] for c in changed]
    return as_text(rows)
