"""The grids of times that a sampler visits: all end in 0, where the image is clean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from restorekit.engine.path import Path

_FIRST = 1e-12  # the least time above 0, where a path may begin with a leap


def uniform_times(steps: int, start: float = 1.0) -> list[float]:
    """steps + 1 times from `start` to 0, evenly spaced."""
    return [start * (steps - i) / steps for i in range(steps + 1)]


def quadratic_times(steps: int, start: float = 1.0) -> list[float]:
    """steps + 1 times whose roots are evenly spaced: DDIM's quadratic sub-sequence (Song 2021, D.2)."""
    return [start * ((steps - i) / steps) ** 2 for i in range(steps + 1)]


def log_snr_times(path: Path, steps: int, low: float, high: float) -> list[float]:
    """steps + 1 times: λ = log(α/σ) runs evenly from `low` to `high` (DPM-Solver's grid), then 0.

    They are the path's own ends where those are nearer together.
    """
    low, high = max(low, log_snr(path, 1.0)), min(high, log_snr(path, _FIRST))
    grid = torch.linspace(low, high, steps, dtype=torch.float64).tolist()
    return [*(time_of_log_snr(path, value) for value in grid), 0.0]


def karras_times(
    path: Path, steps: int, *, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> list[float]:
    """steps + 1 times: σ/α falls from `sigma_max` to `sigma_min` evenly in its ρ-th root, then 0.

    Karras 2022, eq. 5. They are the path's own ends where those are nearer together.
    """
    sigma_max = min(sigma_max, math.exp(-log_snr(path, 1.0)))
    sigma_min = max(sigma_min, math.exp(-log_snr(path, _FIRST)))
    first, last = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    roots = torch.linspace(first, last, steps, dtype=torch.float64).tolist()
    return [*(time_of_log_snr(path, -rho * math.log(root)) for root in roots), 0.0]


def resshift_times(steps: int) -> list[float]:
    """steps + 1 times, of two steps or more: `resshift` has there the √η of Yue 2023, eq. 10; then 0."""
    return [1 - i / (steps - 1) for i in range(steps - 1)] + [_FIRST, 0.0]


def repeated(times: Sequence[float], count: int) -> list[float]:
    """Every time but the last `count` times over: a step from t to t is a corrector's.

    The grid of annealed Langevin dynamics and of predictor–corrector sampling.
    """
    return [t for t in times[:-1] for _ in range(count)] + [times[-1]]


def repaint_times(times: Sequence[float], *, jump: int = 10, resamples: int = 10) -> list[float]:
    """The times with jumps back: from the last but one, and every `jump` before it, `resamples` in all.

    RePaint's walk (Lugmayr 2022, appendix B and its code); a step to a greater t adds noise again.
    """
    walk, last = [times[0]], len(times) - 1
    left = dict.fromkeys(range(last - 1, jump - 1, -jump), resamples - 1)
    place = 0
    while place < last:
        place += 1
        walk.append(times[place])
        if left.get(place, 0) > 0:
            left[place] -= 1
            place -= jump
            walk.append(times[place])
    return walk


def log_snr(path: Path, t: float) -> float:
    """λ = log(α/σ) at t; −∞ where α is 0 (a bridge's start too), else ∞ where σ is 0."""
    alpha, _, sigma = (float(c) for c in path.at(t))
    if sigma == 0 or alpha == 0:
        return -math.inf if alpha == 0 else math.inf
    return math.log(alpha / sigma)


def time_of_log_snr(path: Path, target: float) -> float:
    """The time in [0, 1] at which λ = log(α/σ) has a value; λ falls with t."""
    return float(times_of_log_snr(path, torch.tensor([target], dtype=torch.float64)))


def times_of_log_snr(path: Path, targets: Tensor) -> Tensor:
    """`time_of_log_snr` of many values, (N,) float64. Without noise γ plays σ's part.

    Each round looks at the ends of 64 equal parts of what is left, in one call of the path.
    """
    ratio = targets.double().clamp(-700, 700).exp()[:, None]
    low, width = torch.zeros_like(ratio), torch.ones_like(ratio)
    parts = torch.linspace(0, 1, 65, dtype=torch.float64, device=targets.device)
    for _ in range(9):
        alpha, gamma, sigma = path.at(low + width * parts)
        level = sigma if sigma.any() else gamma
        above = (alpha > level * ratio).sum(1, keepdim=True).sub(1).clamp(0, 63)
        low, width = low + width * parts[above], width / 64
    return (low + width / 2)[:, 0]
