"""PSNR and SSIM, with the colour channels and the shaved border said in the call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from restorekit.errors import ModelError, UsageError
from restorekit.metrics.checks import (
    Channels,
    Picture,
    as_unit,
    check_channels,
    check_pair,
    luma,
    shave,
)

_STRIP_ROWS = 256
_SSIM_WINDOW = 11  # 2 * int(3.5 * 1.5 + 0.5) + 1: scikit-image truncates at 3.5 sigma


def psnr(a: Picture, b: Picture, *, channels: Channels = "rgb", border: int = 0) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(1 / MSE) with both pictures in [0, 1].

    Args:
        a, b: pictures of one shape, (H, W, 3) or (H, W); uint8 or floats in [0, 1].
        channels: "rgb" takes the mean square over all values, "y" over `luma` (peak 255).
        border: pixels shaved off each side first.

    Returns:
        float64 dB; inf for identical pictures.

    Raises:
        UsageError: dtype, range, shape or border do not fit.

    >>> import numpy as np
    >>> round(psnr(np.full((8, 8), 0.5), np.full((8, 8), 0.6)), 6)
    20.0
    """
    check_pair(a, b)
    check_channels(channels)
    mean_square = _mean_square(shave(a, border), shave(b, border), channels)
    return math.inf if mean_square == 0 else -10 * math.log10(mean_square)


def ssim(a: Picture, b: Picture, *, channels: Channels = "rgb", border: int = 0) -> float:
    """Mean structural similarity of Wang et al. 2004 (IEEE TIP 13(4)), at most 1.

    Gaussian window of 11x11 with sigma 1.5, population covariance, K1 = .01, K2 = .03,
    peak 1 (255 in 8 bit), mean over the places where the window fits. "rgb" is the mean of
    the three channels' values, "y" is taken on `luma`. scikit-image computes it; no
    down-sampling comes first (the authors' MATLAB script of 2009 has one above 256 pixels).

    Raises:
        UsageError: dtype, range, shape or border do not fit, or less than 11 pixels are left.
        ModelError: scikit-image is not installed.
    """
    check_pair(a, b)
    check_channels(channels)
    a, b = shave(a, border), shave(b, border)
    if min(a.shape[:2]) < _SSIM_WINDOW:
        raise UsageError(
            f"SSIM needs {_SSIM_WINDOW} pixels a side and {a.shape[1]}x{a.shape[0]} are left "
            f"after a border of {border}"
        )
    values = luma if channels == "y" else as_unit
    return float(
        _structural_similarity()(
            values(a),
            values(b),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=-1 if channels == "rgb" and a.ndim == 3 else None,
        )
    )


def _mean_square(a: Picture, b: Picture, channels: Channels) -> float:
    """Mean square difference in float64, in strips so that memory stays small."""
    values = luma if channels == "y" else as_unit
    total, count = 0.0, 0
    for top in range(0, a.shape[0], _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        difference = values(a[rows]) - values(b[rows])
        total += float(np.vdot(difference, difference))
        count += difference.size
    return total / count


def _structural_similarity() -> Any:
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ModelError(
            "SSIM needs scikit-image; install it with: pip install 'restorekit[metrics]'"
        ) from error
    return structural_similarity
