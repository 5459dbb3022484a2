"""A blur found from the picture's own spectrum.

Photographs have spectra that fall as a power of the frequency (Field 1987). What a blur leaves of one is
that power times the kernel's response, over a floor of noise. Of the kernels of a few families, the one
is taken with which these explain the picture's periodogram best (Whittle 1953): the zeros of a motion's
response (Cannon 1976), or a Gaussian's steep fall, are then found as one thing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from restorekit_deblur import kernels


class Blur(NamedTuple):
    """A kernel of `kernels.of_shape`."""

    shape: str
    extent: float
    angle: float = 0.0


SHARP = Blur("gaussian", 0.0)
"""What is answered where no blur can be seen."""

_BLOCK = 128  # pixels a side; of smaller pictures less, down to _SMALLEST
_SMALLEST = 32
_EXTENTS = {
    "gaussian": (0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.7, 2.0, 2.4, 2.8, 3.3, 3.9, 4.6, 5.4),
    "disc": (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0),
    "motion": (5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 20.0, 23.0, 26.0, 30.0, 35.0),
}
_DOUBT = {"gaussian": 0.0, "disc": 0.0, "motion": 0.05}
"""Added to a family's misfit: short motions are seen in some sharp textures."""
_ANGLES = tuple(range(0, 180, 10))
_OWN = 0.75  # deviation up to which a Gaussian is the camera's own; Kodak's have .36 to .68
_SLOPE, _SURE = -2.0, 0.05  # of photographs' spectra, and what a slope's square costs beside it
_FITS = 16  # at a time, so that they stay in the processor's cache
_STEPS = 12  # of each fit


def completed(
    image: Tensor, shape: str | None = None, extent: float | None = None, angle: float | None = None
) -> Blur | None:
    """What is given of a blur and, of the rest, the likeliest in a picture (1, C, H, W) in [−1, 1].

    Extents are found from 0.75 to 5.4 (Gaussian), 1.5 to 10 (disc) and 5 to 35 pixels (motion), as far
    as an eighth of the picture's shorter side, angles from 0 to 180 degrees. SHARP, given, is answered.
    None where no extent is given, and the picture is too small, flat or noisy to tell.
    """
    if shape and extent is not None and (shape != "motion" or angle is not None):
        return Blur(shape, extent, angle or 0.0)
    unseen = Blur(shape or "gaussian", extent, angle or 0.0) if extent else None
    side = min(_BLOCK, 1 << min(image.shape[-2:]).bit_length() - 1)
    if side < _SMALLEST:
        return unseen
    power, frequencies, inside = _periodogram(image.mean(1)[0] * 127.5, side)
    if power[frequencies < 0.1].mean() < 2 * power.mean():  # noise, and little else
        return unseen

    def best(blurs: Iterable[Blur]) -> tuple[float, Blur]:
        listed = list(blurs)
        responses = torch.stack([_response(blur, side)[inside] for blur in listed])
        misfits = torch.cat([_misfits(power, r, frequencies) for r in responses.split(_FITS)])
        least = int(misfits.argmin())
        return float(misfits[least]), listed[least]

    found = []
    for family in [shape] if shape else list(_EXTENTS):
        extents = [extent] if extent else [e for e in _EXTENTS[family] if e <= side / 4]
        angles = ([angle] if angle is not None else _ANGLES) if family == "motion" else [0.0]
        misfit, blur = best(Blur(family, e, a) for e, a in itertools.product(extents, angles))
        for finer in (2, 4, 8):
            ratios = [1.0] if extent else [1 - 0.2 / finer, 1.0, 1 + 0.2 / finer]
            turns = [-10 / finer, 0.0, 10 / finer] if len(angles) > 1 else [0.0]
            misfit, blur = best(
                Blur(family, max(blur.extent * ratio, min(extents)), blur.angle + turn)
                for ratio, turn in itertools.product(ratios, turns)
            )
        found.append((misfit + _DOUBT[family], blur))
    _, blur = min(found)
    if blur.shape == "gaussian" and blur.extent < _OWN and not extent:
        return SHARP
    return Blur(blur.shape, round(blur.extent, 2), round(blur.angle % 180, 1))


