"""Low-res images from clean ones, for training and benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk
from restorekit_upscale import rescaled


def degrade(clean: Tensor, options: Mapping[str, Any], seed: int) -> Tensor:
    """(N, 3, H, W) in [−1, 1] to (N, 3, ⌊H/s⌉, ⌊W/s⌉), rounded to 8 bits.

    options: "scale"; "noise", the deviation (of the full range) of Gaussian noise that is added and
    that the condition tells of; "degradation": "clean", or "real" for what nobody tells of.
    """
    generator = torch.Generator(clean.device).manual_seed(seed)
    size = rescaled(clean.shape[-2], clean.shape[-1], 1 / options["scale"])
    if options["degradation"] == "real":
        low = _real(clean, size, generator)
    else:
        low = rk.reduce(clean, size)
    if options.get("noise"):
        low = low + 2 * options["noise"] * torch.randn(
            low.shape, generator=generator, device=low.device
        )
    return rk.to_levels(low)


def _real(clean: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Each step at random strengths, none of them certain: blur, a first reduction and JPEG by whoever
    had the picture before, reduction, noise, JPEG (twice)."""
    count = clean.shape[0]

    def draw(low: float, high: float, share: float = 1.0) -> Tensor:
        """Values in [low, high] for a share of the images, low for the others."""
        values, chosen = torch.rand(2, count, generator=generator, device=clean.device)
        return torch.where(chosen < share, low + (high - low) * values, low)

    def coded(images: Tensor, share: float, *, halve_chroma: bool = True) -> Tensor:
        """A share of the images after JPEG, whose blocks begin anywhere, as those of a crop do."""
        down, right = torch.randint(8, (2,), generator=generator, device=clean.device).tolist()
        shifted = F.pad(images.clamp(-1, 1), (right, 0, down, 0), mode="replicate")
        done = rk.jpeg(shifted, draw(30.0, 95.0).round(), halve_chroma)[..., down:, right:]
        chosen = torch.rand(count, generator=generator, device=clean.device) < share
        return torch.where(chosen[:, None, None, None], done, images)

    def once(share: float) -> bool:
        """Whether to do what is done to a whole batch, for such a share of them."""
        return bool(torch.rand((), generator=generator, device=clean.device) < share)

    ratio = clean.shape[-1] / size[1]
    width = draw(0.05, 0.6 * ratio, 0.6)
    images = rk.blur(clean, width, width * draw(0.6, 1.0), draw(0.0, math.pi))
    if once(0.3):
        between = 1 + (ratio - 1) * float(torch.rand((), generator=generator, device=clean.device))
        images = coded(rk.reduce(images, rescaled(*size, between)), 0.5)
    low = rk.reduce(images, size)
    low = rk.sensor_noise(low, draw(0.0, 0.05, 0.5), draw(0.0, 0.05, 0.5), generator)
    return coded(coded(low, 0.6), 0.2, halve_chroma=False)
