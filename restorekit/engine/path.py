"""The family q(x_t | x0, y) = N(α_t x0 + γ_t y, σ_t² I) that every method of restorekit is written on.

Time runs over [0, 1]: 0 is the clean image, 1 is where sampling starts. Coefficients are computed in
float64 and cast once, at the tensor they multiply. A published system is one row of `PATHS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Coefficients(NamedTuple):
    """α, γ, σ at some times; float64 tensors of the shape of t."""

    alpha: Tensor
    gamma: Tensor
    sigma: Tensor


@dataclass(frozen=True)
class Path:
    """Three functions of time, and how much of a step's noise is fresh at η = 1.

    `posterior` is "markov" where u_t = x_t − γ_t y is a Markov chain of (α, σ), so that the ancestral
    step is its posterior (DDPM, I2SB, IR-SDE), or "shift" where σ² and γ grow together and the chain
    is Markov in x_t (ResShift, InDI). `name` and `parameters` write a path into a model's card.
    """

    coefficients: Callable[[Tensor], Coefficients]
    posterior: str = "markov"
    name: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)

    def at(self, t: Tensor | float) -> Coefficients:
        """α, γ, σ at times t in [0, 1], as float64 tensors of t's shape and device."""
        return self.coefficients(torch.as_tensor(t, dtype=torch.float64))

    def marginal(self, x0: Tensor, y: Tensor, t: Tensor | float, noise: Tensor) -> Tensor:
        """A draw of x_t: α_t x0 + γ_t y + σ_t noise, for images (N, C, H, W) and t a number or (N,)."""
        alpha, gamma, sigma = (broadcast(c, x0) for c in self.at(t))
        return alpha * x0 + gamma * y + sigma * noise

    def fresh_noise(self, t: Tensor | float, s: Tensor | float) -> Tensor:
        """τ at η = 1: the deviation of the fresh noise in the ancestral step from t to s < t.

        "markov": σ_s √(1 − (α_t σ_s)² / (α_s σ_t)²), DDPM's posterior deviation (Ho 2020, eq. 7).
        "shift": σ_s √(1 − σ_s² / σ_t²), ResShift's (Yue 2023, eq. 7) and InDI's. From σ_t = 0,
        where a bridge starts, all of σ_s is fresh.
        """
        alpha_t, _, sigma_t = self.at(t)
        alpha_s, _, sigma_s = self.at(s)
        if float(sigma_t) == 0.0 or float(sigma_s) == 0.0:
            return sigma_s
        kept = sigma_s / sigma_t
        if self.posterior == "markov":
            kept = kept * alpha_t / alpha_s
        return sigma_s * (1 - kept**2).clamp(min=0).sqrt()


def broadcast(coefficient: Tensor, like: Tensor) -> Tensor:
    """A coefficient of shape () or (N,) ready to multiply images (N, C, H, W), in their dtype."""
    value = coefficient.to(device=like.device, dtype=like.dtype)
    return value.reshape(-1, *([1] * (like.ndim - 1))) if value.ndim else value


def _path(
    name: str,
    alpha: Callable[[Tensor], Tensor],
    gamma: Callable[[Tensor], Tensor],
    sigma: Callable[[Tensor], Tensor],
    /,
    *,
    posterior: str = "markov",
    **parameters: float,
) -> Path:
    def coefficients(t: Tensor) -> Coefficients:
        return Coefficients(alpha(t), gamma(t), sigma(t))

    return Path(coefficients, posterior, name, parameters)


def _zero(t: Tensor) -> Tensor:
    return torch.zeros_like(t)


def _alpha_bar_cosine(t: Tensor) -> Tensor:
    return torch.cos(0.5 * math.pi * t * 0.9999) ** 2


def vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Variance preserving with linear β (DDPM in continuous time; Song 2021, eq. 33)."""

    def alpha_bar(t: Tensor) -> Tensor:
        return torch.exp(-0.5 * t**2 * (beta_max - beta_min) - t * beta_min)

    return _path(
        "vp",
        lambda t: alpha_bar(t).sqrt(),
        _zero,
        lambda t: (1 - alpha_bar(t)).sqrt(),
        beta_min=beta_min,
        beta_max=beta_max,
    )


def vp_cosine() -> Path:
    """Variance preserving with ᾱ = cos²(πt/2) (Nichol 2021, without the offset)."""
    return _path(
        "vp_cosine",
        lambda t: _alpha_bar_cosine(t).sqrt(),
        _zero,
        lambda t: (1 - _alpha_bar_cosine(t)).sqrt(),
    )


def sub_vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Sub-VP: VP's mean with σ = 1 − ᾱ (Song 2021, eq. 29)."""

    def alpha_bar(t: Tensor) -> Tensor:
        return torch.exp(-0.5 * t**2 * (beta_max - beta_min) - t * beta_min)

    return _path(
        "sub_vp",
        lambda t: alpha_bar(t).sqrt(),
        _zero,
        lambda t: 1 - alpha_bar(t),
        beta_min=beta_min,
        beta_max=beta_max,
    )


