"""The forward chain against the closed form, its posterior against Bayes, learned variances."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from engine_oracles import images, noisy_paths
from torch import Tensor

from restorekit.engine.markov import (
    ancestral_with,
    betas_of,
    forward_step,
    learned_variance,
    posterior,
    transition,
)
from restorekit.engine.path import PATHS, from_betas
from restorekit.engine.samplers import SAMPLERS, State
from restorekit.errors import UsageError
from restorekit.training.prediction_loss import target_of

GRID = [0.0, 0.07, 0.3, 0.55, 0.8, 0.97]
X0, Y, X_T, Z = images(4, 2, 3, 5, 7)


@pytest.mark.parametrize("name", PATHS)
def test_the_chain_step_by_step_has_the_closed_form_s_law(name: str) -> None:
    """Its mean exactly, and its variance as the sum over steps of what each one's noise becomes."""
    path = noisy_paths()[name]
    mean, variance = X0, 0.0
    still, unit = torch.zeros_like(X0), torch.ones_like(X0)
    for s, t in pairwise(GRID):
        moved = forward_step(path, mean, X0, Y, s, t, still)
        added = float((forward_step(path, mean, X0, Y, s, t, unit) - moved).mean())
        gain = float((forward_step(path, mean + 1, X0, Y, s, t, still) - moved).mean())
        mean, variance = moved, gain**2 * variance + added**2
        alpha, gamma, sigma = (float(c) for c in path.at(t))
        torch.testing.assert_close(mean, alpha * X0 + gamma * Y, rtol=0, atol=1e-12)
        assert variance == pytest.approx(sigma**2, rel=1e-10)


def test_draws_of_the_chain_agree_with_draws_of_the_closed_form() -> None:
    """200,000 of DDPM's, in distribution: mean, deviation and two tails."""
    path = PATHS["ddpm"]()
    shape = (200_000, 1, 1, 1)
    start = torch.full(shape, 0.7, dtype=torch.float64)
    times = [i / 10 for i in range(11)]
    x, *draws = images(11, *shape, seed=3)
    closed = path.marginal(start, start, 0.4, x)
    chain = start
    for (s, t), z in zip(pairwise(times[:5]), draws, strict=False):
        chain = forward_step(path, chain, start, start, s, t, z)
    for a, b in ((chain, closed),):
        assert float(a.mean() - b.mean()) == pytest.approx(0, abs=0.01)
        assert float(a.std() / b.std()) == pytest.approx(1, abs=0.01)
        quantiles = torch.tensor([0.02, 0.5, 0.98], dtype=torch.float64)
        torch.testing.assert_close(
            a.flatten().quantile(quantiles), b.flatten().quantile(quantiles), rtol=0, atol=0.02
        )


@pytest.mark.parametrize(("t", "s"), [(0.8, 0.55), (0.97, 0.07), (0.3, 0.07)])
@pytest.mark.parametrize("name", PATHS)
def test_the_posterior_is_bayes_rule(name: str, t: float, s: float) -> None:
    """q(x_s | x_t, x0, y) ∝ q(x_t | x_s, x0, y) q(x_s | x0, y): precisions add."""
    path = noisy_paths()[name]
    still, unit = torch.zeros_like(X0), torch.ones_like(X0)
    alpha, gamma, sigma = (float(c) for c in path.at(s))
    prior = alpha * X0 + gamma * Y
    at_prior = forward_step(path, prior, X0, Y, s, t, still)
    gain = float((forward_step(path, prior + 1, X0, Y, s, t, still) - at_prior).mean())
    added = float((forward_step(path, prior, X0, Y, s, t, unit) - at_prior).mean())
    precision = 1 / sigma**2 + gain**2 / added**2
    mean = prior + gain / added**2 * (X_T - at_prior) / precision
    found, deviation = posterior(path, X_T, X0, Y, t, s)
    torch.testing.assert_close(found, mean, rtol=0, atol=1e-10)
    assert deviation == pytest.approx(precision**-0.5, rel=1e-9)


def test_betas_and_their_path_undo_each_other() -> None:
    betas = torch.linspace(1e-3, 0.3, 25, dtype=torch.float64)
    torch.testing.assert_close(betas_of(from_betas(betas), 25), betas, rtol=1e-12, atol=0)


def test_learned_variance_lies_between_its_bounds() -> None:
    """Nichol 2021, eq. 15: v = 1 is β_t, v = −1 the posterior's, 0 their geometric mean."""
    path, t, s = PATHS["vp_cosine"](), 0.6, 0.5
    upper, lower = transition(path, s, t)[1] ** 2, float(path.fresh_noise(t, s)) ** 2
    v = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([lower, math.sqrt(upper * lower), upper], dtype=torch.float64)
    torch.testing.assert_close(learned_variance(path, v, t, s), expected)
    assert lower < upper


def test_ancestral_sampling_with_a_variance_of_one_s_own() -> None:
    """With the posterior's it is the table's sampler; with β_t it is Ho's other choice."""
    path, t, s = PATHS["vp"](), 0.6, 0.5

    def fixed(x: Tensor, t: float, s: float) -> Tensor:
        return learned_variance(path, torch.full_like(x, -1.0), t, s)

    def estimate(x: Tensor, t: float) -> Tensor:
        return torch.tanh(x)

    expected = SAMPLERS["ancestral"].step(estimate, path, Y, State(X_T), t, s, lambda: Z).x
    made = ancestral_with(fixed)(estimate, path, Y, State(X_T), t, s, lambda: Z).x
    torch.testing.assert_close(made, expected)
    large = ancestral_with(lambda x, t, s: torch.full_like(x, transition(path, s, t)[1] ** 2))
    apart = large(estimate, path, Y, State(X_T), t, s, lambda: Z).x - made
    ratio = transition(path, s, t)[1] - float(path.fresh_noise(t, s))
    torch.testing.assert_close(apart, ratio * Z)
    last = ancestral_with(fixed)(estimate, path, Y, State(X_T), t, 0.0, lambda: Z).x
    torch.testing.assert_close(last, torch.tanh(X_T))


def test_an_unknown_prediction_is_named() -> None:
    with pytest.raises(UsageError, match="'noise' is none of epsilon"):
        target_of("noise", X0, Z, PATHS["vp"](), torch.tensor(0.5))
