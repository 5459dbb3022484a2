"""Multi-step methods: one call of the denoiser a step, and a polynomial through the calls before.

In λ = log(α/σ) the solution is u_s/σ_s = u_t/σ_t + ∫ e^λ x̂0 dλ (Lu 2022). A polynomial through
estimates at λ_k replaces x̂0; its integral, over that of e^λ alone, is a weighted sum of the
estimates, and the generic step does the rest. DEIS does the same to ε̂, whose weight is e^(−λ).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers.frame import (
    Estimate,
    Frame,
    Noise,
    NoiseIn,
    State,
    Step,
    frame,
    noise_in,
    transfer,
    transfer_noise,
)
from restorekit.errors import UsageError

History = tuple[tuple[float, Any], ...]
"""(λ_k, estimate there, of x̂0 or of ε̂), the newest first."""

Moments = Callable[[float, int], list[float]]
"""(c, count) → the means of x, …, x^count over [0, 1] under the weight e^(cx), or stand-ins."""


def exact_moments(c: float, count: int) -> list[float]:
    """∫ x^i e^(cx) dx / ∫ e^(cx) dx over [0, 1], i = 1 … count; c is not 0."""
    top = math.exp(min(c, 0.0))  # all is divided by e^max(c, 0), which may overflow
    whole = integral = -math.expm1(-abs(c)) / abs(c)
    found = []
    for i in range(1, count + 1):
        integral = (top - i * integral) / c
        found.append(integral / whole)
    return found


def midpoint_moments(c: float, count: int) -> list[float]:  # noqa: ARG001 (the form of `Moments`)
    """½ for the one step back of DPM-Solver++(2M): the weight's slope inside the step is left out."""
    return [0.5] if count else []


def released_3m_moments(c: float, count: int) -> list[float]:
    """Those of the released DPM-Solver++(3M): its second difference counts half of what it should."""
    if count < 2:
        return midpoint_moments(c, count)
    first, second = exact_moments(c, 2)
    return [first, second / 2]


def unipc_moments(c: float, count: int) -> list[float]:
    """UniPC's with B(h) = e^h − 1: exact, but ½ where one estimate stands beside the first."""
    return [0.5] if count == 1 else exact_moments(c, count)


def blend(
    f: Frame, history: History, moments: Moments, sign: float = 1.0
) -> list[tuple[float, Any]]:
    """The mean over the step of the polynomial through a history; sign: of λ in the weight.

    m_0 + Σ w_k (m_k − m_0) with Σ w_k r_k^i the i-th moment, r_k = (λ_k − λ_t)/h.
    """
    (start, first), *others = history
    if not others:
        return [(1.0, first)]
    h, count = f.log_snr_gain, len(others)
    r = torch.tensor([(place - start) / h for place, _ in others], dtype=torch.float64)
    wanted = torch.tensor(moments(sign * h, count), dtype=torch.float64)
    powers = torch.stack([r**i for i in range(1, count + 1)])
    weights = torch.linalg.solve(powers, wanted).tolist()
    values = [value for _, value in others]
    return [(1 - sum(weights), first), *zip(weights, values, strict=True)]


def solver(
    order: int, moments: Moments = exact_moments, *, of_noise: bool = False, eta: float = 0.0
) -> Step:
    """A step of `order` from as many estimates, of x̂0 or (of_noise) of ε̂.

    η = 1: the solver of the reverse SDE, whose noise is the ancestral step's (Lu 2022, section 6.2).
    The first steps, and the last (where λ is infinite), are of lower order. UsageError for η of noise.
    """
    if of_noise and eta:
        raise UsageError("a solver of ε̂ is for the ODE alone: give it no eta, or let it be of x̂0")

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        x0_hat, f = estimate(state.x, t), frame(path, t, s)
        fresh = eta * float(path.fresh_noise(t, s)) if eta else 0.0
        if not f.finite:
            return State(transfer(f, state.x, y, x0_hat, fresh, noise))
        seen = noise_in(f, state.x, x0_hat) if of_noise else x0_hat
        history = ((f.log_snr_t, seen), *state.memory)[:order]
        blended = blend(f, history, moments, -1.0 if of_noise else 1.0)
        if of_noise:
            return State(transfer_noise(f, state.x, y, x0_hat, blended), history)
        return State(transfer(f, state.x, y, blended, fresh, noise), history)

    return step


def unipc(order: int) -> Step:
    """UniPC of an order, B(h) = e^h − 1 (Zhao 2023, algorithms 5 to 8): predict, then correct.

    The estimate at t, which the next prediction needs anyway, first corrects x_t: the polynomial of
    the step before gets it as one more node.
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, _: Noise
    ) -> State:
        x, history = state.x, ()
        x0_hat, f = estimate(x, t), frame(path, t, s)
        if state.memory:
            history, x_before, f_before = state.memory
            corrected = blend(f_before, (*history, (f.log_snr_t, x0_hat)), unipc_moments)
            x = transfer(f_before, x_before, y, corrected)
        if not f.finite:
            return State(transfer(f, x, y, x0_hat))
        history = ((f.log_snr_t, x0_hat), *history)[:order]
        predicted = blend(f, history, unipc_moments)
        return State(transfer(f, x, y, predicted), (history, x, f))

    return step


ADAMS_BASHFORTH = {
    1: (1.0,),
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def plms(warm_up: int) -> Step:
    """Pseudo linear multi-step: the last four ε̂ by Adams and Bashforth's weights (Liu 2022, eq. 12).

    The weights are those of even steps in t. warm_up = 1: the first step is improved Euler's (PLMS);
    warm_up = 3: the first three are Runge and Kutta's (PNDM, eq. 13).
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, _: Noise
    ) -> State:
        x0_hat, f = estimate(state.x, t), frame(path, t, s)
        if not f.starts_finite or (not state.memory and s == 0):
            return State(transfer(f, state.x, y, x0_hat))

        def slope(x: Tensor, at: float) -> NoiseIn:
            return noise_in(frame(path, at, s), x, estimate(x, at))

        def stage(noises: Noises, to: float) -> Tensor:
            return transfer_noise(frame(path, t, to), state.x, y, x0_hat, noises)

        history = (noise_in(f, state.x, x0_hat), *state.memory)[:4]
        noises = [*zip(ADAMS_BASHFORTH[len(history)], history, strict=True)]
        if s > 0 and len(history) <= warm_up == 1:
            noises = [(1 / 2, history[0]), (1 / 2, slope(stage([(1.0, history[0])], s), s))]
        elif s > 0 and len(history) <= warm_up:
            noises = _runge_kutta(history[0], stage, slope, t, s)
        return State(stage(noises, s), history)

    return step


Noises = list[tuple[float, NoiseIn]]
Stage = Callable[[Noises, float], Tensor]
Slope = Callable[[Tensor, float], NoiseIn]


def _runge_kutta(first: NoiseIn, stage: Stage, slope: Slope, t: float, s: float) -> Noises:
    middle = (t + s) / 2
    second = slope(stage([(1.0, first)], middle), middle)
    third = slope(stage([(0.0, first), (1.0, second)], middle), middle)
    fourth = slope(stage([(0.0, first), (1.0, third)], s), s)
    return [(1 / 6, first), (1 / 3, second), (1 / 3, third), (1 / 6, fourth)]
