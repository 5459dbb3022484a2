"""The probability-flow ODE by an adaptive Runge–Kutta method, and the likelihood it carries.

dx/dt = α' x̂0 + γ' y + σ' ε̂ has the path's own law at every t (Song 2021, eq. 13), so what x gains in
volume along it is what log p loses. SciPy integrates.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers import Estimate
from restorekit.errors import UsageError

FIRST = 1e-5  # where Song 2021 (appendix C) starts too: at 0 itself the score may not exist


def flow(estimate: Estimate, path: Path, y: Tensor) -> Callable[[Tensor, float], Tensor]:
    """(x_t, t) → dx/dt of the probability flow; UsageError where σ is 0, and it has none."""

    def slope(x: Tensor, t: float) -> Tensor:
        alpha, gamma, sigma = (float(c) for c in path.at(t))
        if not sigma:
            raise UsageError(f"no flow at t = {t:g}, where path {path.name} has no noise")
        slope_alpha, slope_gamma, slope_sigma = (float(c) for c in path.slopes(t))
        x0_hat, source = estimate(x.to(y), t).to(x), y.to(x)
        epsilon = (x - alpha * x0_hat - gamma * source) / sigma
        return slope_alpha * x0_hat + slope_gamma * source + slope_sigma * epsilon

    return slope


def solve_flow(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    x: Tensor,
    start: float,
    end: float,
    *,
    tolerance: float = 1e-5,
) -> Tensor:
    """x at time `end` from x at `start` along the flow, either way; float64 on the processor.

    tolerance: relative and absolute, of Dormand and Prince's method of order 5. UsageError without
    SciPy, where σ is 0 on the way, or where the integration fails.
    """
    with torch.no_grad():
        return _integrate(flow(estimate, path, y), x.double().cpu(), start, end, tolerance)


def log_likelihood(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    x0: Tensor,
    probes: Tensor,
    *,
    first: float = FIRST,
    tolerance: float = 1e-5,
) -> Tensor:
    """log p(x0) of a model, (N,) in nats, by the change of variables (Song 2021, eq. 39).

    probes: (K, N, C, H, W) of mean 0 and covariance I: the divergence is the mean of zᵀ J z
    (Hutchinson's estimator; Song 2021, eq. 40); with √D times each of the D unit vectors it is exact.
    The flow starts at `first` and ends in the prior N(γ_1 y, α_1² + σ_1²). The estimate is
    differentiated.
    """
    slope, count = flow(estimate, path, y), len(x0)

    def slope_and_divergence(state: Tensor, t: float) -> Tensor:
        with torch.enable_grad():
            x = state[:, :-1].reshape(x0.shape).requires_grad_()
            velocity = slope(x, t)
            gains = [
                (torch.autograd.grad(velocity, x, z, retain_graph=True)[0] * z).flatten(1).sum(1)
                for z in probes.double().cpu()
            ]
        divergence = torch.stack(gains).mean(0)
        return torch.cat([velocity.detach().reshape(count, -1), divergence[:, None]], 1)

    state = torch.nn.functional.pad(x0.double().cpu().reshape(count, -1), (0, 1))
    state = _integrate(slope_and_divergence, state, first, 1.0, tolerance)
    alpha, gamma, sigma = (float(c) for c in path.at(1.0))
    u = state[:, :-1].reshape(x0.shape) - gamma * y.to(state)
    variance = alpha**2 + sigma**2
    prior = -0.5 * (u**2 / variance + math.log(2 * math.pi * variance)).flatten(1).sum(1)
    return prior + state[:, -1]


def _integrate(
    slope: Callable[[Tensor, float], Tensor],
    state: Tensor,
    start: float,
    end: float,
    tolerance: float,
) -> Tensor:
    try:
        from scipy.integrate import solve_ivp
    except ImportError:
        raise UsageError("the probability flow is integrated by SciPy: pip install scipy") from None

    def flat(t: float, values):
        return slope(torch.from_numpy(values).reshape(state.shape), t).flatten().numpy()

    found = solve_ivp(
        flat, (start, end), state.flatten().numpy(), method="RK45", rtol=tolerance, atol=tolerance
    )
    if not found.success:
        raise UsageError(f"the probability flow could not be integrated: {found.message}")
    return torch.from_numpy(found.y[:, -1].copy()).reshape(state.shape)