def _periodogram(grey: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """(power, frequency) of each pair of frequencies that is used, and where they lie in an rfft2.

    The mean over half-overlapping windowed blocks (Welch 1967) of a plane (H, W) of 8-bit levels.
    """
    window = torch.hann_window(side, dtype=torch.float64)
    window = window[:, None] * window
    window /= window.square().sum().sqrt()
    places = [_starts(length, side) for length in grey.shape]
    total = torch.zeros(side, side // 2 + 1, dtype=torch.float64)
    for top, left in itertools.product(*places):
        block = grey[top : top + side, left : left + side].double()
        total += torch.fft.rfft2((block - block.mean()) * window).abs().square()
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    frequency = torch.hypot(rows, columns)
    # Not the lowest, which the window blurs, nor the half of a column that mirrors the other.
    inside = (frequency > 3 / side) & (frequency < 0.5) & ((columns > 0) | (rows > 0))
    rounding = 1 / 12  # the variance of 8-bit rounding, below which no camera's noise is
    power = (total / (len(places[0]) * len(places[1])))[inside].float() + rounding
    return power, frequency[inside], inside


def _starts(length: int, side: int) -> Sequence[int]:
    count = math.ceil(2 * length / side) - 1
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _response(blur: Blur, side: int) -> Tensor:
    """|K|² on the grid of an rfft2 of that side, as smooth as the window of `_periodogram` makes it."""
    kernel = kernels.of_shape(*blur)
    every = -(-max(kernel.shape) // side)  # how many times as fine a large kernel's grid is
    response = torch.fft.fft2(kernel, s=(every * side, every * side))
    power = response[::every, ::every].abs().square()
    for axis in (
        0,
        1,
    ):  # of Hann's window: a frequency's power and a quarter of it from either side
        power = (4 * power + power.roll(1, axis) + power.roll(-1, axis)) / 6
    return power[:, : side // 2 + 1]


def _misfits(power: Tensor, responses: Tensor, frequencies: Tensor) -> Tensor:
    """(c,): the mean of log p + power / p, p = A f^s |K|² + N, for each of the responses |K|² (c, n).

    And a little for a slope s that is unlike photographs'. A, s and N are those that make it least, by
    Fisher's scoring on log A, s and log N, damped as Levenberg's and Marquardt's method is.
    """
    log_f = frequencies.log()
    floor = power.quantile(0.02).expand(len(responses))
    strength = (power.mean() - floor) / (responses / frequencies.square()).mean(1)
    slope = torch.full_like(floor, _SLOPE)
    found = torch.stack([strength.clamp(min=1e-6).log(), slope, floor.log()], 1)
    damping = torch.full((len(responses), 1, 1), 0.1)
    misfit, score, information = _scored(power, responses, log_f, found)
    for _ in range(_STEPS):
        damped = information + damping * torch.diag_embed(
            information.diagonal(dim1=1, dim2=2) + 1e-6
        )
        tried = found + torch.linalg.solve(damped, score).clamp(-2, 2)
        after = _scored(power, responses, log_f, tried)
        better = after[0] < misfit
        found[better], misfit[better] = tried[better], after[0][better]
        score[better], information[better] = after[1][better], after[2][better]
        damping *= torch.where(better, 0.2, 5.0)[:, None, None]
    return misfit


def _scored(
    power: Tensor, responses: Tensor, log_f: Tensor, at: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(misfits (c,), their descent (c, 3), Fisher's information (c, 3, 3)) at (log A, s, log N)."""
    signal = responses * (at[:, :1] + at[:, 1:2] * log_f).exp()
    noise = at[:, 2:].exp()
    whole = signal + noise
    share, ratio = signal / whole, power / whole
    slopes = torch.stack([share, share * log_f, noise / whole], 1)  # of log p
    score = (slopes @ (ratio - 1)[..., None])[..., 0] / len(power)
    information = slopes @ slopes.mT / len(power)
    unlike = at[:, 1] - _SLOPE
    score[:, 1] -= _SURE * unlike
    information[:, 1, 1] += _SURE
    return (whole.log() + ratio).mean(1) + _SURE / 2 * unlike.square(), score, information
