"""Scoring methods on pictures whose truth is known: cases, methods, results with their protocol."""

from __future__ import annotations

import datetime
import math
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.errors import ModelError, UsageError
from restorekit.images import Picture, from_array, quantise, read
from restorekit.images.formats import is_image_suffix
from restorekit.metrics.protocol import interval, protocol_for, score

Method = Callable[[Picture, tuple[int, int]], np.ndarray]
"""(degraded picture, (height, width) of the result) → (height, width, 3) uint8."""


@dataclass(frozen=True)
class Case:
    """A degraded picture and its truth, (H, W, 3) uint8."""

    name: str
    degraded: Picture
    truth: np.ndarray


@dataclass(frozen=True)
class Results:
    """Scores of methods: values[method][metric] is one number a case, in the cases' order.

    pictures keeps what a report shows: pictures[case][method], (H, W, 3) uint8.
    """

    cases: tuple[str, ...]
    metrics: tuple[str, ...]
    scale: float
    values: Mapping[str, Mapping[str, Sequence[float]]]
    seconds: Mapping[str, float]
    not_run: tuple[str, ...] = ()
    pictures: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def mean(self, method: str, metric: str) -> float:
        """Mean over the cases."""
        return float(np.mean(self.values[method][metric]))

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, with the protocol of each metric, and where it was made."""
        return {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "cases": list(self.cases),
            "protocols": [protocol_for(m, _whole(self.scale)).to_json() for m in self.metrics],
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
        values = self.values[method][metric]
        return {
            "mean": _finite(self.mean(method, metric)),
            "interval_95": [_finite(end) for end in interval([round(v, 4) for v in values])],
            "values": [_finite(value) for value in values],
        }

    def table(self) -> str:
        """A row a method, a column a metric: the mean and half its 95 % interval."""
        width = max(len(method) for method in self.values) + 2
        lines = [" " * width + "".join(f"{metric:>18}" for metric in self.metrics)]
        for method in self.values:
            cells = []
            for metric in self.metrics:
                low, high = interval(self.values[method][metric])
                digits = 2 if "psnr" in metric else 4
                spread = f" ±{(high - low) / 2:.{digits}f}" if np.isfinite(high - low) else ""
                cells.append(f"{self.mean(method, metric):.{digits}f}{spread}".rjust(18))
            lines.append(method.ljust(width) + "".join(cells))
        return "\n".join(lines)


def _finite(value: float) -> float | None:
    """Four decimals; None for what JSON cannot hold, as the PSNR of equal pictures."""
    return round(float(value), 4) if np.isfinite(value) else None


def _whole(scale: float) -> int:
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


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name; UsageError where there is none."""
    files = [p for p in folder.glob("*") if p.is_file() and not p.name.startswith(".")]
    found = sorted(path for path in files if is_image_suffix(path))
    if not found:
        raise UsageError(f"no pictures in {folder}")
    return found


def as_rgb(picture: Picture) -> np.ndarray:
    """(H, W, 3) uint8; grey is repeated, transparency left out."""
    color = quantise(picture.color, 8)
    return np.repeat(color, 3, 2) if color.shape[2] == 1 else color


def given_cases(truths: Path, inputs: Path) -> Iterator[Case]:
    """Cases from two folders with equal names; truths are cut at the right and bottom later."""
    for path in pictures_in(inputs):
        truth = truths / path.name
        if not truth.exists():
            raise UsageError(f"{inputs} has {path.name} but {truths} has not")
        yield Case(path.stem, read(path), as_rgb(read(truth)))


def degraded_cases(
    truths: Iterable[tuple[str, np.ndarray]], hooks: Any, options: Mapping[str, Any]
) -> Iterator[Case]:
    """Cases made by the task's own degradation, seeded by the case's number."""
    import torch

    for number, (name, truth) in enumerate(truths):
        clean = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        inputs = hooks.restorekit_degrade(clean=clean, options=options, seed=number)
        low = next(iter(inputs.values()))[0].permute(1, 2, 0).add(1).div(2).clamp(0, 1)
        yield Case(name, from_array(quantise(low.numpy(), 8)), truth)


def resized_by(kernel: str) -> Method:
    """A baseline: the input resampled to the result's size by "bicubic" or "lanczos"."""

    def method(picture: Picture, size: tuple[int, int]) -> np.ndarray:
        from restorekit.engine.resample import resample
        from restorekit.jobs.restorer import to_samples, to_tensor

        return to_samples(resample(to_tensor(as_rgb(picture)), size, kernel=kernel), 8)

    return method


def _result_size(case: Case, scale: float) -> tuple[int, int]:
    """(height, width) of the result as far as its truth goes; UsageError where they are far apart."""
    low, truth = (case.degraded.height, case.degraded.width), case.truth.shape[:2]
    full = tuple(max(1, math.floor(scale * side + 0.5)) for side in low)
    if any(abs(f - t) > max(scale, 1) for f, t in zip(full, truth, strict=True)):
        raise UsageError(
            f"{case.name}: {scale:g} times the input is {full[1]} x {full[0]} and its truth is "
            f"{truth[1]} x {truth[0]} (width x height); give the --scale they differ by"
        )
    return min(full[0], truth[0]), min(full[1], truth[1])


BASELINES: Mapping[str, Method] = {
    "bicubic": resized_by("bicubic"),
    "lanczos": resized_by("lanczos"),
}


def _nobody(case: str, method: str) -> None:
    """Tell of progress to nobody."""


def evaluate(
    cases: Iterable[Case],
    methods: Mapping[str, Method],
    metrics: Sequence[str],
    *,
    scale: float = 1.0,
    keep: int = 0,
    tell: Callable[[str, str], None] = _nobody,
) -> Results:
    """Every method on every case, on the 8-bit result, the truth cut to its size from the top left.

    scale: sets the border that the -y metrics leave out. keep: cases whose pictures are kept. A
    metric whose weights are missing is listed as not run.
    """
    names, kept = [], {}
    values: dict[str, dict[str, list[float]]] = {m: {k: [] for k in metrics} for m in methods}
    seconds = dict.fromkeys(methods, 0.0)
    missing: dict[str, str] = {}
    for case in cases:
        names.append(case.name)
        shown = {"truth": case.truth}
        size = _result_size(case, scale)
        for method, function in methods.items():
            tell(case.name, method)
            started = time.perf_counter()
            result = function(case.degraded, size)
            seconds[method] += time.perf_counter() - started
            truth = case.truth[: result.shape[0], : result.shape[1]]
            result = result[: truth.shape[0], : truth.shape[1]]
            for metric in metrics:
                if metric not in missing:
                    try:
                        value = score(metric, result, truth, scale=_whole(scale))
                        values[method][metric].append(value)
                    except ModelError as error:
                        missing[metric] = str(error)
                    except UsageError as error:  # too small for a metric, as a rule
                        raise UsageError(f"{case.name}: {error}") from error
            shown[method] = result
        if len(kept) < keep:
            kept[case.name] = shown
    ran = tuple(metric for metric in metrics if metric not in missing)
    notes = tuple(f"{metric}: {reason}" for metric, reason in missing.items())
    return Results(tuple(names), ran, scale, values, seconds, notes, kept)
