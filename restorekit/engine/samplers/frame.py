"""What every sampler is made of: states, the coefficients of a step, and the one transfer.

A sampler is a pure pair `init`, `step` on u_t = x_t − γ_t y, an ordinary diffusion of (α, σ): each
method of the literature is written once and serves every restoration path. Where a path has no noise
at all, γ plays σ's part and nothing is shifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import torch
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
    """From the state at t to the state at s. How often it calls the estimate, t and s decide alone."""

    def __call__(
        self,
        estimate: Estimate,
        path: Path,
        y: Tensor,
        state: State,
        t: float,
        s: float,
        noise: Noise,
        /,
    ) -> State:
        """The state at s."""
        ...


class Sampler(NamedTuple):
    """A method: its first state, its step, and how often a step calls the denoiser at most.

    A step to the clean image (σ_s = 0) calls it once.
    """

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
    noisy: bool = True

    @property
    def log_snr_t(self) -> float:
        """λ = log(α/level) at t; −∞ where α is 0."""
        return math.log(self.alpha_t / self.level_t) if self.alpha_t else -math.inf

    @property
    def log_snr_s(self) -> float:
        """λ at s; ∞ where the level is 0."""
        return math.log(self.alpha_s / self.level_s) if self.level_s else math.inf

    @property
    def log_snr_gain(self) -> float:
        """h = λ_s − λ_t."""
        return self.log_snr_s - self.log_snr_t

    @property
    def starts_finite(self) -> bool:
        """Whether λ_t is finite: neither the pure noise of α = 0 nor a bridge's start."""
        return self.alpha_t > 0 and self.level_t > 0

    @property
    def finite(self) -> bool:
        """Whether λ is finite at both ends; elsewhere a step is of first order."""
        return self.starts_finite and self.alpha_s > 0 and self.level_s > 0

    def forward(self) -> tuple[float, float]:
        """(a, d) with u_s = a u_t + d z for s ≥ t: a = α_s/α_t, d² = σ_s² − a² σ_t² (Ho 2020, eq. 2)."""
        a = self.alpha_s / self.alpha_t
        return a, math.sqrt(max(self.level_s**2 - (a * self.level_t) ** 2, 0.0)) * self.noisy


def frame(path: Path, t: float, s: float) -> Frame:
    """The coefficients of a step, in float64."""
    alpha_t, gamma_t, sigma_t = (float(c) for c in path.at(t))
    alpha_s, gamma_s, sigma_s = (float(c) for c in path.at(s))
    if sigma_t == 0 and sigma_s == 0:
        return Frame(alpha_t, gamma_t, alpha_s, gamma_s, 0.0, 0.0, noisy=False)
    return Frame(alpha_t, sigma_t, alpha_s, sigma_s, gamma_t, gamma_s)


Weighted = tuple[float, Tensor]
"""A number and the tensor that it multiplies."""

NoiseIn = tuple[Tensor, float, float]
"""ε̂ = (x_t − α_t x̂0 − γ_t y)/σ_t as x_t − α_t x̂0, σ_t and γ_t, so that it takes one pass."""

_NOTHING = 1e-12  # what rounding leaves of a coefficient that is 0


def combined(parts: Iterable[Weighted]) -> Tensor:
    """Σ weight · tensor, one pass over memory for each of them; nothing that is given is written to.

    Weights of 0 cost nothing, and a lone tensor of weight 1 is itself the answer.
    """
    (weight, first), *others = [part for part in parts if abs(part[0]) > _NOTHING]
    total = first if weight == 1 else first * weight
    for number, (factor, tensor) in enumerate(others):
        given = number == 0 and weight == 1
        new = given or total.requires_grad or tensor.requires_grad
        total = torch.add(total, tensor, alpha=factor, out=None if new else total)
    return total


def moved(
    f: Frame,
    x: Tensor,
    y: Tensor,
    kept: float,
    images: Iterable[Weighted] = (),
    fresh: float = 0.0,
    noise: Noise | None = None,
    share_y: float = 0.0,
) -> Tensor:
    """x_s with u_s = `kept` u_t + Σ weight · image + `fresh` z + share_y y: every sampler's step."""
    drawn = [(fresh, noise())] if fresh and noise else []
    return combined([*images, (kept, x), (f.shift_s - kept * f.shift_t + share_y, y), *drawn])


def transfer(
    f: Frame,
    x: Tensor,
    y: Tensor,
    x0: Tensor | Iterable[Weighted],
    fresh: float = 0.0,
    noise: Noise | None = None,
) -> Tensor:
    """x_s with u_s = α_s x0 + √(σ_s² − τ²) ε̂ + τ z, ε̂ = (u_t − α_t x0)/σ_t, τ = `fresh`.

    The generic step for an x0, or for a weighted sum of several.
    """
    # ε̂ has no meaning where nothing was added yet: a bridge starts at y itself.
    kept = math.sqrt(max(f.level_s**2 - fresh**2, 0.0)) / f.level_t if f.level_t else 0.0
    gain = f.alpha_s - kept * f.alpha_t
    images = [(1.0, x0)] if isinstance(x0, Tensor) else x0
    return moved(f, x, y, kept, [(gain * w, image) for w, image in images], fresh, noise)


def transfer_noise(
    f: Frame, x: Tensor, y: Tensor, x0: Tensor, noises: Iterable[tuple[float, NoiseIn]]
) -> Tensor:
    """x_s with u_s = α_s (u_t − σ_t ε)/α_t + σ_s ε, ε = Σ weight · noise, of weights that add to 1.

    The first noise is x0's own: what ε changes of it alone loses digits where α_t is small.
    """
    (weight, _), *others = noises
    gain = f.level_s - f.level_t * f.alpha_s / f.alpha_t
    kept = (f.level_s + gain * (weight - 1)) / f.level_t
    images = [(gain * w / level, residual) for w, (residual, level, _) in others]
    share = sum(w * shift / level for w, (_, level, shift) in others)
    return moved(
        f, x, y, kept, [(f.alpha_s - kept * f.alpha_t, x0), *images], share_y=-gain * share
    )


def noise_in(f: Frame, x: Tensor, x0: Tensor) -> NoiseIn:
    """The noise in x_t if x0 is the image; σ_t is not 0."""
    return combined([(1.0, x), (-f.alpha_t, x0)]), f.level_t, f.shift_t
