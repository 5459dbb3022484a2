"""The path presets against their papers' formulas, most of them solved numerically from the SDE."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import pytest
import torch
from engine_oracles import few, images, noisy_paths
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from restorekit.engine.path import PATHS, broadcast, from_betas
from restorekit.engine.schedules import (
    karras_times,
    log_snr,
    log_snr_times,
    quadratic_times,
    repaint_times,
    repeated,
    time_of_log_snr,
    uniform_times,
)
from restorekit.errors import UsageError

SUPERVISED = ("srdiff", "resshift", "ir_sde", "i2sb", "indi", "flow_from_source")
INTERIOR = (0.02, 0.1, 0.37, 0.5, 0.81, 0.97)
BETAS: dict[str, Callable[[float], float]] = {
    "linear": lambda u: 0.1 + 19.9 * u,
    "quadratic": lambda u: (math.sqrt(0.1) * (1 - u) + math.sqrt(20) * u) ** 2,
    "sigmoid": lambda u: 0.1 + 19.9 / (1 + math.exp(6 - 12 * u)),
}


@cache
def preserving(beta: str, t: float) -> tuple[float, float, float]:
    """VP's coefficients from a numerical integral of β."""
    total = quad(BETAS[beta], 0, t, epsabs=1e-14, epsrel=1e-13)[0]
    return math.exp(-total / 2), 0.0, math.sqrt(-math.expm1(-total))


def ddpm(t: float) -> tuple[float, float, float]:
    """Ho 2020, section 4, as a loop over its thousand steps."""
    kept = 1.0
    for i in range(round(1000 * t)):
        kept *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999)
    return math.sqrt(kept), 0.0, math.sqrt(1 - kept)


def offset_cosine(t: float) -> tuple[float, float, float]:
    """Nichol 2021, eq. 17; the last of a thousand β is clipped at .999."""

    def f(u: float) -> float:
        return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2

    kept = f(t) / f(0) if t < 1 else 0.001 * f(0.999) / f(0)
    return math.sqrt(kept), 0.0, math.sqrt(1 - kept)


def shifted_cosine(t: float) -> tuple[float, float, float]:
    """Hoogeboom 2023: log SNR of 64 pixels, and 2 log(64/256) for 256."""
    angle = 0.5 * math.pi * 0.9999 * t
    log_snr = -2 * math.log(math.tan(angle)) + 2 * math.log(64 / 256)
    return math.sqrt(1 / (1 + math.exp(-log_snr))), 0.0, math.sqrt(1 / (1 + math.exp(log_snr)))


def zero_terminal(t: float) -> tuple[float, float, float]:
    """Lin 2024, algorithm 1, on √ᾱ with its first value 1."""
    first, last = 1.0, preserving("linear", 1.0)[0]
    root = (preserving("linear", t)[0] - last) * first / (first - last)
    return root, 0.0, math.sqrt(1 - root**2)


def alpha_gamma_sigma(name: str, t: float) -> tuple[float, float, float]:
    """The published coefficients, in plain floats."""
    cosine = math.cos(0.5 * math.pi * 0.9999 * t)
    # Yue 2023, eq. 10 at time t = (i − 1)/(T − 1): √η_i = √η_1 b^((T − 1) t^p).
    root = min(0.04 / 2, math.sqrt(0.001))
    eta = (root * math.exp(math.log(1 / root) * t**0.3)) ** 2
    variance, rest = 0.3 * t, 0.3 * (1 - t)  # I2SB's σ² and σ̄²: ∫β from either end
    table: dict[str, Callable[[], tuple[float, float, float]]] = {
        "vp": lambda: preserving("linear", t),
        "vp_quadratic": lambda: preserving("quadratic", t),
        "vp_sigmoid": lambda: preserving("sigmoid", t),
        "vp_cosine": lambda: (cosine, 0.0, math.sin(0.5 * math.pi * 0.9999 * t)),
        "vp_cosine_offset": lambda: offset_cosine(t),
        "vp_shifted_cosine": lambda: shifted_cosine(t),
        "vp_zero_terminal_snr": lambda: zero_terminal(t),
        "ddpm": lambda: ddpm(t),
        "sub_vp": lambda: (preserving("linear", t)[0], 0.0, preserving("linear", t)[2] ** 2),
        # Song 2021, eq. 29: σ²(t) − σ²(0) with σ(t) = .01 · 5000^t.
        "ve": lambda: (1.0, 0.0, math.sqrt((0.01 * 5000**t) ** 2 - 0.01**2)),
        "edm": lambda: (1.0, 0.0, 80 * t),
        "rectified_flow": lambda: (1 - t, 0.0, t),
        # Li 2021: x_t = √ᾱ (x0 − y) + y + √(1 − ᾱ) ε
        "srdiff": lambda: (cosine, 1 - cosine, math.sqrt(1 - cosine**2)),
        "resshift": lambda: (1 - eta, eta, 2 * math.sqrt(eta)),
        "ir_sde": lambda: (math.exp(-4.6 * t), -math.expm1(-4.6 * t), *ou_deviation(t)),
        # Liu 2023, eq. 11: a product of two Gaussians around the ends.
        "i2sb": lambda: (
            rest / (variance + rest),
            variance / (variance + rest),
            math.sqrt(variance * rest / (variance + rest)),
        ),
        # Delbracio 2023: (1 − t) x + t y + t ε_t noise with Brownian ε_t = ε/√t.
        "indi": lambda: (1 - t, t, t * 0.2 / math.sqrt(t)),
        "flow_from_source": lambda: (1 - t, t, 0.1 * t),
    }
    return table[name]()


