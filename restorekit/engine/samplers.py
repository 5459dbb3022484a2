"""Samplers: pure pairs `init`, `step` on u_t = x_t − γ_t y, an ordinary diffusion of (α, σ).

Each method of the literature is written once, for (α, σ), and serves every restoration path. Where a
path has no noise at all, γ plays σ's part and nothing is shifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from restorekit.engine.path import Path


class State(NamedTuple):
    """x_t and what a multi-step method remembers."""

    x: Tensor
    memory: tuple[Any, ...] = ()


Estimate = Callable[[Tensor, float], Tensor]
"""(x_t, t) → x̂0: the denoiser with its condition, tiles and corrections inside."""

Noise = Callable[[], Tensor]
"""Fresh standard normal noise of x's shape; not called by a step that needs none."""


class Step(Protocol):
    """From the state at t to the state at s < t."""

    def __call__(
        self,
        estimate: Estimate,
        path: Path,
        y: Tensor,
        state: State,
        t: float,
        s: float,
        noise: Noise,
    ) -> State:
        """The state at s."""
        ...


class Sampler(NamedTuple):
    """A method: its first state, its step, and how often a step calls the denoiser."""

    init: Callable[[Tensor], State]
    step: Step
    evaluations: int = 1


class Frame(NamedTuple):
    """α and the level (σ, or γ on a path without noise) at both ends of a step, and y's shares."""

    alpha_t: float
    level_t: float
    alpha_s: float
    level_s: float
    shift_t: float
    shift_s: float

    @property
    def log_snr_t(self) -> float:
        """λ = log(α/level) at t; −∞ where α is 0."""
        return math.log(self.alpha_t / self.level_t) if self.alpha_t else -math.inf

    @property
    def log_snr_s(self) -> float:
        """λ at s; ∞ where the level is 0."""
        return math.log(self.alpha_s / self.level_s) if self.level_s else math.inf


def frame(path: Path, t: float, s: float) -> Frame:
    """The coefficients of a step, in float64."""
    alpha_t, gamma_t, sigma_t = (float(c) for c in path.at(t))
    alpha_s, gamma_s, sigma_s = (float(c) for c in path.at(s))
    if sigma_t == 0 and sigma_s == 0:
        return Frame(alpha_t, gamma_t, alpha_s, gamma_s, 0.0, 0.0)
    return Frame(alpha_t, sigma_t, alpha_s, sigma_s, gamma_t, gamma_s)


def ddim_step(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    state: State,
    t: float,
    s: float,
    noise: Noise,
    *,
    eta: float = 0.0,
) -> State:
    """u_s = α_s x̂0 + √(σ_s² − τ²) ε̂ + τ z, ε̂ = (u_t − α_t x̂0)/σ_t, τ = η × the path's fresh noise.

    η = 0: DDIM (Song 2021, eq. 12), Euler on the probability-flow ODE. η = 1: the ancestral step —
    DDPM's, I2SB's, IR-SDE's and, by its path's own τ, ResShift's posterior.
    """
    x0_hat = estimate(state.x, t)
    f = frame(path, t, s)
    fresh = eta * float(path.fresh_noise(t, s)) if eta else 0.0
    # ε̂ has no meaning where nothing was added yet: a bridge starts at y itself.
    kept = math.sqrt(max(f.level_s**2 - fresh**2, 0.0)) / f.level_t if f.level_t else 0.0
    x_s = x0_hat * (f.alpha_s - kept * f.alpha_t)
    if kept:
        x_s = x_s.add_(state.x, alpha=kept)
    shift = f.shift_s - kept * f.shift_t
    if shift:
        x_s = x_s.add_(y, alpha=shift)
    if fresh:
        x_s = x_s.add_(noise(), alpha=fresh)
    return State(x_s)


def heun_step(
    estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
) -> State:
    """Heun's second-order step in σ/α (Karras 2022, algorithm 1), on u/α.

    The last step, and the first where α = 0, are Euler's.
    """
    seen: list[Tensor] = []

    def remembering(x: Tensor, time: float) -> Tensor:
        seen.append(estimate(x, time))
        return seen[-1]

    euler = ddim_step(remembering, path, y, state, t, s, noise)
    f = frame(path, t, s)
    if f.level_s == 0 or f.alpha_t == 0:
        return euler
    from_t, from_s = f.level_t / f.alpha_t, f.level_s / f.alpha_s
    u_t = (state.x - f.shift_t * y) / f.alpha_t
    u_s = (euler.x - f.shift_s * y) / f.alpha_s
    slope = (u_t - seen[0]) / from_t + (u_s - estimate(euler.x, s)) / from_s
    return State((u_t + (from_s - from_t) / 2 * slope) * f.alpha_s + f.shift_s * y)


def dpm_solver_pp_2m_step(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    state: State,
    t: float,
    s: float,
    noise: Noise,  # noqa: ARG001 (a step's call form)
) -> State:
    """DPM-Solver++(2M): second-order multi-step in λ on x̂0 (Lu 2022, algorithm 2).

    The first and the last step (where λ is infinite) are first-order.
    """
    x0_hat = estimate(state.x, t)
    f = frame(path, t, s)
    target = x0_hat
    if state.memory and f.level_s:
        previous, log_snr_before = state.memory
        ratio = (f.log_snr_t - log_snr_before) / (f.log_snr_s - f.log_snr_t)
        target = x0_hat + (x0_hat - previous) / (2 * ratio)
    kept = f.level_s / f.level_t if f.level_t else 0.0
    u_s = kept * (state.x - f.shift_t * y) + (f.alpha_s - kept * f.alpha_t) * target
    return State(u_s + f.shift_s * y, (x0_hat, f.log_snr_t))


SAMPLERS: Mapping[str, Sampler] = {
    "ddim": Sampler(State, ddim_step),
    "ancestral": Sampler(State, partial(ddim_step, eta=1.0)),
    "heun": Sampler(State, heun_step, evaluations=2),
    "dpm++2m": Sampler(State, dpm_solver_pp_2m_step),
}
