"""One step, written once, against the papers' own; marginal laws; orders; the shift property."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from engine_oracles import (
    constant,
    forbidden_noise,
    images,
    mixture_mean,
    noisy_paths,
    unshifted,
)
from torch import Tensor

from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS, Path
from restorekit.engine.samplers import SAMPLERS, State, count_evaluations, ddim_step, frame

EXACT = {"rtol": 0, "atol": 1e-12}
X0, Y, X_T, Z = images(4, 2, 3, 5, 7)
DETERMINISTIC = (
    *("ddim", "euler", "heun", "dpm++2s", "dpm++2m", "dpm++3m"),
    *("adams3", "deis", "unipc", "plms", "pndm"),
)
STEPS = [(0.9, 0.7), (0.7, 0.65), (0.3, 0.02), (0.05, 0.0), (1.0, 0.8)]


def step(path: Path, t: float, s: float, *, eta: float, x: Tensor = X_T) -> Tensor:
    """The engine's step with a known x̂0."""
    return ddim_step(constant(X0), path, Y, State(x), t, s, lambda: Z, eta=eta).x


def alpha_bar(path: Path, t: float) -> float:
    return float(path.at(t).alpha) ** 2


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ancestral_is_ddpm_s_posterior(t: float, s: float) -> None:
    """Ho 2020, eq. 6 and 7."""
    path = PATHS["vp"]()
    bar_t, bar_s = alpha_bar(path, t), alpha_bar(path, s)
    alpha = bar_t / bar_s
    beta = 1 - alpha
    mean = math.sqrt(bar_s) * beta / (1 - bar_t) * X0
    mean = mean + math.sqrt(alpha) * (1 - bar_s) / (1 - bar_t) * X_T
    variance = (1 - bar_s) / (1 - bar_t) * beta
    torch.testing.assert_close(step(path, t, s, eta=1.0), mean + math.sqrt(variance) * Z, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim(eta: float, t: float, s: float) -> None:
    """Song 2021 (DDIM), eq. 12 and 16."""
    path = PATHS["vp_cosine"]()
    bar_t, bar_s = alpha_bar(path, t), alpha_bar(path, s)
    sigma = eta * math.sqrt((1 - bar_s) / (1 - bar_t)) * math.sqrt(1 - bar_t / bar_s)
    noise = (X_T - math.sqrt(bar_t) * X0) / math.sqrt(1 - bar_t)
    expected = math.sqrt(bar_s) * X0 + math.sqrt(1 - bar_s - sigma**2) * noise + sigma * Z
    torch.testing.assert_close(step(path, t, s, eta=eta), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_euler_on_edm(t: float, s: float) -> None:
    """Karras 2022, algorithm 1 without its correction."""
    sigma_t, sigma_s = 80 * t, 80 * s
    slope = (X_T - X0) / sigma_t
    expected = X_T + (sigma_s - sigma_t) * slope
    torch.testing.assert_close(step(PATHS["edm"](), t, s, eta=0.0), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_euler_ancestral_of_k_diffusion(t: float, s: float) -> None:
    start, end = 80 * t, 80 * s
    up = min(end, math.sqrt(end**2 * (start**2 - end**2) / start**2))
    down = math.sqrt(end**2 - up**2)
    expected = X_T + (X_T - X0) / start * (down - start) + up * Z
    torch.testing.assert_close(
        step(PATHS["edm"](), t, s, eta=1.0), expected, rtol=0, atol=1e-11
    )  # at σ = 80 an ulp is 1.4e-14, and down − start cancels


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_euler_on_rectified_flow(t: float, s: float) -> None:
    """Liu 2022: dx = v dt with v = ε − x0 = (x_t − x0)/t."""
    expected = X_T + (s - t) * (X_T - X0) / t
    torch.testing.assert_close(step(PATHS["rectified_flow"](), t, s, eta=0.0), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_resshift_s_posterior(t: float, s: float) -> None:
    """Yue 2023, eq. 7: mean (η_s/η_t) x_t + (α/η_t) x0, variance κ² (η_s/η_t) α, α = η_t − η_s."""
    path = PATHS["resshift"]()
    eta_t, eta_s = float(path.at(t).gamma), float(path.at(s).gamma)
    grown = eta_t - eta_s
    mean = eta_s / eta_t * X_T + grown / eta_t * X0
    expected = mean + 2.0 * math.sqrt(eta_s / eta_t * grown) * Z
    torch.testing.assert_close(step(path, t, s, eta=1.0), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_ir_sde_s_posterior(t: float, s: float) -> None:
    """Luo 2023, proposition 3.2, and the bridge's variance; μ is y."""
    bar_t, bar_s = 4.6 * t, 4.6 * s
    between = bar_t - bar_s
    whole = 1 - math.exp(-2 * bar_t)
    mean = (1 - math.exp(-2 * bar_s)) / whole * math.exp(-between) * (X_T - Y)
    mean = mean + (1 - math.exp(-2 * between)) / whole * math.exp(-bar_s) * (X0 - Y) + Y
    variance = 0.1**2 * (1 - math.exp(-2 * bar_s)) * (1 - math.exp(-2 * between)) / whole
    expected = mean + math.sqrt(variance) * Z
    torch.testing.assert_close(step(PATHS["ir_sde"](), t, s, eta=1.0), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS[:-1])
def test_i2sb_s_posterior(t: float, s: float) -> None:
    """Liu 2023, eq. 4 and proposition 3.3."""
    variance_s, added = 0.3 * s, 0.3 * (t - s)
    mean = (added * X0 + variance_s * X_T) / (added + variance_s)
    expected = mean + math.sqrt(added * variance_s / (added + variance_s)) * Z
    torch.testing.assert_close(step(PATHS["i2sb"](), t, s, eta=1.0), expected, **EXACT)


def test_i2sb_starts_at_the_degraded_image_where_sigma_is_nought() -> None:
    s, beta = 0.8, 0.3
    expected = (1 - s) * X0 + s * Y + math.sqrt(beta * s * (1 - s)) * Z
    torch.testing.assert_close(step(PATHS["i2sb"](), 1.0, s, eta=1.0, x=Y), expected, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_indi(eta: float, t: float, s: float) -> None:
    """Delbracio 2023: x_s = (s/t) x_t + (1 − s/t) x̂0, for any η as nothing is random.

    On the mean path x_t = (1 − t) x̂0 + t y, as y is what a path without noise takes its level from.
    """
    path = PATHS["indi"]()
    x_t = (1 - t) * X0 + t * Y
    made = ddim_step(constant(X0), path, Y, State(x_t), t, s, forbidden_noise, eta=eta).x
    torch.testing.assert_close(made, s / t * x_t + (1 - s / t) * X0, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_indi_on_any_x_t(t: float, s: float) -> None:
    made = ddim_step(constant(X0), PATHS["indi"](), Y, State(X_T), t, s, forbidden_noise).x
    torch.testing.assert_close(made, s / t * X_T + (1 - s / t) * X0, **EXACT)


@pytest.mark.parametrize(("t", "s"), STEPS)
def test_indi_with_brownian_noise(t: float, s: float) -> None:
    """x_s = (s/t) x_t + (1 − s/t) x̂0 + s √(ε_s² − ε_t²) z with ε_t = ε/√t."""
    fresh = s * math.sqrt(0.2**2 / s - 0.2**2 / t) if s else 0.0
    expected = s / t * X_T + (1 - s / t) * X0 + fresh * Z
    made = step(PATHS["indi"](epsilon=0.2), t, s, eta=1.0)
    torch.testing.assert_close(made, expected, **EXACT)


def test_heun_is_edm_s_algorithm_1() -> None:
    path, t, s = PATHS["edm"](), 0.02, 0.011

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return torch.tanh(x + sigma)

    sigma_t, sigma_s = 80 * t, 80 * s
    slope = (X_T - denoise(X_T, sigma_t)) / sigma_t
    euler = X_T + (sigma_s - sigma_t) * slope
    second = (euler - denoise(euler, sigma_s)) / sigma_s
    expected = X_T + (sigma_s - sigma_t) * (slope + second) / 2
    made = (
        SAMPLERS["heun"]
        .step(lambda x, time: denoise(x, 80 * time), path, Y, State(X_T), t, s, forbidden_noise)
        .x
    )
    torch.testing.assert_close(made, expected, **EXACT)


def test_dpm_solver_pp_2m_is_its_paper_s_algorithm_2() -> None:
    """Lu 2022 (DPM-Solver++): two steps, the second with the slope of the first."""
    path, times = PATHS["vp"](), (0.8, 0.6, 0.45)

    def estimate(x: Tensor, t: float) -> Tensor:
        return torch.tanh(x * (1 - t))

    level = [[float(c) for c in path.at(t)] for t in times]
    lam = [math.log(alpha / sigma) for alpha, _, sigma in level]
    h1, h2 = lam[1] - lam[0], lam[2] - lam[1]
    first = estimate(X_T, times[0])
    x1 = level[1][2] / level[0][2] * X_T - level[1][0] * math.expm1(-h1) * first
    second = estimate(x1, times[1])
    ratio = h1 / h2
    slope = (1 + 1 / (2 * ratio)) * second - 1 / (2 * ratio) * first
    expected = level[2][2] / level[1][2] * x1 - level[2][0] * math.expm1(-h2) * slope
    made = sample(SAMPLERS["dpm++2m"], estimate, path, Y, X_T, times, forbidden_noise)
    torch.testing.assert_close(made, expected, **EXACT)


def coefficients_of_step(
    make: Callable[..., State], path: Path, t: float, s: float
) -> tuple[float, float, float, float]:
    """How much of x0, y, x_t's noise and fresh noise a step from the exact marginal leaves at s."""
    x0, y, noise, fresh = torch.eye(4, dtype=torch.float64).reshape(4, 1, 1, 1, 4)
    x_t = path.marginal(x0, y, t, noise)
    return tuple(make(constant(x0), path, y, State(x_t), t, s, lambda: fresh).x.flatten().tolist())


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", PATHS)
def test_a_step_has_the_marginal_law(name: str, eta: float, t: float, s: float) -> None:
    path = noisy_paths()[name]
    if float(path.at(t).sigma) == 0 and eta < 1:
        pytest.skip("a bridge's first step has only the share η of its noise: documented")
    a, c, kept, fresh = coefficients_of_step(partial(ddim_step, eta=eta), path, t, s)
    alpha, gamma, sigma = (float(v) for v in path.at(s))
    assert (a, c) == pytest.approx((alpha, gamma), abs=1e-12)
    assert kept**2 + fresh**2 == pytest.approx(sigma**2, rel=1e-12, abs=1e-14)
    if eta == 0:
        assert fresh == 0
    elif s > 0:
        assert fresh > 0


@pytest.mark.parametrize(("t", "s"), STEPS)
@pytest.mark.parametrize("sampler", sorted({*DETERMINISTIC} - {"euler"}))
@pytest.mark.parametrize("name", PATHS)
def test_an_ode_solver_s_step_has_the_marginal_law(
    name: str, sampler: str, t: float, s: float
) -> None:
    path = noisy_paths()[name]
    if float(path.at(t).sigma) == 0:
        pytest.skip("there is no noise to carry on where a bridge starts")
    # Each stage of PNDM divides by α_t: at the end of the cosine paths (1e-4) rounding is all there is.
    t = 0.95 if sampler == "pndm" and t == 1 else t
    a, c, kept, fresh = coefficients_of_step(SAMPLERS[sampler].step, path, t, s)
    assert fresh == 0
    assert (a, c, kept) == pytest.approx([float(v) for v in path.at(s)], abs=1e-11)


def test_the_ancestral_step_is_random_and_keeps_the_correlation_of_a_markov_chain() -> None:
    """Composing t → r → s at η = 1 leaves as much of x_t's noise as t → s does (I2SB, IR-SDE, …)."""
    for name, path in noisy_paths().items():
        ancestral = partial(ddim_step, eta=1.0)
        first = coefficients_of_step(ancestral, path, 0.8, 0.5)[2]
        second = coefficients_of_step(ancestral, path, 0.5, 0.3)[2]
        direct = coefficients_of_step(ancestral, path, 0.8, 0.3)[2]
        assert first / float(path.at(0.5).sigma) * second == pytest.approx(direct, rel=1e-10), name


def test_y_cancels_on_the_flow_from_the_source() -> None:
    path = PATHS["flow_from_source"]()
    other = ddim_step(constant(X0), path, Y + 100, State(X_T), 0.7, 0.3, forbidden_noise).x
    torch.testing.assert_close(step(path, 0.7, 0.3, eta=0.0), other, **EXACT)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["vp", "flow_from_source", "indi"])
def test_a_step_leaves_its_arguments_alone(name: str, sampler: str) -> None:
    """Neither what it is given nor what it remembers is written to."""
    x, x0, y, z = (v.clone() for v in (X_T, X0, Y, Z))
    path, method = PATHS[name](), SAMPLERS[sampler]
    given = [(x, x.clone()), (x0, x0.clone()), (y, y.clone()), (z, z.clone())]
    state = method.init(x)
    for t, s in ((0.9, 0.8), (0.8, 0.7), (0.7, 0.6), (0.6, 0.5), (0.5, 0.0)):
        state = method.step(lambda *_: x0, path, y, state, t, s, lambda: z)
        given += [(v, v.clone()) for v in tensors(state)]
    for used, kept in given:
        assert torch.equal(used, kept)


def tensors(value: object) -> list[Tensor]:
    """Every tensor in nested tuples."""
    if isinstance(value, Tensor):
        return [value]
    return [t for part in value for t in tensors(part)] if isinstance(value, tuple) else []


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_deterministic_samplers_draw_nothing(sampler: str) -> None:
    times = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    made = sample(
        SAMPLERS[sampler], constant(X0), PATHS["flow_from_source"](), Y, X_T, times,
        forbidden_noise,
    )  # fmt: skip
    torch.testing.assert_close(made, X0, **EXACT)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", PATHS)
def test_every_sampler_ends_at_what_is_known_of_the_image(name: str, sampler: str) -> None:
    """A denoiser that knows x0 leads every sampler to it, on every path, from anywhere.

    PNDM not from the end of the cosine paths: see above.
    """
    times = [0.95 if sampler == "pndm" else 1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    draws = images(len(times), *X0.shape, seed=3)
    made = sample(SAMPLERS[sampler], constant(X0), PATHS[name](), Y, X_T, times, draws.__getitem__)
    torch.testing.assert_close(made, X0, rtol=0, atol=1e-8)


def test_the_loop_numbers_its_noise_by_step() -> None:
    asked: list[int] = []

    def noise(index: int) -> Tensor:
        asked.append(index)
        return Z

    times = [1.0, 0.7, 0.4, 0.0]
    sample(SAMPLERS["ancestral"], constant(X0), PATHS["vp"](), Y, X_T, times, noise)
    assert asked == [0, 1]  # the last step, to σ = 0, needs none


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_evaluations_are_counted_and_never_more_than_declared(sampler: str) -> None:
    """Each step's margin is counted from it, so one more call would see wrong pixels."""
    for name in ("vp", "flow_from_source", "rectified_flow", "i2sb", "indi"):
        for steps in (1, 2, 3, 5):
            calls: list[float] = []

            def draw(index: int) -> Tensor:
                return Z

            def estimate(x: Tensor, t: float, calls: list[float] = calls) -> Tensor:
                calls.append(t)
                return X0.clone()

            times = [(steps - i) / steps for i in range(steps + 1)]
            sample(SAMPLERS[sampler], estimate, PATHS[name](), Y, X_T, times, draw)
            assert len(calls) == count_evaluations(SAMPLERS[sampler], PATHS[name](), times)
            declared = SAMPLERS[sampler].evaluations * (steps - 1) + 1
            assert steps <= len(calls) <= declared


def test_calls_that_are_saved_are_not_counted() -> None:
    """Heun's first step where α is 0 and its last are Euler's; PLMS and PNDM only warm up."""
    times = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]
    counts = {
        (sampler, name): count_evaluations(SAMPLERS[sampler], PATHS[name](), times)
        for sampler in ("heun", "plms", "pndm")
        for name in ("vp", "rectified_flow")
    }
    assert counts == {
        ("heun", "vp"): 9, ("heun", "rectified_flow"): 8,
        ("plms", "vp"): 6, ("plms", "rectified_flow"): 6,
        ("pndm", "vp"): 14, ("pndm", "rectified_flow"): 14,
    }  # fmt: skip


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", ["flow_from_source", "resshift", "ir_sde", "srdiff"])
def test_sampling_with_a_source_is_sampling_of_u(name: str, sampler: str) -> None:
    """The shift property: u_t = x_t − γ_t y runs as an ordinary diffusion with γ = 0."""
    path = PATHS[name]()
    plain = unshifted(path)
    times = [0.97, 0.8, 0.5, 0.2, 0.04]
    y, start, *draws = images(2 + len(times), 1, 1, 4, 50)
    seen: list[Tensor] = []

    def with_source(x: Tensor, t: float) -> Tensor:
        alpha, gamma, sigma = (float(c) for c in path.at(t))
        seen.append(x - gamma * y)
        return mixture_mean(x - gamma * y, alpha, sigma)

    def without(u: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in plain.at(t))
        torch.testing.assert_close(seen.pop(0), u, **EXACT)
        return mixture_mean(u, alpha, sigma)

    first, last = (float(path.at(t).gamma) for t in (times[0], times[-1]))
    shifted = sample(
        SAMPLERS[sampler], with_source, path, y, start + first * y, times, draws.__getitem__
    )
    u = sample(
        SAMPLERS[sampler], without, plain, torch.zeros_like(y), start, times, draws.__getitem__
    )
    torch.testing.assert_close(shifted - last * y, u, **EXACT)
    assert not seen


def test_a_frame_of_a_path_without_noise_counts_gamma_as_its_level() -> None:
    f = frame(PATHS["indi"](), 0.8, 0.2)
    assert (f.alpha_t, f.level_t, f.alpha_s, f.level_s) == pytest.approx((0.2, 0.8, 0.8, 0.2))
    assert (f.shift_t, f.shift_s) == (0.0, 0.0)
    assert f.log_snr_t == pytest.approx(math.log(0.25))