def ou_deviation(t: float) -> tuple[float]:
    """IR-SDE's σ: the variance of dx = θ(μ − x)dt + λ√(2θ) dw, integrated."""
    solution = solve_ivp(
        lambda _, v: 2 * 4.6 * (0.1**2 - v), (0, t), [0.0], method="DOP853", rtol=1e-12, atol=1e-16
    )
    return (math.sqrt(solution.y[0, -1]),)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_starts_at_the_clean_image_exactly(name: str) -> None:
    assert [float(c) for c in noisy_paths()[name].at(0.0)] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("t", [*INTERIOR, 1.0])
@pytest.mark.parametrize("name", PATHS)
def test_coefficients_are_the_published_ones(name: str, t: float) -> None:
    expected = alpha_gamma_sigma(name, t)
    assert [float(c) for c in noisy_paths()[name].at(t)] == pytest.approx(expected, abs=1e-11)


def test_every_preset_has_a_published_formula_here() -> None:
    assert {name for name in PATHS if alpha_gamma_sigma(name, 0.5)} == set(PATHS)


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_paths_hold_clean_and_degraded_in_equal_sum(name: str) -> None:
    alpha, gamma, _ = noisy_paths()[name].at(torch.linspace(0, 1, 201))
    assert (alpha + gamma - 1).abs().max() < 1e-15


@pytest.mark.parametrize("name", PATHS)
def test_the_signal_to_noise_ratio_falls(name: str) -> None:
    alpha, gamma, sigma = PATHS[name]().at(torch.linspace(0.001, 0.999, 500))
    level = sigma if sigma.any() else gamma
    assert torch.all((alpha / level).diff() < 0)


@pytest.mark.parametrize("name", PATHS)
def test_the_marginal_gives_its_noise_back(name: str) -> None:
    x0, y, noise = images(3, len(INTERIOR), 2, 3, 3)
    times = torch.tensor(INTERIOR, dtype=torch.float64)
    x_t = noisy_paths()[name].marginal(x0, y, times, noise)
    for item, t in enumerate(INTERIOR):
        alpha, gamma, sigma = alpha_gamma_sigma(name, t)
        back = (x_t[item] - alpha * x0[item] - gamma * y[item]) / sigma
        torch.testing.assert_close(back, noise[item], rtol=0, atol=1e-7)


def test_resshift_has_its_own_discrete_schedule() -> None:
    """The authors' exponential schedule of 15 steps (their √η_T is .99; ours ends at 1)."""
    steps, power, start, end = 15, 0.3, min(0.04 / 2.0, 0.04, math.sqrt(0.001)), 1.0
    base = math.exp(math.log(end / start) / (steps - 1))
    path = PATHS["resshift"]()
    for i in range(1, steps):
        exponent = (i / (steps - 1)) ** power * (steps - 1)
        root_eta = start * base**exponent
        _, gamma, sigma = path.at(i / (steps - 1))
        assert float(gamma) == pytest.approx(root_eta**2, rel=1e-12)
        assert float(sigma) == pytest.approx(2.0 * root_eta, rel=1e-12)


def test_a_plain_number_is_a_time_in_full_precision() -> None:
    assert float(PATHS["indi"]().at(0.1).gamma) == 0.1


def test_coefficients_keep_float64_and_are_cast_at_the_image() -> None:
    alpha, _, _ = PATHS["vp"]().at(torch.tensor([0.1, 0.2], dtype=torch.float32))
    assert alpha.dtype == torch.float64
    assert broadcast(alpha, torch.zeros(2, 3, 4, 4)).dtype == torch.float32
    rows = broadcast(alpha, torch.zeros(2, 3, 4, 4)) * torch.ones(2, 3, 4, 4)
    assert torch.equal(rows[1], torch.full((3, 4, 4), float(alpha[1])))


def test_fresh_noise_is_all_of_it_where_a_bridge_starts() -> None:
    path = PATHS["i2sb"]()
    assert float(path.at(1.0).sigma) == 0
    assert float(path.fresh_noise(1.0, 0.6)) == float(path.at(0.6).sigma) > 0


def test_parameters_rebuild_the_path() -> None:
    made = PATHS["ir_sde"](level=0.3, theta=2.0)
    again = PATHS[made.name](**made.parameters)
    assert all(torch.equal(a, b) for a, b in zip(made.at(0.3), again.at(0.3), strict=True))


