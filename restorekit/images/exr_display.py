"""The curve of displays (sRGB, IEC 61966-2-1) between linear light and the values of most files."""

from __future__ import annotations

import numpy as np

from restorekit.images.picture import Planes


def to_display(light: Planes) -> Planes:
    """sRGB values in [0, 1] of linear light, what is outside cut off."""
    inside = np.clip(light, 0, 1)
    curve = 1.055 * np.maximum(inside, 1e-8) ** (1 / 2.4) - 0.055
    return np.where(inside <= 0.0031308, inside * 12.92, curve).astype(np.float32)


def from_display(values: Planes) -> Planes:
    """Linear light of sRGB values in [0, 1]."""
    curve = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, curve).astype(np.float32)
