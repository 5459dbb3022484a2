"""Samplers that draw, the probability flow and its likelihood, on exact denoisers."""

from __future__ import annotations

import builtins
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from engine_oracles import DEVIATIONS, MEANS, WEIGHTS, images, mixture_mean
from scipy.stats import norm
from torch import Tensor

from restorekit.engine.likelihood import log_likelihood, solve_flow
from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS, Path
from restorekit.engine.samplers import SAMPLERS, State
from restorekit.engine.samplers.single import churned
from restorekit.engine.schedules import karras_times, log_snr_times, repeated, uniform_times
from restorekit.errors import UsageError

COUNT = 6_000
Y = torch.zeros(COUNT, 1, 1, 1, dtype=torch.float64)


def exact(path: Path):
    """The denoiser of the three-Gaussian mixture on a path, its source taken off."""

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        return mixture_mean(x, alpha, sigma)

    return estimate


def distance(draws: Tensor) -> float:
    """Kolmogorov and Smirnov's distance of draws from the mixture."""
    values = np.sort(draws.flatten().numpy())
    parts = zip(WEIGHTS.tolist(), MEANS.tolist(), DEVIATIONS.tolist(), strict=True)
    law = sum(w * norm(m, d).cdf(values) for w, m, d in parts)
    ranks = np.arange(len(values) + 1) / len(values)
    return float(np.maximum(ranks[1:] - law, law - ranks[:-1]).max())


def drawn(sampler: str, path: Path, times: list[float]) -> Tensor:
    start, *_ = images(1, *Y.shape, seed=1)
    _, _, sigma = (float(c) for c in path.at(times[0]))
    generator = torch.Generator().manual_seed(7)

    def noise(step: int) -> Tensor:
        return torch.randn(Y.shape, generator=generator, dtype=torch.float64)

    return sample(SAMPLERS[sampler], exact(path), path, Y, sigma * start, times, noise)


def times_of(sampler: str, path: Path) -> list[float]:
    if sampler == "annealed_langevin":
        return repeated(karras_times(path, 40, sigma_min=0.005, sigma_max=20), 12)
    if sampler == "predictor_corrector":
        return repeated(karras_times(path, 150, sigma_min=0.002, sigma_max=20), 2)
    return karras_times(path, 150, sigma_min=0.002, sigma_max=20)


# 6,000 draws: the distance of the right law is above .025 once in a thousand times.
LIMITS = {"euler_maruyama": 0.035, "annealed_langevin": 0.035}


@pytest.mark.parametrize("name", ["vp", "edm"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_reaches_the_known_distribution(sampler: str, name: str) -> None:
    path = PATHS[name]()
    found = distance(drawn(sampler, path, times_of(sampler, path)))
    assert found < LIMITS.get(sampler, 0.025), found


def test_that_distance_can_tell() -> None:
    """Five ancestral steps do not reach it."""
    path = PATHS["vp"]()
    assert distance(drawn("ancestral", path, karras_times(path, 5, sigma_max=20))) > 0.04


@pytest.mark.parametrize("name", ["vp", "edm", "sub_vp", "ve"])
def test_euler_maruyama_is_song_s_reverse_sde(name: str) -> None:
    """Song 2021, eq. 6, with f and g of each SDE as its authors write them."""
    path, t, s = PATHS[name](), 0.6, 0.58
    x, x0, z = images(3, 1, 2, 3, 4)
    alpha, _, sigma = (float(c) for c in path.at(t))
    score = -(x - alpha * x0) / sigma**2
    beta, total = 0.1 + 19.9 * t, 0.1 * t + 9.95 * t**2
    growth = 0.01**2 * 2 * math.log(5000) * math.exp(2 * math.log(5000) * t)
    f, g2 = {
        "vp": (-beta / 2, beta),
        "sub_vp": (-beta / 2, beta * (1 - math.exp(-2 * total))),
        "ve": (0.0, growth),
        "edm": (0.0, 2 * 80**2 * t),
    }[name]
    expected = x - (f * x - g2 * score) * (t - s) + math.sqrt(g2 * (t - s)) * z
    made = SAMPLERS["euler_maruyama"].step(
        lambda *_: x0, path, torch.zeros_like(x), State(x), t, s, lambda: z
    )
    torch.testing.assert_close(made.x, expected, rtol=1e-9, atol=1e-9)


def test_langevin_steps_are_the_papers() -> None:
    """Song 2019, algorithm 1: x + (α_i/2) s + √α_i z, α_i = ε σ_i²/σ_L²; Song 2021, algorithm 2."""
    path, t = PATHS["ve"](), 0.5
    x, x0, z = images(3, 1, 2, 3, 4)
    sigma = float(path.at(t).sigma)
    score = (x0 - x) / sigma**2
    size = 2e-5 * sigma**2 / 0.01**2
    annealed = x + size / 2 * score + math.sqrt(size) * z
    corrected = x + 2 * (0.16 * sigma) ** 2 * score + 2 * 0.16 * sigma * z
    for sampler, expected in (("annealed_langevin", annealed), ("predictor_corrector", corrected)):
        made = SAMPLERS[sampler].step(
            lambda *_: x0, path, torch.zeros_like(x), State(x), t, t, lambda: z
        )
        torch.testing.assert_close(made.x, expected)


def test_churn_is_edm_s_algorithm_2() -> None:
    path, t, s, churn = PATHS["edm"](), 0.1, 0.07, 0.2
    x, x0, z = images(3, 1, 2, 3, 4)
    high = 8 * (1 + churn)
    raised = x + math.sqrt(high**2 - 8**2) * 1.003 * z
    slope = (raised - x0) / high
    step = churned(SAMPLERS["ddim"].step, churn)
    made = step(lambda *_: x0, path, torch.zeros_like(x), State(x), t, s, lambda: z)
    torch.testing.assert_close(made.x, raised + (80 * s - high) * slope)
    seen = [
        SAMPLERS["heun_churn"].step(lambda *_: x0, path, x0, State(x), t, s, lambda: z).x
        for t, s in ((0.9, 0.8), (0.0005, 0.0004))  # above S_tmax and below S_tmin
    ]
    plain = [
        SAMPLERS["heun"].step(lambda *_: x0, path, x0, State(x), t, s, lambda: z).x
        for t, s in ((0.9, 0.8), (0.0005, 0.0004))
    ]
    assert all(torch.equal(a, b) for a, b in zip(seen, plain, strict=True))


@pytest.mark.parametrize("name", ["vp", "rectified_flow", "flow_from_source", "ir_sde"])
def test_the_flow_is_what_the_solvers_solve(name: str) -> None:
    """SciPy's adaptive method from t = .9 to .05 against a thousand third-order steps."""
    path = PATHS[name]()
    x, y = images(2, 50, 1, 1, 1)
    x = path.marginal(x, y, 0.9, x.flip(0))

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, gamma, sigma = (float(c) for c in path.at(t))
        return mixture_mean(x - gamma * y, alpha, sigma)

    times = [0.9 - 0.85 * i / 1000 for i in range(1001)]
    forbidden = images(1, 1)[0]
    steps = sample(SAMPLERS["adams3"], estimate, path, y, x, times, lambda _: forbidden)
    found = solve_flow(estimate, path, y, x, 0.9, 0.05, tolerance=1e-9)
    torch.testing.assert_close(found, steps, rtol=0, atol=2e-4)
    back = solve_flow(estimate, path, y, found, 0.05, 0.9, tolerance=1e-9)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)


def gaussian_world(path: Path, spread: Tensor):
    """The exact denoiser of pixels of given deviations."""

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        return x * alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)

    return estimate


