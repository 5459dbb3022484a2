"""Noisy images from clean ones, for training and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk

# What share of the images of a blind batch is degraded how; the rest stay clean.
SHARES = {"gaussian": 0.3, "rounded": 0.12, "sensor": 0.06, "jpeg": 0.4, "both": 0.08}


def degrade(clean: Tensor, options: Mapping[str, Any], seed: int) -> Tensor:
    """(N, 3, H, W) in [−1, 1] to the same shape; see `restorekit_denoise.TASK.degradations`."""
    draw = torch.Generator(clean.device).manual_seed(seed)
    if options["degradation"] == "gaussian":
        noisy = gaussian(clean, clean.new_full((len(clean),), options["sigma"]), draw)
        return rk.to_levels(noisy) if options["rounded"] else noisy
    if options["degradation"] == "sensor":
        read, shot = (clean.new_full((len(clean),), options[n] / 255) for n in ("read", "shot"))
        return rk.to_levels(rk.sensor_noise(clean, read, shot, draw))
    if options["degradation"] == "jpeg":
        return rk.jpeg(clean, clean.new_full((len(clean),), options["quality"]))
    return _blind(clean, draw)


def gaussian(images: Tensor, sigma: Tensor, draw: torch.Generator) -> Tensor:
    """Images with white noise of deviation sigma (N,), of 255."""
    noise = torch.randn(images.shape, generator=draw, device=images.device)
    return images + (sigma / 127.5)[:, None, None, None] * noise


def _blind(clean: Tensor, draw: torch.Generator) -> Tensor:
    """Each image degraded in a way and a strength of its own."""
    chance = torch.rand(len(clean), generator=draw, device=clean.device)
    noisy, low = clean.clone(), 0.0
    for name, share in SHARES.items():
        chosen = (chance >= low) & (chance < low + share)
        low += share
        if chosen.any():
            noisy[chosen] = _WAYS[name](clean[chosen], draw)
    return noisy


def _between(low: float, high: float, like: Tensor, draw: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(len(like), generator=draw, device=like.device)


def _any_gaussian(clean: Tensor, draw: torch.Generator) -> Tensor:
    return gaussian(clean, _between(0, 55, clean, draw), draw)


def _rounded_gaussian(clean: Tensor, draw: torch.Generator) -> Tensor:
    return rk.to_levels(_any_gaussian(clean, draw))


def _any_sensor(clean: Tensor, draw: torch.Generator) -> Tensor:
    read, shot = (_between(0, high / 255, clean, draw) for high in (15, 50))
    return rk.to_levels(rk.sensor_noise(clean, read, shot, draw))


def _any_jpeg(clean: Tensor, draw: torch.Generator) -> Tensor:
    """JPEG of a random quality; half of the images have their blocks at the corner, half anywhere."""
    # Even in the logarithm, as the steps of the tables are: half of the images below 28.
    quality = (8 * 12 ** _between(0, 1, clean, draw)).round()
    offsets = torch.randint(8, (len(clean), 2), generator=draw, device=clean.device)
    offsets *= torch.rand(len(clean), 1, generator=draw, device=clean.device) < 0.5
    halved = bool(torch.rand((), generator=draw, device=clean.device) < 0.7)
    shifts = offsets.tolist()
    height, width = clean.shape[-2:]
    # Each image pushed right and down by its own offset, in a frame that has room for any.
    framed = F.pad(clean, (7, 7, 7, 7), mode="replicate")
    windows = [
        image[:, 7 - top : 14 - top + height, 7 - left : 14 - left + width]
        for image, (top, left) in zip(framed, shifts, strict=True)
    ]
    pressed = rk.jpeg(torch.stack(windows), quality, halve_chroma=halved)
    return torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(pressed, shifts, strict=True)
        ]
    )


def _noise_then_jpeg(clean: Tensor, draw: torch.Generator) -> Tensor:
    noisy = gaussian(clean, _between(0, 25, clean, draw), draw)
    return _any_jpeg(rk.to_levels(noisy), draw)


_WAYS: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "gaussian": _any_gaussian,
    "rounded": _rounded_gaussian,
    "sensor": _any_sensor,
    "jpeg": _any_jpeg,
    "both": _noise_then_jpeg,
}
