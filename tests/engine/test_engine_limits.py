"""Where a formula has a limit and no value, where digits are lost, and what takes part in a gradient."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from restorekit.engine.bound import discretised_log_likelihood, prior_term
from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned, Predicting
from restorekit.engine.editing import resampled
from restorekit.engine.likelihood import log_likelihood, solve_flow
from restorekit.engine.loop import sample
from restorekit.engine.markov import added_noise, betas_of, forward_step, learned_variance
from restorekit.engine.path import PATHS, from_betas
from restorekit.engine.samplers import SAMPLERS, State
from restorekit.engine.schedules import (
    karras_times,
    log_snr_times,
    resshift_times,
    uniform_times,
)
from restorekit.errors import UsageError
from restorekit.training.prediction_loss import edm, min_snr, prediction_loss

ONES = torch.ones(1, 1, 2, 2, dtype=torch.float64)


def test_a_chain_that_ends_in_pure_noise_is_a_path() -> None:
    """Lin's rescaled chain ends with β = 1: at its steps the path is the one it was cut from."""
    whole = PATHS["vp_zero_terminal_snr"]()
    chain = from_betas(betas_of(whole, 10))
    times = torch.linspace(0, 1, 11, dtype=torch.float64)
    for found, expected in zip(chain.at(times), whole.at(times), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert all(c.isfinite().all() for c in chain.at(torch.linspace(0, 1, 97)))


@pytest.mark.parametrize("beta", [0.0, -0.1, 1.5, math.nan])
def test_betas_that_are_none_are_refused(beta: float) -> None:
    with pytest.raises(UsageError, match="betas"):
        from_betas([0.1, beta])


@pytest.mark.parametrize("path", ["vp_zero_terminal_snr", "rectified_flow"])
@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v", "flow"])
def test_weighted_losses_have_their_limits_at_the_end(path: str, prediction: str) -> None:
    """At α = 0 by closed forms: the answer's error e makes one of α e in ε̂; a flow's, of α e/α'."""

    def network(x: Tensor, *_: Tensor | None) -> Tensor:
        return torch.zeros_like(x)

    denoiser = Predicting(network, PATHS[path](), prediction)
    x0, noise = torch.full((1, 1, 2, 2), 0.5), torch.full((1, 1, 2, 2), -2.0)
    end = torch.ones(1, dtype=torch.float64)
    plain = prediction_loss(denoiser, x0, Condition(0 * x0), end, noise)
    if prediction == "flow":
        plain = plain / denoiser.path.slopes(1.0).alpha.square().float()
    for weight, limit in ((min_snr, 0.0), (edm, 4.0)):
        found = prediction_loss(denoiser, x0, Condition(0 * x0), end, noise, weight)
        assert found.isfinite().all()
        if prediction != "epsilon":
            torch.testing.assert_close(found, limit * plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in PATHS if PATHS[name]().at(0.5).sigma > 0])
@pytest.mark.parametrize("sampler", ["dpm++2m", "adams3", "unipc", "deis"])
def test_grids_stop_at_the_path_s_end(name: str, sampler: str) -> None:
    path = PATHS[name]()
    for times in (karras_times(path, 12), log_snr_times(path, 10, -8, 5)):
        assert all(t > s for t, s in pairwise(times))
        made = sample(
            SAMPLERS[sampler], lambda x, _: 0.5 * x, path, ONES, ONES, times, lambda _: ONES
        )
        assert made.isfinite().all()


def test_resshift_s_grid() -> None:
    """√η of its step i is √η_1 · b^β_i with β_i = ((i − 1)/(T − 1))^p (T − 1), b^(T − 1) = 1/√η_1."""
    path, steps, power, first = PATHS["resshift"](), 15, 0.3, 0.02
    found = [float(path.at(t).gamma) ** 0.5 for t in resshift_times(steps)]
    base = (1 / first) ** (1 / (steps - 1))
    paper = [first * base ** (((i - 1) / (steps - 1)) ** power * (steps - 1)) for i in range(1, 16)]
    assert found == pytest.approx([*reversed(paper), 0.0], rel=2e-3)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("path", ["vp", "flow_from_source"])
