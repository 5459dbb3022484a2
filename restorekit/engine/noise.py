"""Noise as a function of place: ε(seed, step, channel, row, column).

A counter-based generator (an integer hash, then the normal quantile function), so that tiles, bands,
batches and machines agree on every value. Integer arithmetic is exact everywhere; devices differ by
the rounding of erfinv alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restorekit.engine.tiles import Box

_CACHED_ELEMENTS = 1 << 18  # rows are worked on in groups that stay in the processor's cache


def noise_at(
    box: Box, channels: int, *, seed: int, step: int = 0, device: torch.device | str = "cpu"
) -> Tensor:
    """Standard normal noise (1, channels, box.height, box.width), float32, at the box's own place."""
    values = torch.empty(1, channels, box.height, box.width, dtype=torch.float32, device=device)
    columns = _signed(torch.arange(box.left, box.right, device=device) * 0x9E3779B1)
    rows = max(1, _CACHED_ELEMENTS // max(1, box.width))
    for channel in range(channels):
        key = _key(seed, step, channel)
        for top in range(0, box.height, rows):
            bottom = min(top + rows, box.height)
            place = torch.arange(box.top + top, box.top + bottom, device=device)
            row_keys = _mix(_signed(place * 0x85EBCA6B + key))
            bits = _mix(row_keys[:, None] ^ columns)
            values[0, channel, top:bottom] = _normal(bits)
    return values


def _normal(bits: Tensor) -> Tensor:
    """Uniform int32 to standard normal: 24 bits to the middle of as many intervals of (−1, 1)."""
    uniform = (bits >> 8).to(torch.float32).add_(0.5).mul_(2.0**-23)
    return torch.erfinv(uniform).mul_(math.sqrt(2))


def _mix(x: Tensor) -> Tensor:
    """A 32-bit finaliser with low bias (Wellons' lowbias32); x is int32 and is overwritten."""
    x ^= (x >> 16) & 0xFFFF
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= -0x7B935975  # 0x846CA68B
    x ^= (x >> 16) & 0xFFFF
    return x


def _signed(x: Tensor) -> Tensor:
    """int64 to the int32 of its low 32 bits."""
    return ((x & 0xFFFFFFFF) - ((x & 0x80000000) << 1)).to(torch.int32)


def _key(seed: int, step: int, channel: int) -> int:
    """32 bits from the numbers that do not vary over the picture (splitmix64's finaliser)."""
    x = 0
    for word in (seed & 0xFFFFFFFFFFFFFFFF, step, channel):
        x = (x + word + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        x ^= x >> 31
    return x & 0xFFFFFFFF
