"""What happens to photographs, batched and on the device: reduction, blur, noise, JPEG.

Images are (N, C, H, W) float32 in [−1, 1]; strengths are one number or one for each image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.engine.resample import resampling_matrix


def to_levels(images: Tensor, levels: int = 255) -> Tensor:
    """Images rounded and clipped to what a file of `levels` + 1 values holds."""
    return ((images + 1) * (levels / 2)).round().clamp(0, levels) * (2 / levels) - 1


def reduce(images: Tensor, size: tuple[int, int], kernel: str = "bicubic") -> Tensor:
    """Images resampled to (height, width), antialiased as by MATLAB's imresize; edges are repeated."""
    rows = resampling_matrix(images.shape[-2], size[0], kernel).to(images.device)
    columns = resampling_matrix(images.shape[-1], size[1], kernel).to(images.device)
    return rows @ images @ columns.T


def blur(images: Tensor, across: Tensor, along: Tensor, angle: Tensor, radius: int = 7) -> Tensor:
    """Gaussian blur with deviations (N,) in pixels along two axes turned by `angle` radians.

    Deviations above a third of the radius are cut short by it; 0 along an axis blurs nothing there.
    """
    across, along = across.clamp(min=1e-3), along.clamp(min=1e-3)
    axis = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cosine, sine = (f(angle)[:, None, None] for f in (torch.cos, torch.sin))
    u, v = cosine * x + sine * y, cosine * y - sine * x
    power = (u / across[:, None, None]) ** 2 + (v / along[:, None, None]) ** 2
    kernels = torch.exp(-0.5 * power)
    kernels = kernels / kernels.sum((1, 2), keepdim=True)
    count, channels = images.shape[:2]
    padded = F.pad(images, [radius] * 4, mode="replicate").reshape(1, -1, *_grown(images, radius))
    weight = kernels[:, None].repeat_interleave(channels, 0)
    return F.conv2d(padded, weight, groups=count * channels).reshape(images.shape)


def _grown(images: Tensor, radius: int) -> tuple[int, int]:
    return images.shape[-2] + 2 * radius, images.shape[-1] + 2 * radius


def sensor_noise(images: Tensor, read: Tensor, shot: Tensor, generator: torch.Generator) -> Tensor:
    """Images with noise of deviation √(read² + shot² · brightness), brightness in [0, 1].

    read, shot: (N,) in units of the full range 1; a Gaussian stands for the photons' Poisson law.
    """
    brightness = ((images + 1) / 2).clamp(0, 1)
    variance = read[:, None, None, None] ** 2 + shot[:, None, None, None] ** 2 * brightness
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return images + 2 * variance.sqrt() * noise


# ITU T.81, annex K: the tables that libjpeg scales by its quality setting.
_LUMA = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99
"""
_CHROMA = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
# JFIF: full-range BT.601.
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def quantisation_tables(quality: Tensor) -> Tensor:
    """(N, 2, 8, 8): libjpeg's tables for luminance and chrominance at qualities (N,) in 1 … 100."""
    base = torch.tensor([[float(v) for v in t.split()] for t in (_LUMA, _CHROMA)])
    quality = quality.to(torch.float32)
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    tables = ((base.to(quality.device) * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)
    return tables.reshape(-1, 2, 8, 8)


def jpeg(images: Tensor, quality: Tensor, halve_chroma: bool = True) -> Tensor:
    """Images after baseline JPEG at qualities (N,): colour change, 4:2:0, DCT, rounding and back.

    C is 3. Planes are whole numbers wherever libjpeg's are; its integer transforms are not copied.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    pixels = ((padded + 1) * 127.5).round().clamp(0, 255)
    matrix = torch.tensor(_TO_YCC, device=images.device)
    planes = torch.einsum("ij,njhw->nihw", matrix, pixels).round()
    tables = quantisation_tables(quality.to(images.device))
    luma = _through_dct(planes[:, :1] - 128, tables[:, :1]) + 128
    chroma = F.avg_pool2d(planes[:, 1:], 2).round() if halve_chroma else planes[:, 1:]
    chroma = _through_dct(chroma, tables[:, 1:].expand(-1, 2, -1, -1)).round().clamp(-128, 127)
    if halve_chroma:
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False).round()
    decoded = torch.cat([luma.round().clamp(0, 255), chroma], 1)
    rgb = torch.einsum("ij,njhw->nihw", torch.linalg.inv(matrix.cpu()).to(images.device), decoded)
    return rgb.round().clamp(0, 255)[..., :height, :width] / 127.5 - 1


def _through_dct(planes: Tensor, tables: Tensor) -> Tensor:
    """Planes (N, C, H, W), whole 8×8 blocks, with their DCT rounded by tables (N, C, 8, 8)."""
    count, channels, height, width = planes.shape
    position = torch.arange(8, dtype=planes.dtype, device=planes.device)
    basis = torch.cos((2 * position[None] + 1) * position[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    blocks = planes.reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    table = tables[:, :, None, None]
    coefficients = ((basis @ blocks @ basis.T) / table).round() * table
    return (basis.T @ coefficients @ basis).transpose(3, 4).reshape(planes.shape)
