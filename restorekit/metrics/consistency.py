"""Whether a result agrees with what is known: its source, the frame before, the pixels at a hole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from restorekit.errors import UsageError
from restorekit.metrics.checks import Picture, as_unit, check_pair, check_picture
from restorekit.metrics.resize import matlab_imresize

# Half a level: what rounding to 8 bit alone may add to a difference of neighbours.
_ROUNDING = 0.5


def reprojection_error(result: Picture, source: Picture) -> float:
    """RMS difference, in 8-bit levels, between `result` reduced to `source`'s size and `source`.

    The reduction is the antialiased bicubic of `matlab_imresize` with clamped borders, in
    float64 and not rounded; so a result that agrees with an 8-bit source perfectly still
    shows the source's own rounding, 0.29 levels. Low means that a super-resolved picture
    is consistent with what it was made from.

    Raises:
        UsageError: not pictures, grey against RGB, or a result smaller than its source.
    """
    check_picture(result, "the result")
    check_picture(source, "the source")
    fits = all(r >= s for r, s in zip(result.shape[:2], source.shape[:2], strict=True))
    if not fits or result.shape[2:] != source.shape[2:]:
        raise UsageError(
            f"the result has shape {result.shape} and the source {source.shape}; "
            "the result must be at least as large, with the same channels"
        )
    height, width = source.shape[:2]
    reduced = matlab_imresize(as_unit(result), size=(height, width), border="clamp")
    return float(255 * np.sqrt(np.mean((reduced - as_unit(source)) ** 2)))


def flicker(result: Picture, reference: Picture, before: tuple[Picture, Picture]) -> float:
    """Mean, in 8-bit levels, of |(r_t − r_(t−1)) − (g_t − g_(t−1))|: change that the truth has not.

    The temporal loss of Chaitanya et al. 2017 (ACM TOG 36(4)), section 4. An error that stays
    the same from frame to frame does not flicker and counts nothing.

    Args:
        result, reference: the frame r_t and its truth g_t, pictures of one shape.
        before: the result and the truth of the frame before, of the same shape.

    Raises:
        UsageError: not pictures, or not all of one shape.
    """
    check_pair(result, reference)
    for image in before:
        check_pair(result, image)
    r, g, r_before, g_before = (as_unit(image) for image in (result, reference, *before))
    return float(255 * np.mean(np.abs((r - r_before) - (g - g_before))))


def hole_psnr(result: Picture, reference: Picture, hole: NDArray[np.bool_]) -> float:
    """PSNR in dB over the values inside a hole (H, W), true where pixels were filled.

    Returns:
        float64 dB; inf where the filled pixels equal the truth.

    Raises:
        UsageError: not pictures of one shape, another shape of the hole, or an empty one.
    """
    _check_hole(result, reference, hole)
    difference = as_unit(result)[hole] - as_unit(reference)[hole]
    square = float(np.mean(difference**2))
    return math.inf if square == 0 else -10 * math.log10(square)


def seam(result: Picture, reference: Picture, hole: NDArray[np.bool_]) -> float:
    """How much gradients jump across a hole's edge, over what they do in the truth there.

    For each pair of neighbours, one in the hole and one outside, with one more pixel of the same
    row or column on either side: the jump is |step across − mean of the steps before and after|,
    0 wherever brightness goes on evenly. The result is the mean jump of `result` over that of
    `reference`, each with half a level added for rounding. 1 is what the truth has; above it an
    edge shows, below it the fill is smoother than the truth.

    Raises:
        UsageError: as `hole_psnr`, or a hole without an edge inside the picture.
    """
    _check_hole(result, reference, hole)
    ours, theirs = (_jumps(as_unit(image) * 255, hole) for image in (result, reference))
    if not ours.size:
        raise UsageError("the hole has no edge inside the picture, so no seam can show")
    return float((ours.mean() + _ROUNDING) / (theirs.mean() + _ROUNDING))


def _jumps(levels: Picture, hole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Every jump across the hole's edge, along rows and along columns."""
    found = []
    for values, inside in ((levels, hole), (levels.swapaxes(0, 1), hole.T)):
        steps = np.diff(values, axis=1)
        across = (inside[:, 1:] != inside[:, :-1])[:, 1:-1]
        jumps = np.abs(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2)
        found.append(jumps[across].ravel())
    return np.concatenate(found)


def _check_hole(result: Picture, reference: Picture, hole: NDArray[np.bool_]) -> None:
    check_pair(result, reference)
    if hole.dtype != np.bool_ or hole.shape != result.shape[:2]:
        raise UsageError(
            f"the hole has shape {hole.shape} and dtype {hole.dtype}; give bool of the picture's "
            f"shape, {result.shape[:2]}"
        )
    if not hole.any():
        raise UsageError("the hole is empty; there is nothing to score")
