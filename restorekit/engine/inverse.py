"""Estimates that agree with a measurement m = A x0 + s n: a model of pictures as such solves problems.

Each is made of an estimate and is one, so every sampler runs it. A is an `Operator`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers import Estimate


class Operator(NamedTuple):
    """A linear A whose rows are orthogonal and of one length: A Aᵀ = gain · I on what A can give.

    Masks, sub-sampling and means of cells or channels are such; then A⁺ = Aᵀ/gain.
    """

    forward: Callable[[Tensor], Tensor]
    adjoint: Callable[[Tensor], Tensor]
    gain: float = 1.0


def null_space(plain: Estimate, operator: Operator, measured: Tensor) -> Estimate:
    """x̂0 + A⁺ (m − A x̂0): what A tells is the measurement's, all else the model's (DDNM; Wang 2023,
    eq. 13). For measurements without noise."""

    def estimate(x: Tensor, t: float) -> Tensor:
        x0_hat = plain(x, t)
        return x0_hat + operator.adjoint(measured - operator.forward(x0_hat)) / operator.gain

    return estimate


def proximal(
    plain: Estimate,
    path: Path,
    operator: Operator,
    measured: Tensor,
    deviation: float,
    *,
    prior: float = 1.0,
) -> Estimate:
    """The x that makes ‖m − A x‖² + λ s² (α/σ)² ‖x − x̂0‖² least (DiffPIR; Zhu 2023, algorithm 1): no
    gradient goes through the estimate.

    deviation: s, of the measurement's noise; with 0 it is `null_space`. prior: λ; with 1 it is the mean
    given m where x0 | x_t is N(x̂0, (σ/α)² I). σ or s is above 0 at every t.
    """

    def estimate(x: Tensor, t: float) -> Tensor:
        x0_hat = plain(x, t)
        alpha, _, sigma = (float(c) for c in path.at(t))
        step = sigma**2 / (operator.gain * sigma**2 + prior * (alpha * deviation) ** 2)
        return x0_hat + step * operator.adjoint(measured - operator.forward(x0_hat))

    return estimate


def likelihood_guided(
    plain: Estimate,
    path: Path,
    operator: Operator,
    measured: Tensor,
    deviation: float,
    *,
    spread: Callable[[float], float] | None = None,
) -> Estimate:
    """x̂0 + (σ²/α) ∇ log p(m | x_t), through the estimate, with x0 | x_t taken for N(x̂0, r² I).

    deviation: s, of the measurement's noise. spread: r by time, by default ΠGDM's σ/√(α² + σ²) (Song
    2023, eq. 7); 0 is DPS (Chung 2023, eq. 16), stable with many steps or a large s alone. Plain where
    α is 0. r or s is above 0 at every t.
    """

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        if alpha == 0:
            return plain(x, t)
        r = sigma / (alpha**2 + sigma**2) ** 0.5 if spread is None else spread(t)
        with torch.inference_mode(False), torch.enable_grad():
            noisy = x.clone().requires_grad_()
            x0_hat = plain(noisy, t)
            missing = measured - operator.forward(x0_hat.detach())
            pull = operator.adjoint(missing) / (operator.gain * r**2 + deviation**2)
            (slope,) = torch.autograd.grad(x0_hat, noisy, pull)
        return x0_hat.detach() + sigma**2 / alpha * slope

    return estimate
