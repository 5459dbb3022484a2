"""Closed forms that the engine is measured against, written without its code."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from hypothesis import settings
from torch import Tensor

from restorekit.engine.path import PATHS, Coefficients, Path

few = settings(max_examples=25, deadline=None, derandomize=True)
"""Hypothesis for a busy machine: the same few examples each time."""

MEANS = torch.tensor([-1.0, 0.2, 1.1], dtype=torch.float64)
DEVIATIONS = torch.tensor([0.15, 0.3, 0.1], dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)


def mixture_mean(u: Tensor, alpha: float, sigma: float) -> Tensor:
    """E[x0 | α x0 + σ ε = u] for x0 of the three-Gaussian mixture of numbers.md."""
    variance = alpha**2 * DEVIATIONS**2 + sigma**2
    distance = u[..., None] - alpha * MEANS
    log_share = WEIGHTS.log() - 0.5 * variance.log() - 0.5 * distance**2 / variance
    share = torch.softmax(log_share, -1)
    means = MEANS + alpha * DEVIATIONS**2 / variance * distance
    return (share * means).sum(-1)


def noisy_paths() -> dict[str, Path]:
    """Every preset, with noise where it has none by default."""
    paths = {name: make() for name, make in PATHS.items()}
    paths["indi"] = PATHS["indi"](epsilon=0.2)
    return paths


def unshifted(path: Path) -> Path:
    """The same α and σ with γ = 0."""

    def coefficients(t: Tensor) -> Coefficients:
        alpha, gamma, sigma = path.coefficients(t)
        return Coefficients(alpha, torch.zeros_like(gamma), sigma)

    return Path(coefficients, path.posterior)


def images(
    count: int, *shape: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Standard normal images from a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=dtype) for _ in range(count)]


def vp_time(log_snr: float, beta_min: float = 0.1, beta_max: float = 20.0) -> float:
    """The time of VP at which log(α/σ) has a value: a quadratic equation in t."""
    # α² = 1/(1 + e^(−2λ)) and −log α² = ½ (β_max − β_min) t² + β_min t.
    total = math.log1p(math.exp(-2 * log_snr))
    slope = beta_max - beta_min
    return 2 * total / (beta_min + math.sqrt(beta_min**2 + 2 * slope * total))


def flow_time(log_snr: float, sigma: float = 0.1) -> float:
    """The time of the flow from the source at which log((1 − t)/(σ t)) has a value."""
    return 1 / (1 + sigma * math.exp(log_snr))


def forbidden_noise(step: int = 0) -> Tensor:
    """The noise source of steps that must not ask for any."""
    raise AssertionError("noise was asked for by a deterministic step")


def constant(x0: Tensor) -> Callable[[Tensor, float], Tensor]:
    """An estimate that knows x0."""

    def estimate(x: Tensor, t: float) -> Tensor:
        return x0.expand_as(x).clone()

    return estimate
