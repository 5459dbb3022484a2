"""Scores of methods: means with their intervals, as a table and as JSON with every protocol."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.metrics.added import Metric
from restorekit.metrics.protocol import Protocol, interval, protocol_for


@dataclass(frozen=True)
class Results:
    """Scores of methods: values[method][metric] is one number a case, in the cases' order.

    "flicker" has one fewer, since the first frame has none before it. added: those of the metrics that a
    plugin adds. about: what was scored (task,
    options, weights, data), as it stands in the JSON. pictures keeps what a report shows:
    pictures[case][method], (H, W, 3) uint8.
    """

    cases: tuple[str, ...]
    metrics: tuple[str, ...]
    scale: float
    values: Mapping[str, Mapping[str, Sequence[float]]]
    seconds: Mapping[str, float]
    not_run: tuple[str, ...] = ()
    pictures: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    added: Mapping[str, Metric] = field(default_factory=dict)

    def protocol(self, metric: str) -> Protocol | Metric:
        """What exactly a metric's scores mean."""
        return self.added.get(metric) or protocol_for(metric, whole(self.scale))

    def mean(self, method: str, metric: str) -> float:
        """Mean over the cases."""
        values = self.values[method][metric]
        return float(np.mean(values)) if len(values) else float("nan")

    def interval(self, method: str, metric: str) -> tuple[float, float]:
        """The 95 % interval of the mean over cases, of the values as the JSON has them."""
        return interval([round(value, 4) for value in self.values[method][metric]])

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, with the protocol of each metric, and where it was made."""
        return {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            **self.about,
            "cases": list(self.cases),
            "protocols": [self.protocol(metric).to_json() for metric in self.metrics],
            "not_run": list(self.not_run),
            "methods": {
                method: {
                    "seconds": round(self.seconds[method], 3),
                    **{m: self._record(method, m) for m in self.metrics},
                }
                for method in self.values
            },
        }

    def _record(self, method: str, metric: str) -> dict[str, Any]:
        return {
            "mean": finite(self.mean(method, metric)),
            "interval_95": [finite(end) for end in self.interval(method, metric)],
            "values": [finite(value) for value in self.values[method][metric]],
        }

    def rows(self) -> list[list[str]]:
        """A head, then a row a method, a cell a metric: the mean and half its 95 % interval."""
        rows = [["", *self.metrics]]
        for method in self.values:
            cells = (self._cell(method, metric) for metric in self.metrics)
            rows.append([method, *cells])
        return rows

    def _cell(self, method: str, metric: str) -> str:
        digits = 2 if self.protocol(metric).unit else 4  # of dB and levels, of shares
        low, high = self.interval(method, metric)
        spread = f" ±{(high - low) / 2:.{digits}f}" if np.isfinite(high - low) else ""
        return f"{self.mean(method, metric):.{digits}f}{spread}"

    def table(self) -> str:
        """`rows` as text."""
        return as_text(self.rows())


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = (cell.rjust(width + 2) for cell, width in zip(others, widths[1:], strict=True))
        lines.append(first.ljust(widths[0]) + "".join(cells))
    return "\n".join(lines)


def finite(value: float) -> float | None:
    """Four decimals; None for what JSON cannot hold, as the PSNR of equal pictures."""
    return round(float(value), 4) if np.isfinite(value) else None


def whole(scale: float) -> int:
    """The scale as a border in pixels, which is at least 1 for a protocol."""
    return max(1, round(scale))


def machine() -> dict[str, str]:
    """Processor, Python and the versions that decide a result."""
    import torch

    return {
        "processor": _processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": str(torch.get_num_threads()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
