"""Half-quadratic splitting: the steps between the calls of a denoiser (Zhang 2021; Zhu 2023).

Levels of noise are deviations, of 255; images are (1, C, H, W) in [−1, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk

FIRST = 35.0  # level of the first stage; the last one's is the picture's own
QUIETEST = 0.5  # what rounding to 8 bits leaves, and more than which no denoiser sees
WEIGHT = 0.6  # of the prior: λ of Zhang 2021
FRESH = 0.7  # how much of a stage's noise is put back, √ζ of Zhu 2023, algorithm 1


def levels(noise: float, count: int) -> list[float]:
    """Falling levels of the stages, evenly in their logarithm (Zhang 2021)."""
    last = max(noise, QUIETEST)
    if count == 1:
        return [last]
    ratio = (last / max(FIRST, last)) ** (1 / (count - 1))
    return [max(FIRST, last) * ratio**step for step in range(count)]


def noise_level(image: Tensor) -> float:
    """Deviation of white noise in a blurred picture, whose finest detail is noise alone.

    By second differences along both axes, whose deviation is six times the noise's (Immerkær 1996), and
    their median; 0 below 3 × 3.
    """
    if min(image.shape[-2:]) < 3:
        return 0.0
    down = image[..., 2:, :] - 2 * image[..., 1:-1, :] + image[..., :-2, :]
    both = down[..., 2:] - 2 * down[..., 1:-1] + down[..., :-2]
    return float(both.abs().flatten().median()) / (6 * 0.6744898) * 127.5


def solved(image: Tensor, near: Tensor, kernel: Tensor, ratio: float) -> Tensor:
    """The x that least ‖k ∗ x − image‖² + α ‖x − near‖², α = λ ratio², ratio noise over level.

    In closed form by the Fourier transform (Zhang 2021). The picture lies in a frame beyond its
    edges, in which nothing was measured: there the blur of `near` stands for the measurement.
    """
    height, width = image.shape[-2:]
    tall, wide = kernel.shape
    size = [_even(side + 2 * reach) for side, reach in ((height, tall), (width, wide))]
    frame = (wide, size[1] - width - wide, tall, size[0] - height - tall)
    rows, columns = slice(tall, tall + height), slice(wide, wide + width)
    spread = F.pad(kernel.to(image), (0, size[1] - wide, 0, size[0] - tall))
    response = torch.fft.rfft2(spread.roll((-(tall // 2), -(wide // 2)), (0, 1)))
    alpha = WEIGHT * max(ratio, 1e-3) ** 2
    inverse = response.conj() / (response.abs() ** 2 + alpha)
    planes = []
    for measured, start in zip(image[0], near[0], strict=True):  # one at a time, for memory's sake
        framed = F.pad(start[None, None], frame, mode="replicate")[0, 0]
        blurred = torch.fft.irfft2(response * torch.fft.rfft2(framed), s=size)
        missing = torch.zeros_like(framed)
        missing[rows, columns] = measured - blurred[rows, columns]
        change = torch.fft.irfft2(inverse * torch.fft.rfft2(missing), s=size)
        planes.append(start + change[rows, columns])
    return torch.stack(planes)[None]


def noised(image: Tensor, level: float, stage: int) -> Tensor:
    """The image with fresh noise of a stage, by place, so that the same comes again."""
    box = rk.Box(0, 0, image.shape[-2], image.shape[-1])
    noise = rk.noise_at(box, image.shape[1], seed=0, step=stage, device=image.device)
    return image + (FRESH * level / 127.5) * noise


def _even(side: int) -> int:
    """A side that Fourier transforms are quick for."""
    return -(-side // 32) * 32
