"""The times of a batch, and the loss of the faithful look on a path."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned


def estimate_loss(
    denoiser: Preconditioned,
    x0: Tensor,
    condition: Condition,
    t: Tensor,
    noise: Tensor,
    power: int = 2,
) -> Tensor:
    """Mean squared error of x̂0 in units of the denoiser's deviation, (N,).

    With power 1 the mean absolute error, whose minimum is the posterior's median: for tasks where a
    few items that cannot be known would outweigh all others.

    x0, noise: (N, C, H, W); t: (N,). Zero noise at some item trains the noise-free start there. Where
    α = 0 this is the loss of F's unit-variance target (Karras 2022, eq. 8); at later times that one,
    of weight 1/c_out², lets a few items whose answer is nearly known outweigh all others. Known pixels
    do not count, since sampling overwrites them; 0 for an item that is all known.
    """
    x_t = denoiser.path.marginal(x0, condition.source, t, noise)
    skip, out, scaled = denoiser.scalings(x_t, t, condition)
    prediction = denoiser.predict(scaled, t, condition).float()
    error = ((out * prediction - (x0 - skip)) / denoiser.deviation).abs().pow(power)
    if condition.known is None:
        return error.mean((1, 2, 3))
    unknown = (condition.known[1] <= 0.5).expand_as(error)
    return (error * unknown).sum((1, 2, 3)) / unknown.sum((1, 2, 3)).clamp(min=1)


def batch_loss(losses: Tensor, relative_above: float = 0.0) -> Tensor:
    """One number, (), of a batch's losses (N,): their mean, or where `relative_above` is c > 0 the mean
    of log(loss + c).

    Then what halves the error of an item counts alike for a hard and for an easy one, as it does in a
    mean of PSNRs, down to about c, where nothing can be learnt any more.
    """
    return (losses + relative_above).log().mean() if relative_above else losses.mean()


def draw_times(count: int, start_share: float, generator: torch.Generator) -> Tensor:
    """(count,) times, uniform in (0, 1] but for the first `start_share` of them, which are 1."""
    times = 1 - torch.rand(count, generator=generator, device=generator.device)
    times[: round(count * start_share)] = 1.0
    return times
