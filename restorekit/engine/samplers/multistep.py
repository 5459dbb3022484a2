"""Multi-step methods: one call of the denoiser a step, and a polynomial through the calls before.

In λ = log(α/σ) the solution is u_s/σ_s = u_t/σ_t + ∫ e^λ x̂0 dλ (Lu 2022). A polynomial through
estimates at λ_k replaces x̂0; its integral, over that of e^λ alone, is a weighted sum of the
estimates, and the generic step does the rest. DEIS does the same to ε̂, whose weight is e^(−λ).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers.frame import (
    Estimate,
    Frame,
    Noise,
    State,
    Step,
    frame,
    image_in,
    noise_in,
    transfer,
)

History = tuple[tuple[float, Tensor], ...]
"""(λ_k, estimate there), the newest first."""

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
    nodes: Sequence[float], values: Sequence[Tensor], first: Tensor, moments: Sequence[float]
) -> Tensor:
    """m_0 + Σ w_k (m_k − m_0) with Σ w_k r_k^i the i-th moment: the mean of the polynomial.

    nodes: r_k = (λ_k − λ_t)/h of the values; that of `first` is 0.
    """
    if not nodes:
        return first
    r = torch.tensor(nodes, dtype=torch.float64)
    powers = torch.stack([r**i for i in range(1, len(nodes) + 1)])
    weights = torch.linalg.solve(powers, torch.tensor(moments, dtype=torch.float64)).tolist()
    blended = first * (1 - sum(weights))
    for weight, value in zip(weights, values, strict=True):
        blended = blended.add_(value, alpha=weight)
    return blended


def extrapolated(f: Frame, history: History, moments: Moments, sign: float) -> Tensor:
    """The mean over the step of the polynomial through a history; sign: of λ in the weight."""
    (start, first), *before = history
    h = f.log_snr_gain
    nodes = [(place - start) / h for place, _ in before]
    return blend(nodes, [value for _, value in before], first, moments(sign * h, len(nodes)))


def solver(
    order: int, moments: Moments = exact_moments, *, of_noise: bool = False, eta: float = 0.0
) -> Step:
    """A step of `order` from as many estimates, of x̂0 or (of_noise) of ε̂.

    η = 1: the solver of the reverse SDE, whose noise is the ancestral step's (Lu 2022, section 6.2).
    The first steps, and the last (where λ is infinite), are of lower order.
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        x0_hat = estimate(state.x, t)
        f = frame(path, t, s)
        fresh = eta * float(path.fresh_noise(t, s)) if eta else 0.0
        if not f.finite:
            return State(transfer(f, state.x, y, x0_hat, fresh, noise))
        seen = noise_in(f, state.x, y, x0_hat) if of_noise else x0_hat
        history = ((f.log_snr_t, seen), *state.memory)[:order]
        blended = extrapolated(f, history, moments, -1.0 if of_noise else 1.0)
        target = image_in(f, state.x, y, blended) if of_noise else blended
        return State(transfer(f, state.x, y, target, fresh, noise), history)

    return step


def unipc(order: int) -> Step:
    """UniPC of an order, B(h) = e^h − 1 (Zhao 2023, algorithms 5 to 8): predict, then correct.

    The estimate at t, which the next prediction needs anyway, first corrects x_t: the polynomial of
    the step before gets it as one more node.
    """

    def step(
        estimate: Estimate,
        path: Path,
        y: Tensor,
        state: State,
        t: float,
        s: float,
        noise: Noise,  # noqa: ARG001
    ) -> State:
        x, history = state.x, ()
        x0_hat = estimate(x, t)
        f = frame(path, t, s)
        if state.memory:
            history, x_before, f_before = state.memory
            (start, first), *others = (*history, (f.log_snr_t, x0_hat))
            h = f_before.log_snr_gain
            nodes = [(place - start) / h for place, _ in others]
            values = [value for _, value in others]
            corrected = blend(nodes, values, first, unipc_moments(h, len(nodes)))
            x = transfer(f_before, x_before, y, corrected)
        if not f.finite:
            return State(transfer(f, x, y, x0_hat))
        history = ((f.log_snr_t, x0_hat), *history)[:order]
        predicted = extrapolated(f, history, unipc_moments, 1.0)
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
        estimate: Estimate,
        path: Path,
        y: Tensor,
        state: State,
        t: float,
        s: float,
        noise: Noise,  # noqa: ARG001
    ) -> State:
        f = frame(path, t, s)
        if not f.starts_finite or (not state.memory and s == 0):
            return State(transfer(f, state.x, y, estimate(state.x, t)))

        def slope(x: Tensor, at: float) -> Tensor:
            return noise_in(frame(path, at, s), x, y, estimate(x, at))

        def moved(epsilon: Tensor, to: float) -> Tensor:
            return transfer(frame(path, t, to), state.x, y, image_in(f, state.x, y, epsilon))

        history = (slope(state.x, t), *state.memory)[:4]
        if s > 0 and len(history) <= warm_up:
            way = _improved if warm_up == 1 else _runge_kutta
            return State(moved(way(history[0], moved, slope, t, s), s), history)
        weights = ADAMS_BASHFORTH[len(history)]
        blended = history[0] * weights[0]
        for weight, value in zip(weights[1:], history[1:], strict=True):
            blended = blended.add_(value, alpha=weight)
        return State(moved(blended, s), history)

    return step


Slope = Callable[[Tensor, float], Tensor]


def _improved(first: Tensor, moved: Slope, slope: Slope, t: float, s: float) -> Tensor:  # noqa: ARG001
    return (first + slope(moved(first, s), s)) / 2


def _runge_kutta(first: Tensor, moved: Slope, slope: Slope, t: float, s: float) -> Tensor:
    middle = (t + s) / 2
    second = slope(moved(first, middle), middle)
    third = slope(moved(second, middle), middle)
    fourth = slope(moved(third, s), s)
    return (first + 2 * second + 2 * third + fourth) / 6
