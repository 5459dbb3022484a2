"""Guidance: estimates made from estimates, so that every sampler runs them.

ε̂, the score and x̂0 are linear in one another at a given x_t, so a guided x̂0 is the guided ε̂ of the
papers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.engine.path import Path, broadcast
from restorekit.engine.samplers import Estimate

NO_CLASS = -1


def classifier_free(
    conditional: Estimate,
    unconditional: Estimate,
    scale: float,
    *,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Estimate:
    """x̂0 = u + scale (c − u) for times in the interval, c elsewhere (Ho 2022, eq. 6; scale = 1 + w).

    An interval that leaves out both ends costs fewer calls and less diversity (Kynkäänniemi 2024).
    """

    def estimate(x: Tensor, t: float) -> Tensor:
        wanted = conditional(x, t)
        if scale == 1 or not interval[0] <= t <= interval[1]:
            return wanted
        return torch.lerp(unconditional(x, t), wanted, scale)

    return estimate


def classifier(
    plain: Estimate, log_probability: Callable[[Tensor, float], Tensor], path: Path, scale: float
) -> Estimate:
    """x̂0 + scale (σ²/α) ∇ log p(c | x_t): a classifier of noisy images leads (Dhariwal 2021, alg. 2).

    log_probability: (x_t, t) → (N,), differentiable. Plain where α is 0.
    """

    def estimate(x: Tensor, t: float) -> Tensor:
        x0_hat = plain(x, t)
        alpha, _, sigma = (float(c) for c in path.at(t))
        if alpha == 0:
            return x0_hat
        with torch.inference_mode(False), torch.enable_grad():
            noisy = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(log_probability(noisy, t).sum(), noisy)
        return x0_hat + scale * sigma**2 / alpha * slope

    return estimate


def class_names(count: int) -> tuple[str, ...]:
    """The numbers of a condition that say its class, for `UNetConfig.numbers`."""
    return tuple(f"class_{i}" for i in range(count))


def class_numbers(labels: Tensor, count: int) -> dict[str, Tensor]:
    """A class as numbers, one of them 1: the network's first layer on them is a class embedding.

    labels: (N,) integers below `count`, or NO_CLASS for all zeros, the unconditional case.
    """
    rows = (labels[:, None] == torch.arange(count, device=labels.device)).float()
    return dict(zip(class_names(count), rows.unbind(1), strict=True))


def drop_labels(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Labels of which a share is NO_CLASS, so that one network learns both (Ho 2022, algorithm 1)."""
    dropped = torch.rand(labels.shape, generator=generator, device=generator.device) < share
    return labels.masked_fill(dropped.to(labels.device), NO_CLASS)


def augment(image: Tensor, level: Tensor | float, noise: Tensor) -> Tensor:
    """√(1 − s²) image + s noise: a condition spoilt as much as its number s says (Ho 2022, cascades).

    level: s in [0, 1], a number or (N,).
    """
    s = broadcast(torch.as_tensor(level, dtype=torch.float64), image)
    return (1 - s**2).sqrt() * image + s * noise
