"""Losses from the papers' formulas, weights, the variational bound in closed form."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from engine_oracles import images, noisy_paths
from scipy.stats import norm
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from restorekit.engine.bound import (
    bits_per_dimension,
    discretised_log_likelihood,
    gaussian_divergence,
    variational_bound,
)
from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import PREDICTIONS, Predicting, x0_from
from restorekit.engine.markov import learned_variance
from restorekit.engine.path import PATHS, Path
from restorekit.engine.schedules import log_snr_times, uniform_times
from restorekit.errors import UsageError
from restorekit.training.prediction_loss import (
    WEIGHTS,
    _levels,
    prediction_loss,
    share_of_noise,
    target_of,
)

X0, NOISE, SLIP = images(3, 4, 2, 3, 5)
TIMES = torch.tensor([0.105, 0.3005, 0.6005, 0.9005], dtype=torch.float64)
CONDITION = Condition(torch.zeros_like(X0))


class Answers:
    """A network whose x̂0 is X0 + SLIP, said as any prediction."""

    def __init__(self, prediction: str, path: Path) -> None:
        alpha, _, sigma = (c.reshape(-1, 1, 1, 1) for c in path.at(TIMES))
        noise = NOISE - alpha / sigma * SLIP  # what u_t leaves for ε̂
        self.answer = target_of(prediction, X0 + SLIP, noise, path, TIMES)

    def __call__(self, *given: Tensor | None) -> Tensor:  # noqa: ARG002
        return self.answer


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", PATHS)
def test_targets_are_what_x0_is_found_from(name: str, prediction: str) -> None:
    path = noisy_paths()[name]
    alpha, _, sigma = (c.reshape(-1, 1, 1, 1) for c in path.at(TIMES))
    answer = target_of(prediction, X0, NOISE, path, TIMES)
    found = x0_from(prediction, answer, alpha * X0 + sigma * NOISE, path, TIMES)
    torch.testing.assert_close(found, X0, rtol=0, atol=1e-8)


def test_the_simple_loss_of_ddpm() -> None:
    """Ho 2020, eq. 14: ‖ε − ε_θ‖²."""
    path = PATHS["vp"]()
    alpha, _, sigma = (c.reshape(-1, 1, 1, 1) for c in path.at(TIMES))
    denoiser = Predicting(Answers("epsilon", path), path, "epsilon")
    expected = (alpha / sigma * SLIP).square().mean((1, 2, 3))
    for weight in (None, WEIGHTS["uniform"]):
        found = prediction_loss(denoiser, X0, CONDITION, TIMES, NOISE, weight)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_flow_matching() -> None:
    """Lipman 2022, eq. 14 on straight lines: ‖(ε − x0) − v_θ‖²."""
    path = PATHS["rectified_flow"]()
    denoiser = Predicting(Answers("flow", path), path, "flow")
    error = SLIP / TIMES.reshape(-1, 1, 1, 1)
    found = prediction_loss(denoiser, X0, CONDITION, TIMES, NOISE)
    torch.testing.assert_close(found, error.square().mean((1, 2, 3)), rtol=1e-5, atol=0)


def test_denoising_score_matching() -> None:
    """Song 2019, eq. 5 and 6: σ² ‖s_θ + (x̃ − x)/σ²‖²."""
    path = PATHS["ve"]()
    network = Answers("score", path)
    sigma = path.at(TIMES).sigma.reshape(-1, 1, 1, 1)
    x_t = X0 + sigma * NOISE
    expected = (sigma**2 * (network.answer + (x_t - X0) / sigma**2) ** 2).mean((1, 2, 3))
    denoiser = Predicting(network, path, "score")
    found = prediction_loss(denoiser, X0, CONDITION, TIMES, NOISE, WEIGHTS["uniform"])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


X0_WEIGHTS = {
    # λ of the squared error of x̂0, from the papers, for α and σ.
    "uniform": lambda a, s: (a / s) ** 2,
    "snr": lambda a, s: (a / s) ** 4,
    "min_snr": lambda a, s: min((a / s) ** 2, 5.0),
    "p2": lambda a, s: (a / s) ** 2 / (1 + (a / s) ** 2),
    "edm": lambda a, s: ((s / a) ** 2 + 0.25) / (0.5 * s / a) ** 2,
}


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["vp", "vp_cosine", "edm", "rectified_flow", "ddpm", "sub_vp"])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_weights_do_not_depend_on_what_is_predicted(
    weight: str, name: str, prediction: str
) -> None:
    path = PATHS[name]()
    denoiser = Predicting(Answers(prediction, path), path, prediction)
    found = prediction_loss(denoiser, X0, CONDITION, TIMES, NOISE, WEIGHTS[weight])
    alpha, _, sigma = path.at(TIMES)
    weights = [X0_WEIGHTS[weight](float(a), float(s)) for a, s in zip(alpha, sigma, strict=True)]
    expected = torch.tensor(weights) * SLIP.square().mean((1, 2, 3))
    # The answer is compared in float32: an ε of 1 said as x0 at α = .02 has lost two digits.
    torch.testing.assert_close(found.double(), expected.double(), rtol=2e-2, atol=0)


def test_the_divergence_of_gaussians() -> None:
    mean, other, *logs = images(4, 5, seed=2)
    expected = kl_divergence(Normal(mean, (logs[0] / 2).exp()), Normal(other, (logs[1] / 2).exp()))
    torch.testing.assert_close(gaussian_divergence(mean, logs[0], other, logs[1]), expected)


def test_the_masses_of_256_bins_sum_to_one() -> None:
    """Ho 2020, eq. 13, against SciPy's normal distribution; the outer bins reach to infinity."""
    levels = torch.linspace(-1, 1, 256, dtype=torch.float64)
    for mean, deviation in ((0.3, 0.05), (-0.99, 0.2), (2.0, 0.5)):
        mass = discretised_log_likelihood(levels, torch.full_like(levels, mean), deviation).exp()
        assert float(mass.sum()) == pytest.approx(1, abs=1e-9)
        inner = [norm(mean, deviation).cdf(v + 1 / 255) for v in levels[1:-1].tolist()]
        lower = [norm(mean, deviation).cdf(v - 1 / 255) for v in levels[1:-1].tolist()]
        expected = torch.tensor(inner) - torch.tensor(lower)
        torch.testing.assert_close(mass[1:-1], expected.double(), rtol=0, atol=1e-9)