@few
@given(st.floats(-4, 6))
def test_the_time_of_a_log_snr_is_found(target: float) -> None:
    # On the straight line λ = log((1 − t)/t), so t = 1/(1 + e^λ).
    path = PATHS["rectified_flow"]()
    assert time_of_log_snr(path, target) == pytest.approx(1 / (1 + math.exp(target)), rel=1e-12)


def test_times_even_in_log_snr_end_in_nought() -> None:
    path = PATHS["vp"]()
    times = log_snr_times(path, 8, -4.0, 3.0)
    assert [log_snr(path, t) for t in times[:-1]] == pytest.approx(list(range(-4, 4)), abs=1e-9)
    assert len(times) == 9
    assert times[-1] == 0.0
    assert all(a > b for a, b in pairwise(times))


@pytest.mark.parametrize("name", ["edm", "vp", "rectified_flow"])
def test_karras_times(name: str) -> None:
    """Karras 2022, eq. 5, in σ/α; a path that ends before σ_max starts at its end."""
    path, steps, rho = PATHS[name](), 18, 7.0
    times = karras_times(path, steps)
    alpha, _, sigma = path.at(torch.tensor(times[:-1], dtype=torch.float64))
    first, last = 80 ** (1 / rho), 0.002 ** (1 / rho)
    expected = [(first + i / (steps - 1) * (last - first)) ** rho for i in range(steps)]
    reached = [t < 1 for t in times[:-1]]
    found = (sigma / alpha).tolist()
    assert [f for f, r in zip(found, reached, strict=True) if r] == pytest.approx(
        [e for e, r in zip(expected, reached, strict=True) if r], rel=1e-9
    )
    assert sum(reached) >= steps - 1 - (name == "edm")
    assert times[-1] == 0.0


def test_quadratic_times() -> None:
    """DDIM's τ_i = c i² (Song 2021, D.2)."""
    assert quadratic_times(4, 0.8) == pytest.approx([0.8, 0.45, 0.2, 0.05, 0.0])


def test_repeated_times() -> None:
    assert repeated([1.0, 0.5, 0.0], 3) == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.0]


def repaint_s_own(count: int, jump: int, resamples: int) -> list[int]:
    """Lugmayr 2022, appendix B: the places of a walk in which t = 0 is one step before clean."""
    left = dict.fromkeys(range(0, count - jump, jump), resamples - 1)
    t, walk = count, []
    while t >= 1:
        t -= 1
        walk.append(t)
        if left.get(t, 0) > 0:
            left[t] -= 1
            t += jump
            walk.append(t)
    return [count - 1 - t for t in [*walk, -1]]


@pytest.mark.parametrize(("count", "jump", "resamples"), [(12, 4, 3), (5, 4, 2), (250, 10, 10)])
def test_repaint_times_walk_as_the_paper_s(count: int, jump: int, resamples: int) -> None:
    grid = uniform_times(count)
    walk = repaint_times(grid, jump=jump, resamples=resamples)
    assert [grid.index(t) for t in walk] == repaint_s_own(count, jump, resamples)
    assert repaint_times(grid, jump=jump, resamples=1) == grid
    assert (
        walk.count(grid[count - 1]) == resamples
    )  # the last stretch before clean is gone again too


def test_log_snr_at_the_ends() -> None:
    """λ falls from ∞ to −∞: a bridge's start, where α and σ are both 0, is at the bottom."""
    assert log_snr(PATHS["vp"](), 0.0) == math.inf
    assert log_snr(PATHS["rectified_flow"](), 1.0) == -math.inf
    assert log_snr(PATHS["i2sb"](), 1.0) == -math.inf
    assert log_snr(PATHS["i2sb"](), 0.0) == math.inf


@few
@given(st.integers(1, 300), st.floats(0.01, 1.0))
def test_uniform_times_run_to_zero_in_equal_steps(steps: int, start: float) -> None:
    times = uniform_times(steps, start)
    assert times[0] == pytest.approx(start, rel=1e-15)
    assert times[-1] == 0.0
    gaps = [a - b for a, b in pairwise(times)]
    assert gaps == pytest.approx([start / steps] * steps, rel=1e-9)


def test_a_beta_of_one_ends_the_image_wherever_it_stands() -> None:
    for betas in ([0.1, 1.0, 0.2], [0.25, 0.1, 1.0, 1.0]):
        path = from_betas(betas)
        last = betas.index(1.0)
        times = torch.linspace(0, 1, 4 * len(betas) + 1, dtype=torch.float64)
        alpha, _, sigma = path.at(times)
        after = times > last / len(betas) + 1e-9
        assert (alpha[after] == 0).all()
        assert (sigma[after] == 1).all()
        assert (alpha[~after] > 0).all()
    with pytest.raises(UsageError, match="one number or more"):
        from_betas([])
