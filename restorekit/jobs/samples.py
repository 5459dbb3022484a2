"""Between the samples of a picture and the engine's tensors: coded values in [−1, 1], or light."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from restorekit.images.picture import unit


def to_tensor(planes: np.ndarray) -> Tensor:
    """(H, W, 1 or 3) in [0, 1], or integers, to (1, 3, H, W) in [−1, 1]; grey is repeated."""
    top = np.iinfo(planes.dtype).max if planes.dtype.kind == "u" else 1.0
    image = torch.from_numpy(np.ascontiguousarray(planes)).to(torch.float32).permute(2, 0, 1)[None]
    return torch.mul(image, 2.0 / float(top)).sub_(1).expand(-1, 3, -1, -1).contiguous()


def to_samples(values: Tensor, depth: int) -> np.ndarray:
    """(1, C, H, W) in [−1, 1] to (H, W, C): uint8 or uint16, or float32 in [0, 1] for depth 32."""
    _, channels, height, width = values.shape
    sample, half = SAMPLES[depth]
    pixels = torch.empty(height, width, channels, dtype=sample)
    # Few rows at a time, in the processor's cache: a pass over memory costs more than its arithmetic.
    step = max(1, _CACHED_ELEMENTS // (channels * width))
    rounding = 0.0 if sample.is_floating_point else 0.5
    for top in range(0, height, step):
        rows = torch.add(torch.tensor(half + rounding), values[0, :, top : top + step], alpha=half)
        planes = rows.clamp_(0, 2 * half + rounding).to(sample)  # cut off: rounded
        torch.stack(tuple(planes), 2, out=pixels[top : top + step])
    return pixels.numpy().astype(np.uint16) if depth == 16 else pixels.numpy()


def to_light(planes: np.ndarray) -> Tensor:
    """(H, W, 1 or 3) floats of any height as (1, 3, H, W), and integers in [0, 1]; grey is repeated."""
    light = torch.from_numpy(np.ascontiguousarray(unit(planes))).permute(2, 0, 1)[None]
    return light.expand(-1, 3, -1, -1).contiguous()


def light_samples(light: Tensor, depth: int) -> np.ndarray:
    """(1, C, H, W) to (H, W, C): float32 as it is for depth 32, else integers of values in [0, 1]."""
    if depth == 32:
        return light[0].permute(1, 2, 0).cpu().numpy()
    return to_samples(light * 2 - 1, depth)


SAMPLES = {8: (torch.uint8, 127.5), 16: (torch.int32, 32767.5), 32: (torch.float32, 0.5)}
"""A type that holds the samples of a depth (torch computes little in uint16), and half their range."""

_CACHED_ELEMENTS = 1 << 18