def edm(*, sigma_max: float = 80.0) -> Path:
    """Variance exploding with σ(t) = σ_max t (Karras 2022)."""
    return _path("edm", torch.ones_like, _zero, lambda t: sigma_max * t, sigma_max=sigma_max)


def rectified_flow() -> Path:
    """Straight lines from noise to image: α = 1 − t, σ = t (Liu 2022, Lipman 2022)."""
    return _path("rectified_flow", lambda t: 1 - t, _zero, lambda t: t)


def srdiff() -> Path:
    """Diffusion of the residual to the up-sampled image (Li 2021): VP shifted to y."""
    return _path(
        "srdiff",
        lambda t: _alpha_bar_cosine(t).sqrt(),
        lambda t: 1 - _alpha_bar_cosine(t).sqrt(),
        lambda t: (1 - _alpha_bar_cosine(t)).sqrt(),
    )


def resshift(*, kappa: float = 2.0, power: float = 0.3) -> Path:
    """Residual shifting: α = 1 − η, γ = η, σ = κ√η (Yue 2023, eq. 2).

    √η grows to 1 from min(.04/κ, √.001) (eq. 10 and the text below it), and is 0 at t = 0 itself.
    """
    first = min(0.04 / kappa, math.sqrt(0.001))

    def eta(t: Tensor) -> Tensor:
        grown = first * (1 / first) ** (t.clamp(min=0) ** power)
        return torch.where(t > 0, grown, torch.zeros_like(t)) ** 2

    return _path(
        "resshift",
        lambda t: 1 - eta(t),
        eta,
        lambda t: kappa * eta(t).sqrt(),
        posterior="shift",
        kappa=kappa,
        power=power,
    )


def ir_sde(*, level: float = 0.1, theta: float = 4.6) -> Path:
    """Mean-reverting SDE: α = e^(−θ̄), σ = λ√(1 − e^(−2θ̄)), θ̄ = θ t (Luo 2023, eq. 6)."""
    return _path(
        "ir_sde",
        lambda t: torch.exp(-theta * t),
        lambda t: 1 - torch.exp(-theta * t),
        lambda t: level * (1 - torch.exp(-2 * theta * t)).sqrt(),
        level=level,
        theta=theta,
    )


def i2sb(*, beta: float = 0.3) -> Path:
    """Schrödinger bridge with constant β: σ² = βt, σ̄² = β(1 − t) (Liu 2023, eq. 11)."""
    return _path(
        "i2sb",
        lambda t: 1 - t,
        lambda t: t,
        lambda t: (beta * t * (1 - t)).clamp(min=0).sqrt(),
        beta=beta,
    )


def indi(*, epsilon: float = 0.0) -> Path:
    """Inversion by direct iteration: α = 1 − t, γ = t, σ = ε√t (Delbracio 2023); ε = 0 is cold."""
    return _path(
        "indi",
        lambda t: 1 - t,
        lambda t: t,
        lambda t: epsilon * t.sqrt(),
        posterior="shift",
        epsilon=epsilon,
    )


def flow_from_source(*, sigma: float = 0.1) -> Path:
    """Straight lines from the noised source: α = 1 − t, γ = t, σ = σ_e t (Albergo 2023, PMRF)."""
    return _path("flow_from_source", lambda t: 1 - t, lambda t: t, lambda t: sigma * t, sigma=sigma)


PATHS: Mapping[str, Callable[..., Path]] = {
    "vp": vp,
    "vp_cosine": vp_cosine,
    "sub_vp": sub_vp,
    "edm": edm,
    "rectified_flow": rectified_flow,
    "srdiff": srdiff,
    "resshift": resshift,
    "ir_sde": ir_sde,
    "i2sb": i2sb,
    "indi": indi,
    "flow_from_source": flow_from_source,
}