def test_gradients_reach_through_every_sampler(sampler: str, path: str) -> None:
    """As guidance by a measurement needs them: dx_0/dx_1, against a difference."""
    start, y = 0.3 * ONES, -0.2 * ONES

    def end(x: Tensor, scale: Tensor) -> Tensor:
        def estimate(x: Tensor, _: float) -> Tensor:
            return scale * x.tanh() + 0.1 * y

        times = uniform_times(4)
        return sample(SAMPLERS[sampler], estimate, PATHS[path](), y, x, times, lambda _: ONES).sum()

    x = start.clone().requires_grad_()
    scale = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    by_x, by_scale = torch.autograd.grad(end(x, scale), (x, scale), allow_unused=True)
    h = 1e-6
    with torch.no_grad():
        moved = (end(start + h, scale) - end(start - h, scale)) / (2 * h)
        scaled = (end(start, scale + h) - end(start, scale - h)) / (2 * h)
    torch.testing.assert_close(by_x.sum(), moved, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(by_scale, scaled, rtol=1e-5, atol=1e-8)


def test_the_flow_takes_a_network_in_single_precision() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(1, 1, 1)
    path = PATHS["vp"]()

    def network(x: Tensor, *_: Tensor | None) -> Tensor:
        return layer(x)

    condition = Condition(torch.zeros(1, 1, 2, 2))
    for denoiser in (Predicting(network, path, "epsilon"), Preconditioned(network, path, 0.5)):

        def estimate(x: Tensor, t: float, denoiser=denoiser) -> Tensor:
            return denoiser(x, torch.tensor(t), condition)

        y = condition.source
        made = solve_flow(estimate, path, y, torch.ones(1, 1, 2, 2), 1.0, 0.2, tolerance=1e-3)
        assert made.dtype == torch.float64
        assert made.isfinite().all()
        probes = torch.randn(1, 1, 1, 2, 2)
        found = log_likelihood(estimate, path, y, torch.ones(1, 1, 2, 2), probes, tolerance=1e-2)
        assert found.isfinite().all()


@pytest.mark.parametrize(("name", "start"), [("vp", 0.0), ("rectified_flow", 0.0), ("i2sb", 1.0)])
def test_a_flow_from_where_there_is_no_noise_is_refused(name: str, start: float) -> None:
    path, y = PATHS[name](), torch.zeros_like(ONES)
    with pytest.raises(UsageError, match=f"no flow at t = {start:g}, where path {name}"):
        solve_flow(lambda x, _: x / 2, path, y, ONES, start, 0.5)


@pytest.mark.parametrize("name", ["i2sb", "indi"])
def test_what_has_no_noise_at_its_start_has_no_likelihood_by_it(name: str) -> None:
    probes = torch.ones(1, *ONES.shape)
    with pytest.raises(UsageError, match="no noise"):
        log_likelihood(lambda x, _: x / 2, PATHS[name](), 0 * ONES, ONES, probes)


def test_a_jump_on_a_path_without_noise_keeps_the_source() -> None:
    path, y = PATHS["indi"](), 2 * ONES
    step = resampled(SAMPLERS["ddim"]).step
    x = path.marginal(ONES, y, 0.5, 0 * ONES)
    made = step(lambda x, _: x, path, y, State(x), 0.5, 0.75, lambda: ONES).x
    torch.testing.assert_close(made, path.marginal(ONES, y, 0.75, 0 * ONES))


@pytest.mark.parametrize("name", ["vp", "resshift", "ir_sde"])
def test_the_chain_s_own_noise_is_the_learned_variance_s_upper_end(name: str) -> None:
    path, (s, t) = PATHS[name](), (0.4, 0.5)
    with_noise, without = (
        forward_step(path, ONES, ONES, ONES, s, t, noise) for noise in (ONES, 0 * ONES)
    )
    added = (with_noise - without).mean()
    assert added_noise(path, s, t) == pytest.approx(float(added))
    assert float(learned_variance(path, ONES, t, s).mean()) == pytest.approx(float(added) ** 2)


@pytest.mark.parametrize("off", [0.2, 0.4, 0.5])
def test_both_tails_of_a_bin_keep_their_digits(off: float) -> None:
    deviation, half = 0.08, 1 / 255
    exact = 0.5 * (
        math.erfc((off - half) / deviation / 2**0.5) - math.erfc((off + half) / deviation / 2**0.5)
    )
    x0 = torch.zeros(2)
    found = discretised_log_likelihood(x0, torch.tensor([off, -off]), deviation)
    torch.testing.assert_close(found, torch.full((2,), math.log(exact)), rtol=1e-4, atol=0)


def test_the_bins_of_all_levels_hold_everything() -> None:
    levels = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    for mean in (-1.2, -0.3, 0.99):
        found = discretised_log_likelihood(levels, torch.full_like(levels, mean), 0.1).exp().sum()
        assert float(found) == pytest.approx(1, abs=1e-9)


def test_a_bridge_has_no_prior() -> None:
    with pytest.raises(UsageError, match="starts without noise"):
        prior_term(PATHS["i2sb"](), ONES)
