"""The forward chain step by step, its posterior, and the variances of the reverse chain.

q(x_t | x_s) composed over any grid has the law of the path, and q(x_s | x_t, x0, y) is what the
ancestral step draws from (Ho 2020, eq. 2 to 7; for paths with a source, of u_t = x_t − γ_t y).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers import Estimate, Noise, State, Step, frame, transfer
from restorekit.engine.samplers.frame import moved


def betas_of(path: Path, steps: int) -> Tensor:
    """β_i = 1 − ᾱ_i/ᾱ_{i−1} of a path cut into equal steps, (steps,) float64; `from_betas` undoes it."""
    alpha = path.at(torch.linspace(0, 1, steps + 1, dtype=torch.float64)).alpha
    return 1 - (alpha[1:] / alpha[:-1]) ** 2


def transition(path: Path, s: float, t: float) -> tuple[float, float]:
    """(a, d) with u_t = a u_s + d z for s ≤ t: a = α_t/α_s, d² = σ_t² − a² σ_s²."""
    return frame(path, s, t).forward()


def added_noise(path: Path, s: float, t: float) -> float:
    """The deviation of the noise that the path's own chain adds from s to t ≥ s."""
    if path.posterior == "markov":
        return transition(path, s, t)[1]
    return math.sqrt(max(float(path.at(t).sigma) ** 2 - float(path.at(s).sigma) ** 2, 0.0))


def forward_step(
    path: Path, x_s: Tensor, x0: Tensor, y: Tensor, s: float, t: float, noise: Tensor
) -> Tensor:
    """A draw of q(x_t | x_s, x0, y) for s ≤ t by the path's own chain.

    "markov": u_t = a u_s + d z, which needs no x0 (Ho 2020, eq. 2). "shift": x_t is x_s, moved from x0
    to y as the path moves, with independent noise (Yue 2023, eq. 1).
    """
    if path.posterior == "markov":
        f = frame(path, s, t)
        a, d = f.forward()
        return moved(f, x_s, y, a, (), d, lambda: noise)
    alpha_t, gamma_t, _ = (float(c) for c in path.at(t))
    alpha_s, gamma_s, _ = (float(c) for c in path.at(s))
    added = added_noise(path, s, t)
    return x_s + (alpha_t - alpha_s) * x0 + (gamma_t - gamma_s) * y + added * noise


def posterior(
    path: Path, x_t: Tensor, x0: Tensor, y: Tensor, t: float, s: float
) -> tuple[Tensor, float]:
    """(mean, deviation) of q(x_s | x_t, x0, y) for s < t (Ho 2020, eq. 6 and 7; Yue 2023, eq. 7)."""
    deviation = float(path.fresh_noise(t, s))
    return transfer(frame(path, t, s), x_t, y, x0, deviation), deviation


def learned_variance(path: Path, v: Tensor, t: float, s: float) -> Tensor:
    """Σ(x_t, t) = exp(w log d² + (1 − w) log τ²), w = (v + 1)/2 (Nichol 2021, eq. 15), of v's shape.

    v: the network's second answer, in [−1, 1]. d² is the variance of q(x_t | x_s) (β_t), τ² that of
    the posterior (β̃_t); s is above 0, as τ² is 0 there.
    """
    upper = added_noise(path, s, t)
    lower = float(path.fresh_noise(t, s))
    weight = (v + 1) / 2
    return torch.exp(2 * (weight * math.log(upper) + (1 - weight) * math.log(lower)))


Variance = Callable[[Tensor, float, float], Tensor]
"""(x_t, t, s) → Σ, the variance of a reverse step, of x_t's shape."""


def ancestral_with(variance: Variance) -> Step:
    """The ancestral step with a variance of one's own: learned (Nichol 2021), or β_t (Ho 2020, 3.2)."""

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        mean, deviation = posterior(path, state.x, estimate(state.x, t), y, t, s)
        if not deviation:
            return State(mean)
        return State(mean + variance(state.x, t, s).sqrt() * noise())

    return step
