"""Methods that look at nothing but the present step: DDIM and ancestral, Heun, DPM-Solver++(2S)."""

from __future__ import annotations

import math

from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers.frame import Estimate, Noise, State, Step, frame, moved, transfer
from restorekit.engine.schedules import time_of_log_snr


def ddim_step(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    state: State,
    t: float,
    s: float,
    noise: Noise,
    *,
    eta: float = 0.0,
) -> State:
    """u_s = α_s x̂0 + √(σ_s² − τ²) ε̂ + τ z, ε̂ = (u_t − α_t x̂0)/σ_t, τ = η × the path's fresh noise.

    η = 0: DDIM (Song 2021, eq. 12), Euler on the probability-flow ODE in σ/α; with s > t it is DDIM's
    inversion. η = 1: the ancestral step — DDPM's, I2SB's, IR-SDE's and, by its path's own τ,
    ResShift's posterior.
    """
    x0_hat = estimate(state.x, t)
    fresh = eta * float(path.fresh_noise(t, s)) if eta else 0.0
    return State(transfer(frame(path, t, s), state.x, y, x0_hat, fresh, noise))


def heun_step(
    estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, _: Noise
) -> State:
    """Heun's second-order step in σ/α (Karras 2022, algorithm 1), on u/α.

    Euler's are the last step, those from or to α = 0, and those to less than a hundredth of σ/α.
    """
    x0_hat, x, f = estimate(state.x, t), state.x, frame(path, t, s)
    euler = transfer(f, x, y, x0_hat)
    # The mean of both slopes is Euler's step to x̂0 + r (x̂0' − x̂0)/2, r the ratio of the levels σ/α.
    half = f.level_t * f.alpha_s / (f.alpha_t * f.level_s) / 2 if f.finite else math.inf
    if half > 50:
        return State(euler)
    return State(transfer(f, x, y, [(1 - half, x0_hat), (half, estimate(euler, s))]))


def churned(
    plain: Step, churn: float, *, low: float = 0.05, high: float = 50.0, spread: float = 1.003
) -> Step:
    """A step that first raises σ/α by the share `churn`, with fresh noise (Karras 2022, algorithm 2).

    churn: their γ_i = S_churn/N, where σ/α lies in [low, high] = [S_tmin, S_tmax]; spread: S_noise.
    Levels are raised to the path's end at most.
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        f = frame(path, t, t)
        if not (f.noisy and f.finite and low <= f.level_t / f.alpha_t <= high):
            return plain(estimate, path, y, state, t, s, noise)
        raised = time_of_log_snr(path, f.log_snr_t - math.log1p(churn))
        f = frame(path, t, raised)
        ratio, added = f.forward()
        x = moved(f, state.x, y, ratio, (), spread * added, noise)
        return plain(estimate, path, y, State(x, state.memory), raised, s, noise)

    return step


def dpm_solver_pp_2s_step(
    estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
) -> State:
    """DPM-Solver++(2S), r = ½: the estimate at the middle of λ serves the step (Lu 2022, algorithm 1).

    The last step, and the first where α = 0, are of first order.
    """
    f = frame(path, t, s)
    if not f.finite:
        return ddim_step(estimate, path, y, state, t, s, noise)
    middle = time_of_log_snr(path, f.log_snr_t + f.log_snr_gain / 2)
    halfway = ddim_step(estimate, path, y, state, t, middle, noise)
    return State(transfer(f, state.x, y, estimate(halfway.x, middle)))


def euler_step(
    estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, _: Noise
) -> State:
    """Euler on the probability-flow ODE in t itself: u_s = u_t + (s − t) du/dt (Liu 2022, Song 2021).

    On EDM and rectified flow, not shifted, this is DDIM. The last step, a bridge's first, and one from
    where a path stands still are the generic step.
    """
    x0_hat, f = estimate(state.x, t), frame(path, t, s)
    alpha, gamma, sigma = (float(c) for c in path.slopes(t))
    if not f.level_t or not f.level_s or alpha == gamma == sigma == 0:
        return State(transfer(f, state.x, y, x0_hat))
    each = (sigma if f.noisy else gamma) / f.level_t  # du/dt = α' x̂0 + σ' ε̂
    gain = (s - t) * (alpha - each * f.alpha_t)
    return State(moved(f, state.x, y, 1 + (s - t) * each, [(gain, x0_hat)]))
