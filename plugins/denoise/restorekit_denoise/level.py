"""How much noise a picture has."""

from __future__ import annotations

import math

from torch import Tensor


def noise_level(image: Tensor) -> float:
    """Deviation of white noise in images (N, C, H, W) in [−1, 1], in units of 255.

    The median absolute value of the finest diagonal Haar coefficients over that of a normal
    variable's (Donoho 1994); detail of the picture's own makes it an upper bound. 0 below 2 × 2.
    """
    rows, columns = (length // 2 * 2 for length in image.shape[-2:])
    if min(rows, columns) == 0:
        return 0.0
    # A few million coefficients tell as much as all of a large picture's.
    stride = max(1, math.ceil(image.numel() / 2**24))
    even, odd = image[..., 0:rows:2, :columns], image[..., 1:rows:2, :columns]
    even, odd = even[..., ::stride, :], odd[..., ::stride, :]
    diagonal = (even[..., 0::2] - even[..., 1::2] - odd[..., 0::2] + odd[..., 1::2]) / 2
    return round(float(diagonal.abs().flatten().median()) / 0.6744898 * 127.5, 2)