def unit_probes(shape: tuple[int, ...]) -> Tensor:
    """√D times each unit vector of an image: Hutchinson's mean over them is the trace itself."""
    size = math.prod(shape[1:])
    rows = torch.eye(size, dtype=torch.float64) * math.sqrt(size)
    return rows.reshape(size, 1, *shape[1:]).expand(size, *shape)


@pytest.mark.parametrize("name", ["vp", "edm", "rectified_flow"])
def test_the_likelihood_is_the_analytic_one(name: str) -> None:
    """log N(x0; 0, diag s²); at σ = 80 the prior is off by 1e-5, on VP by ᾱ_1 = 4e-5."""
    path = PATHS[name]()
    spread = torch.tensor([[[[0.3, 0.5], [0.8, 1.2]]]], dtype=torch.float64)
    (x0,) = images(1, 3, 1, 2, 2)
    x0 = x0 * spread
    estimate = gaussian_world(path, spread)
    found = log_likelihood(
        estimate, path, torch.zeros_like(x0), x0, unit_probes((3, 1, 2, 2)), tolerance=1e-7
    )
    expected = torch.distributions.Normal(torch.zeros_like(spread), spread).log_prob(x0)
    torch.testing.assert_close(found, expected.sum((1, 2, 3)), rtol=0, atol=2e-3)


def test_the_likelihood_of_a_mixture() -> None:
    path, (x0,) = PATHS["vp"](), images(1, 8, 1, 1, 1)
    probes = torch.ones(1, *x0.shape, dtype=torch.float64)
    found = log_likelihood(
        exact(path), path, torch.zeros_like(x0), x0, probes, tolerance=1e-7, first=1e-7
    )
    parts = torch.distributions.Normal(MEANS, DEVIATIONS).log_prob(x0.reshape(-1, 1))
    torch.testing.assert_close(found, (parts + WEIGHTS.log()).logsumexp(1), rtol=0, atol=3e-3)


def test_hutchinson_s_estimator_is_right_on_average() -> None:
    """Signs: each draw is off, the mean over all of them is the trace."""
    path = PATHS["vp"]()
    mixing = torch.tensor([[0.5, 0.3], [0.3, 0.4]], dtype=torch.float64)
    covariance = mixing @ mixing.T
    (x0,) = images(1, 1, 2, 1, 1)

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        gain = (
            alpha
            * covariance
            @ torch.linalg.inv(alpha**2 * covariance + sigma**2 * torch.eye(2, dtype=torch.float64))
        )
        return (x.flatten(1) @ gain.T).reshape(x.shape)

    rows = [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    signs = torch.tensor(rows, dtype=torch.float64).reshape(4, *x0.shape)
    y, unit = torch.zeros_like(x0), unit_probes((1, 2, 1, 1))
    truth = float(log_likelihood(estimate, path, y, x0, unit))
    together = float(log_likelihood(estimate, path, y, x0, signs))
    single = [float(log_likelihood(estimate, path, y, x0, signs[i : i + 1])) for i in range(4)]
    assert together == pytest.approx(truth, abs=1e-3)
    assert sum(single) / 4 == pytest.approx(truth, abs=1e-3)
    assert min(abs(one - truth) for one in single) > 0.1


def test_without_scipy_the_flow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest):
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    (x,) = images(1, 1, 1, 1, 1)
    path = PATHS["vp"]()
    with pytest.raises(UsageError, match="pip install scipy"):
        solve_flow(exact(path), path, x, x, 0.9, 0.1)


def test_grids_of_stochastic_samplers_are_as_they_are_documented() -> None:
    times = repeated(uniform_times(3), 2)
    assert [t == s for t, s in pairwise(times)] == [True, False, True, False, True, False]
    assert len(log_snr_times(PATHS["vp"](), 5, -3, 3)) == 6
