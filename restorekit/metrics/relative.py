"""Errors relative to brightness, as renders are scored: on linear light of any height."""

from __future__ import annotations

import numpy as np

from restorekit.errors import UsageError
from restorekit.metrics.checks import Picture, as_unit, check_layout

_EPSILON = 0.01


def smape(a: Picture, b: Picture) -> float:
    """Symmetric mean absolute error, mean of |a − b| / (|a| + |b| + .01) over all values.

    Vogels et al. 2018 (ACM TOG 37(4)), who train on it. At least 0, below 1; symmetric.

    Args:
        a, b: pictures of one shape, (H, W, 3) or (H, W): uint8, taken as fractions of 255, or
            floats of at least 0, also above 1 (linear light).

    Raises:
        UsageError: dtype, range or shape do not fit.
    """
    a, b = _checked(a, b)
    return float(np.mean(np.abs(a - b) / (a + b + _EPSILON)))


def relmse(result: Picture, reference: Picture) -> float:
    """Relative mean square error, mean of (result − reference)² / (reference² + .01).

    Rousselle et al. 2011 (ACM TOG 30(6)). At least 0; not symmetric.

    Args, raises: as `smape`.
    """
    result, reference = _checked(result, reference)
    return float(np.mean((result - reference) ** 2 / (reference**2 + _EPSILON)))


def _checked(a: Picture, b: Picture) -> tuple[Picture, Picture]:
    for image, name in ((a, "the first image"), (b, "the second image")):
        check_layout(image, name)
        if not (np.isfinite(image).all() and image.min() >= 0):
            raise UsageError(f"{name} holds values below 0 or not finite; give linear light")
    if a.shape != b.shape:
        raise UsageError(
            f"the first image has shape {a.shape} but the second has {b.shape}; "
            "only pictures of the same shape can be compared"
        )
    return as_unit(a), as_unit(b)
