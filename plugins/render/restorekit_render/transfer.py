"""From light to the numbers a network works on, and back.

Light L in [0, ∞) becomes T(e L / d): d is the albedo where there is one (what remains is the light that
fell on the surface, without its texture), e the exposure of the whole picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

KEY = 0.18
"""The mean (geometric) brightness after exposure: middle grey, as in Open Image Denoise."""

BIN = 16
"""Pixels a side of the areas whose brightness is averaged before its logarithm is taken."""

BLACK = -1.0
"""T(0)."""

_KNEE = 8.0  # T is nearly linear below 1/8 of white, where a display's curve is too
_TOP = 100.0  # the exposed light that becomes 1
_RANGE = 2 / math.log1p(_KNEE * _TOP)
_LUMINANCE = (0.2126, 0.7152, 0.0722)  # Rec. 709
_DARKEST_ALBEDO = 0.05
_NO_SURFACE = 0.1  # a brightest channel below this fades over to no division


def encode(light: Tensor) -> Tensor:
    """T: exposed light to [−1, 1]; 0 becomes −1, 100 becomes 1, more goes on above.

    Light below 0, which some filters of renderers leave, is mirrored.
    """
    return light.abs().mul_(_KNEE).log1p_().copysign_(light).mul_(_RANGE).add_(BLACK)


def decode(values: Tensor) -> Tensor:
    """The inverse of `encode`; its slope is nowhere 0."""
    height = (values - BLACK) / _RANGE
    side = torch.ones_like(height).copysign(height)
    return torch.expm1(height * side) * side / _KNEE


def exposure(light: Tensor) -> Tensor:
    """e, (N, 1, 1, 1), for light (N, 3, H, W): e(k L) = e(L)/k. 1 for pictures that are black.

    The key over the geometric mean of the luminance of areas of 16 pixels (the method of Open Image
    Denoise), those a millionth as bright as the brightest left out, so that it knows no unit.
    """
    small = light.clamp_min(0).mul_(1 / BIN**2)  # the sum of an area stays finite
    means = F.avg_pool2d(small, BIN, ceil_mode=True, count_include_pad=False)
    # On the processor: not every device has float64.
    means = means.cpu().double() * BIN**2
    areas = (means * means.new_tensor(_LUMINANCE)[:, None, None]).sum(1, keepdim=True)
    brightest = areas.amax((2, 3), keepdim=True)
    counted = areas > 1e-6 * brightest
    logs = torch.where(counted, areas, 1.0).log()
    mean = logs.sum((2, 3), keepdim=True) / counted.sum((2, 3), keepdim=True).clamp_min(1)
    return torch.where(brightest > 0, KEY / mean.exp(), 1.0).to(light)


def divisor(albedo: Tensor) -> Tensor:
    """d, (N, 3, H, W), for an albedo in [0, 1]: at least .05, and 1 where nothing reflects.

    The albedo of what has no surface (a sky) or no diffuse part (some renderers' metals and glass) is
    0; between, d fades over, so that edges against a sky are not divided by nearly nothing.
    """
    surface = (albedo.amax(1, keepdim=True) / _NO_SURFACE).clamp(0, 1)
    return albedo.clamp_min(_DARKEST_ALBEDO).sub_(1).mul_(surface).add_(1)


def shown(divisor: Tensor) -> Tensor:
    """What the network sees of d: its logarithm, .05 to 1 taken to [−1, 1].

    The answer is multiplied by d. What d has that the picture should not — noise, a dip where a surface
    ends — is taken out by adding, where a logarithm is added to a logarithm.
    """
    return divisor.log().mul_(-2 / math.log(_DARKEST_ALBEDO)).add_(1)


def from_display(values: Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    low = values <= 0.04045
    return torch.where(low, values / 12.92, ((values.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def to_display(light: Tensor) -> Tensor:
    """The inverse of `from_display`, for light in [0, 1]."""
    low = light <= 0.0031308
    return torch.where(low, light * 12.92, 1.055 * light.clamp_min(1e-8) ** (1 / 2.4) - 0.055)
