"""Measurements that estimates agree with, against the exact posterior of Gaussian pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.engine.inverse import Operator, likelihood_guided, null_space, proximal
from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS, Path
from restorekit.engine.samplers import SAMPLERS, Estimate
from restorekit.engine.schedules import uniform_times

MASK = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]], dtype=torch.float64)
OPERATORS = {
    "mask": Operator(lambda x: MASK * x, lambda m: MASK * m),
    "cells": Operator(
        lambda x: F.avg_pool2d(x, 2),
        lambda m: m.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4,
        0.25,
    ),
    "grey": Operator(
        lambda x: x.mean(1, keepdim=True), lambda m: m.expand(-1, 3, -1, -1) / 3, 1 / 3
    ),
}


def white(path: Path) -> Estimate:
    """The exact denoiser of pictures N(0, I)."""

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        return alpha * x / (alpha**2 + sigma**2)

    return estimate


def matrix(operator: Operator) -> Tensor:
    """A on (1, 3, 2, 4), column by column."""
    columns = torch.eye(24, dtype=torch.float64).reshape(24, 1, 3, 2, 4)
    return torch.stack([operator.forward(c).flatten() for c in columns], 1)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_what_they_say(name: str) -> None:
    operator, a = OPERATORS[name], matrix(OPERATORS[name])
    measured = operator.forward(torch.zeros(1, 3, 2, 4, dtype=torch.float64))
    rows = torch.eye(a.shape[0], dtype=torch.float64).reshape(-1, *measured.shape)
    adjoint = torch.stack([operator.adjoint(row).flatten() for row in rows])
    torch.testing.assert_close(adjoint, a)
    torch.testing.assert_close(a @ a.T @ a, operator.gain * a)


@pytest.mark.parametrize("deviation", [0.05, 0.7])
@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", OPERATORS)
def test_guidance_gives_the_posterior_mean(name: str, t: float, deviation: float) -> None:
    """E[x0 | x_t, m] by the normal equations, where r is the spread that x0 | x_t has."""
    path, operator, a = PATHS["vp"](), OPERATORS[name], matrix(OPERATORS[name])
    torch.manual_seed(0)
    x = torch.randn(1, 3, 2, 4, dtype=torch.float64)
    measured = operator.forward(torch.randn_like(x)) + deviation
    found = likelihood_guided(white(path), path, operator, measured, deviation)(x, t)
    alpha, _, sigma = (float(c) for c in path.at(t))
    precision = torch.eye(24) * (1 + alpha**2 / sigma**2) + a.T @ a / deviation**2
    right = alpha / sigma**2 * x.flatten() + a.T @ measured.flatten() / deviation**2
    exact = torch.linalg.solve(precision, right).reshape(x.shape)
    torch.testing.assert_close(found, exact)


@pytest.mark.parametrize("prior", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("t", [0.1, 0.9])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_proximal_step_is_the_least_of_what_it_says(name: str, t: float, prior: float) -> None:
    """DiffPIR's data step by the normal equations; without noise in the measurement, DDNM's."""
    path, operator, a, s = PATHS["vp"](), OPERATORS[name], matrix(OPERATORS[name]), 0.2
    torch.manual_seed(3)
    x = torch.randn(1, 3, 2, 4, dtype=torch.float64)
    measured = operator.forward(torch.randn_like(x))
    alpha, _, sigma = (float(c) for c in path.at(t))
    rho = prior * s**2 * alpha**2 / sigma**2
    right = a.T @ measured.flatten() + rho * white(path)(x, t).flatten()
    exact = torch.linalg.solve(a.T @ a + rho * torch.eye(24), right).reshape(x.shape)
    found = proximal(white(path), path, operator, measured, s, prior=prior)(x, t)
    torch.testing.assert_close(found, exact)
    noiseless = proximal(white(path), path, operator, measured, 0.0, prior=prior)(x, t)
    torch.testing.assert_close(
        noiseless, null_space(white(path), operator, measured)(x, t), rtol=1e-12, atol=1e-12
    )


def test_without_a_spread_it_is_the_gradient_of_the_squared_error() -> None:
    """DPS on a bent estimate: ∇ ‖m − A x̂0(x)‖²/(2 s²) by differences."""
    path, operator, s, t = PATHS["vp"](), OPERATORS["cells"], 0.4, 0.3
    torch.manual_seed(1)
    x, measured = torch.randn(1, 3, 2, 4, dtype=torch.float64), torch.zeros(1, 3, 1, 2).double()

    def bent(x: Tensor, _: float) -> Tensor:
        return x.tanh() + 0.1 * x.roll(1, 3)

    made = likelihood_guided(bent, path, operator, measured, s, spread=lambda _: 0.0)(x, t)
    alpha, _, sigma = (float(c) for c in path.at(t))

    def energy(x: Tensor) -> Tensor:
        return (measured - operator.forward(bent(x, t))).square().sum() / (2 * s**2)

    h, slope = 1e-6, torch.zeros(24, dtype=torch.float64)
    for i, unit in enumerate(torch.eye(24, dtype=torch.float64).reshape(24, *x.shape)):
        slope[i] = (energy(x + h * unit) - energy(x - h * unit)) / (2 * h)
    expected = bent(x, t) - sigma**2 / alpha * slope.reshape(x.shape)
    torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddim", "ancestral", "dpm++2m", "heun"])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_null_space_is_the_model_s_and_the_rest_the_measurement_s(
    name: str, sampler: str
) -> None:
    path, operator = PATHS["vp"](), OPERATORS[name]
    generator = torch.Generator().manual_seed(2)
    noises = torch.randn(70, 1, 3, 2, 4, generator=generator, dtype=torch.float64)
    measured = operator.forward(torch.randn_like(noises[0]))

    def run(estimate: Estimate) -> Tensor:
        way, y = SAMPLERS[sampler], 0 * noises[0]
        return sample(way, estimate, path, y, noises[0], uniform_times(12), lambda i: noises[i + 1])

    made, plain = run(null_space(white(path), operator, measured)), run(white(path))
    torch.testing.assert_close(operator.forward(made), measured, rtol=1e-9, atol=1e-9)
    free, expected = (
        image - operator.adjoint(operator.forward(image)) / operator.gain for image in (made, plain)
    )
    torch.testing.assert_close(free, expected, rtol=1e-9, atol=1e-9)
