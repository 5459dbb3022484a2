"""Samplers of score-based models: the reverse SDE, predictor–corrector, annealed Langevin dynamics.

A step from t to t is a corrector's; `restorekit.engine.schedules.repeated` makes such grids.
"""

from __future__ import annotations

import math

from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers.frame import Estimate, Frame, Noise, State, Step, frame, moved
from restorekit.engine.samplers.single import ddim_step


def euler_maruyama_step(
    estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
) -> State:
    """Euler and Maruyama on the reverse SDE du = (f u − g² score) dt + g dw (Song 2021, eq. 6).

    f = α'/α and g² = (σ²)' − 2 f σ² are the path's own (Kingma 2021, eq. 11). The last step, and the
    first where λ is infinite, are ancestral; so are all on a path without noise.
    """
    f = frame(path, t, s)
    if not (f.finite and f.noisy):
        return ddim_step(estimate, path, y, state, t, s, noise, eta=1.0)
    x0_hat = estimate(state.x, t)
    alpha, _, sigma = (float(c) for c in path.slopes(t))
    spread = sigma - alpha / f.alpha_t * f.level_t  # g²/(2σ)
    each = (sigma + spread) / f.level_t
    gain = (s - t) * (alpha - each * f.alpha_t)
    added = math.sqrt(max(2 * f.level_t * spread * (t - s), 0.0))
    return State(moved(f, state.x, y, 1 + (s - t) * each, [(gain, x0_hat)], added, noise))


def predictor_corrector(snr: float = 0.16) -> Step:
    """Predictor–corrector sampling (Song 2021, algorithms 2 and 3), on a grid of `repeated` times.

    From t to s: Euler and Maruyama. From t to t: a Langevin step of size 2 r² σ², r = `snr`. Song's
    rule has ‖z‖²/‖score‖² over the whole image for σ², which is about σ² where images have little
    beside their noise; by it a picture's far parts would reach each other.
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        if s != t:
            return euler_maruyama_step(estimate, path, y, state, t, s, noise)
        f = frame(path, t, s)
        if not (f.finite and f.noisy):  # pure noise has nothing to correct
            return State(state.x)
        return State(langevin(f, state.x, y, estimate(state.x, t), 2 * snr**2, noise))

    return step


def annealed_langevin(size: float = 0.1) -> Step:
    """Annealed Langevin dynamics (Song 2019, algorithm 1), on a grid of `repeated` times.

    Each call is a Langevin step at t's level of size ε_i/2 = `size` · σ², theirs being
    ε σ_i²/(2 σ_L²); x then goes on to the level of s. To σ = 0 the estimate itself (Song 2020, 3.5).
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        f = frame(path, t, s)
        if not (f.finite and f.noisy):
            still = s == t
            return state if still else ddim_step(estimate, path, y, state, t, s, noise, eta=1.0)
        return State(langevin(f, state.x, y, estimate(state.x, t), size, noise))

    return step


def langevin(f: Frame, x: Tensor, y: Tensor, x0_hat: Tensor, size: float, noise: Noise) -> Tensor:
    """u + e σ² score + √(2e) σ z, score = −ε̂/σ, at t; then its image part goes on to α_s.

    e = `size`. It leaves the law at t as it is, as e → 0.
    """
    ratio = f.alpha_s / f.alpha_t
    fresh = ratio * math.sqrt(2 * size) * f.level_t
    return moved(f, x, y, ratio * (1 - size), [(size * f.alpha_s, x0_hat)], fresh, noise)