GAUSSIAN = 0.4  # deviation of the pixels of a Gaussian world


def world(count: int) -> Tensor:
    """Independent Gaussian pixels, rounded to the levels of eight bits."""
    (x0,) = images(1, count, 1, 4, 4, seed=9)
    return ((x0 * GAUSSIAN).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1


def wiener(path: Path):
    """The exact denoiser of the Gaussian world."""

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        return x * alpha * GAUSSIAN**2 / (alpha**2 * GAUSSIAN**2 + sigma**2)

    return estimate


def test_the_bound_of_an_exact_model_nears_the_entropy_of_its_world() -> None:
    """bits/dim of a Gaussian in bins of 2/255: ½ log2(2πe s²) − log2(2/255), from above."""
    path, x0 = PATHS["vp"](), world(300)
    entropy = 0.5 * math.log2(2 * math.pi * math.e * GAUSSIAN**2) - math.log2(2 / 255)
    gaps = []
    for steps in (25, 100, 400):
        times, y = log_snr_times(path, steps, -5.0, 4.9), torch.zeros_like(x0)
        draws = images(len(times), *x0.shape, seed=4)
        terms = variational_bound(wiener(path), path, x0, y, times, draws.__getitem__)
        assert terms.shape == (len(times), 300)
        assert bool((terms[:-1] >= 0).all())
        gaps.append(float(bits_per_dimension(terms.sum(0), x0).mean()) - entropy)
    assert gaps[0] > gaps[1] > gaps[2] > 0, gaps
    assert gaps[2] < 0.15


def test_the_bound_is_of_its_own_start_and_of_times_that_end() -> None:
    path, x0 = PATHS["vp"](), world(20)
    draws, y = images(40, *x0.shape, seed=4), torch.zeros_like(x0)
    late = uniform_times(30, start=0.5)
    terms = variational_bound(wiener(path), path, x0, y, late, draws.__getitem__)
    alpha, _, sigma = (float(c) for c in path.at(0.5))
    total = alpha**2 + sigma**2
    each = 0.5 * (math.log(total / sigma**2) - 1 + (sigma**2 + (alpha * x0) ** 2) / total)
    torch.testing.assert_close(terms[0], each.sum((1, 2, 3)))
    with pytest.raises(UsageError, match=r"end at 0\.3; a bound is over those that end at 0"):
        variational_bound(wiener(path), path, x0, y, [1.0, 0.5, 0.3], draws.__getitem__)


@pytest.mark.parametrize(
    ("name", "t", "prediction", "weight", "limit"),
    [
        *(("i2sb", 1.0, "x0", weight, 0.0) for weight in ("uniform", "snr", "min_snr", "p2")),
        ("i2sb", 1.0, "x0", "edm", 4.0),
        ("vp_cosine", 1.0, "x0", "edm", 4.0),
        ("vp_cosine", 0.0, "score", "snr", 1.0),
        ("vp_cosine", 0.0, "x0", "min_snr", 5.0),
        ("vp_cosine", 0.0, "x0", "p2", 1.0),
    ],
)
def test_weights_have_their_limits_where_levels_are_0(
    name: str, t: float, prediction: str, weight: str, limit: float
) -> None:
    path = PATHS[name]()
    at = torch.tensor([t, abs(t - 2e-6)], dtype=torch.float64)
    alpha, sigma = _levels(path, at)
    found = WEIGHTS[weight]((alpha / sigma) ** 2) * share_of_noise(prediction, path, at) ** 2
    assert found.tolist() == pytest.approx([limit] * 2, abs=1e-4)


def test_terms_of_the_bound_are_ho_s() -> None:
    """L_{t−1} is the ε-loss times β²/(2 σ² α (1 − ᾱ)) (Ho 2020, eq. 12); a bad x̂0 costs more."""
    path, x0 = PATHS["ddpm"](), world(3)
    times, y = [0.5, 0.499, 0.0], torch.zeros_like(x0)
    draws = images(3, *x0.shape, seed=4)

    def estimate(x: Tensor, t: float) -> Tensor:
        return x0 + 0.1

    terms = variational_bound(estimate, path, x0, y, times, draws.__getitem__)
    bar, bar_s = (float(path.at(t).alpha) ** 2 for t in (0.5, 0.499))
    beta = 1 - bar / bar_s
    variance = (1 - bar_s) / (1 - bar) * beta
    error = (math.sqrt(bar / (1 - bar)) * 0.1) ** 2 * x0[0].numel()
    expected = beta**2 / (2 * variance * (1 - beta) * (1 - bar)) * error
    assert terms[1].tolist() == pytest.approx([expected] * 3, rel=1e-9)


def test_a_learned_variance_improves_the_bound_of_few_steps() -> None:
    """Between the two fixed choices there is a better one (Nichol 2021, section 3.1)."""
    path, x0 = PATHS["vp"](), world(200)
    times, y = log_snr_times(path, 40, -5.0, 4.9), torch.zeros_like(x0)
    draws = images(len(times), *x0.shape, seed=4)
    bounds = {
        v: float(
            variational_bound(
                wiener(path), path, x0, y, times, draws.__getitem__,
                lambda x, t, s, v=v: learned_variance(path, torch.full_like(x, v), t, s),
            ).sum(0).mean()
        )
        for v in (-1.0, -0.5, 0.0, 0.5, 1.0)
    }  # fmt: skip
    assert min(bounds, key=bounds.__getitem__) in (-0.5, 0.0, 0.5), bounds


def test_there_is_a_formula_for_every_weight() -> None:
    assert set(X0_WEIGHTS) == set(WEIGHTS)
    assert len(list(itertools.product(WEIGHTS, PREDICTIONS))) == 25
