"""Losses on a path for networks that predict ε, x0, v, the flow or the score, and their weights λ(t)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import PREDICTIONS, Predicting, cells, number_rows
from restorekit.engine.path import Path, broadcast
from restorekit.errors import UsageError

Weight = Callable[[Tensor], Tensor]
"""SNR = α²/σ² → λ, the weight of ε's squared error."""


def min_snr(snr: Tensor, *, gamma: float = 5.0) -> Tensor:
    """min(SNR, γ)/SNR: SNR of x0's error, cut at γ (Hang 2023, eq. 7)."""
    return (gamma / snr).clamp(max=1)


def p2(snr: Tensor, *, gamma: float = 1.0, k: float = 1.0) -> Tensor:
    """1/(k + SNR)^γ: less where only imperceptible noise is left (Choi 2022, eq. 8)."""
    return (k + snr) ** -gamma


def edm(snr: Tensor, *, deviation: float = 0.5) -> Tensor:
    """1 + 1/(SNR s²), which is (σ² + s²)/(σ s)² of x0's error at α = 1 (Karras 2022, table 1)."""
    return 1 + 1 / (snr * deviation**2)


WEIGHTS: Mapping[str, Weight] = {
    # λ = 1 is Ho 2020's L_simple, and score matching with Song 2019's λ(σ) = σ².
    "uniform": lambda snr: snr**0,
    "snr": lambda snr: snr,  # lays stress on the last details
    "min_snr": min_snr,
    "p2": p2,
    "edm": edm,
}


def target_of(prediction: str, x0: Tensor, noise: Tensor, path: Path, t: Tensor) -> Tensor:
    """What a perfect network answers for u_t = α x0 + σ ε; `x0_from` undoes it.

    x0, noise: (N, C, H, W); t: () or (N,). UsageError for a prediction that is not known.
    """
    alpha, _, sigma = (broadcast(c, x0) for c in path.at(t))
    if prediction == "epsilon":
        return noise
    if prediction == "x0":
        return x0
    if prediction == "v":
        return alpha * noise - sigma * x0
    if prediction == "score":
        return -noise / sigma
    if prediction == "flow":
        slope_alpha, _, slope_sigma = (broadcast(c, x0) for c in path.slopes(t))
        return slope_alpha * x0 + slope_sigma * noise
    raise UsageError(f"prediction {prediction!r} is none of {', '.join(PREDICTIONS)}")


def share_of_noise(prediction: str, path: Path, t: Tensor) -> Tensor:
    """The error of ε̂ that an error of 1 in a network's answer makes, (N,) or ()."""
    alpha, sigma = _levels(path, t)
    slope_alpha, _, slope_sigma = path.slopes(t)
    return {
        "epsilon": sigma**0,
        "x0": alpha / sigma,
        "v": alpha / (alpha**2 + sigma**2),
        "score": sigma,
        "flow": alpha / (slope_sigma * alpha - sigma * slope_alpha),
    }[prediction]


def _levels(path: Path, t: Tensor) -> tuple[Tensor, Tensor]:
    """(α, σ), never 0, where weights and shares have limits but no values; α is first where both are."""
    alpha, _, sigma = path.at(t)
    return alpha.clamp(min=1e-9), sigma.clamp(min=1e-6)


def prediction_loss(
    denoiser: Predicting,
    x0: Tensor,
    condition: Condition,
    t: Tensor,
    noise: Tensor,
    weight: Weight | None = None,
) -> Tensor:
    """Mean squared error of a network's answer, (N,), or λ(t) times the squared error of ε̂.

    x0, noise: (N, C, H, W); t: (N,). Without a weight: L_simple for ε (Ho 2020, eq. 14), flow matching
    for the flow (Lipman 2022, eq. 14). With one, all predictions have the same loss for the same x̂0.
    """
    path = denoiser.path
    x_t = path.marginal(x0, condition.source, t, noise)
    rows = number_rows(condition, denoiser.numbers, x_t)
    given = x_t, condition.concat, t.to(x_t), rows
    answer = denoiser.network(*given, **cells(condition)).float()
    target = target_of(denoiser.prediction, x0, noise, path, t)
    error = (answer - target).square().mean((1, 2, 3))
    if weight is None:
        return error
    alpha, sigma = _levels(path, t)
    scale = weight((alpha / sigma) ** 2) * share_of_noise(denoiser.prediction, path, t) ** 2
    return scale.to(error) * error
