"""The variational bound of a diffusion model on −log p(x0), term by term (Ho 2020, eq. 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from restorekit.engine.markov import Variance, posterior, transition
from restorekit.engine.path import Path
from restorekit.engine.samplers import Estimate
from restorekit.errors import UsageError


def variational_bound(
    estimate: Estimate,
    path: Path,
    x0: Tensor,
    y: Tensor,
    times: Sequence[float],
    noise: Callable[[int], Tensor],
    variance: Variance | None = None,
) -> Tensor:
    """L_T, the L_{t−1} and L_0 of images, (len(times), N) in nats; their sum bounds −log p(x0).

    x0: (N, C, H, W), one of 256 levels in [−1, 1]. times fall to 0, and noise(i) makes x at
    times[i]. variance: of the reverse steps but the last, else the posterior's. Each term is one draw.
    """
    if times[-1] != 0:
        raise UsageError(f"times end at {times[-1]}; a bound is over those that end at 0")
    terms = [prior_term(path, x0, times[0])]
    for i, (t, s) in enumerate(pairwise(times)):
        x_t = path.marginal(x0, y, t, noise(i))
        x0_hat = estimate(x_t, t)
        if s == 0:
            deviation = transition(path, 0.0, t)[1]
            terms.append(-discretised_log_likelihood(x0, x0_hat, deviation).sum((1, 2, 3)))
            continue
        true_mean, deviation = posterior(path, x_t, x0, y, t, s)
        mean, _ = posterior(path, x_t, x0_hat, y, t, s)
        true_log = torch.full_like(mean, 2 * math.log(deviation))
        log = variance(x_t, t, s).log() if variance else true_log
        terms.append(gaussian_divergence(true_mean, true_log, mean, log).sum((1, 2, 3)))
    return torch.stack(terms)


def prior_term(path: Path, x0: Tensor, start: float = 1.0) -> Tensor:
    """L_T = KL(q(u | x0) ‖ N(0, α² + σ²)) at the start, (N,) in nats; the prior is N(0, I) on VP.

    UsageError for a bridge, which has no prior: it starts at its source.
    """
    alpha, _, sigma = (float(c) for c in path.at(start))
    if not sigma:
        raise UsageError(f"path {path.name} starts without noise: there is no prior to bound by")
    mean, log = alpha * x0, torch.full_like(x0, 2 * math.log(sigma))
    prior = torch.full_like(x0, math.log(alpha**2 + sigma**2))
    return gaussian_divergence(mean, log, torch.zeros_like(x0), prior).sum((1, 2, 3))


def gaussian_divergence(mean: Tensor, log: Tensor, other: Tensor, other_log: Tensor) -> Tensor:
    """KL(N(mean, e^log) ‖ N(other, e^other_log)), element by element, in nats."""
    spread = torch.exp(log - other_log) + (mean - other) ** 2 * torch.exp(-other_log)
    return 0.5 * (other_log - log - 1 + spread)


def discretised_log_likelihood(x0: Tensor, mean: Tensor, deviation: float) -> Tensor:
    """log of a Gaussian's mass in the bin of each of 256 levels (Ho 2020, eq. 13), 1e-12 at least."""
    half, off = 1 / 255, x0 - mean
    # By symmetry in the lower tail, whose digits are kept.
    mass = _cumulative((half - off.abs()) / deviation) - _cumulative(
        (-half - off.abs()) / deviation
    )
    mass = torch.where(x0 > 1 - half, _cumulative((half - off) / deviation), mass)
    mass = torch.where(x0 < -1 + half, _cumulative((half + off) / deviation), mass)
    return mass.clamp(min=1e-12).log()


def _cumulative(x: Tensor) -> Tensor:
    """The normal distribution's, from its complement so that far tails keep their digits."""
    return 0.5 * torch.erfc(-x / math.sqrt(2))


def bits_per_dimension(nats: Tensor, x0: Tensor) -> Tensor:
    """Nats of images (N, C, H, W), or of rows of them, in bits for each of their C·H·W numbers."""
    return nats / (math.log(2) * x0[0].numel())
