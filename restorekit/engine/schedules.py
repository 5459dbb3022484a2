"""The grids of times that a sampler visits: decreasing, ending in 0."""

from __future__ import annotations

import math

import torch

from restorekit.engine.path import Path


def uniform_times(steps: int, start: float = 1.0) -> list[float]:
    """steps + 1 times from `start` to 0, evenly spaced."""
    return [start * (steps - i) / steps for i in range(steps + 1)]


def log_snr(path: Path, t: float) -> float:
    """λ = log(α/σ) at t; −∞ where α is 0 (a bridge's start too), else ∞ where σ is 0."""
    alpha, _, sigma = (float(c) for c in path.at(t))
    if sigma == 0 or alpha == 0:
        return -math.inf if alpha == 0 else math.inf
    return math.log(alpha / sigma)


def log_snr_times(path: Path, steps: int, low: float, high: float) -> list[float]:
    """steps + 1 times whose λ = log(α/σ) runs evenly from `low` to `high` (DPM-Solver's grid)."""
    grid = torch.linspace(low, high, steps + 1, dtype=torch.float64).tolist()
    return [time_of_log_snr(path, value) for value in grid]


def time_of_log_snr(path: Path, target: float) -> float:
    """The time in [0, 1] at which λ = log(α/σ) has a value, by bisection; λ falls with t."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if log_snr(path, middle) > target:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
