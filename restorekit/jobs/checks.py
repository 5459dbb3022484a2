"""Whether a result can be right: what a broken driver or damaged weights make is not saved."""

from __future__ import annotations

import numpy as np

from restorekit.errors import ImageError
from restorekit.images import Picture, premultiply

_ROWS = 256  # looked at at a time, so that checking a result needs little memory


def check_result(source: Picture, result: Picture) -> None:
    """Refuse what a broken driver or damaged weights make of a picture: one flat colour, or far off.

    Raises ImageError where the result is constant and the source is not, or their means differ by
    more than a quarter of the range. What reduces a picture may make it constant.
    """
    before, after = _statistics(source), _statistics(result)
    enlarged = result.height >= source.height and result.width >= source.width
    height = max(1.0, before[0])  # of light, whose mean may be any
    flat = enlarged and before[1] > 0.02 and after[1] < 0.001
    if flat or abs(before[0] - after[0]) > 0.25 * height:
        raise ImageError(
            f"the result does not look like the picture (mean {after[0]:.2f} from {before[0]:.2f}); "
            "nothing was saved: try --device cpu, and see `restorekit doctor`"
        )


def _statistics(picture: Picture) -> tuple[float, float]:
    """(mean, deviation) of what shows of a picture, in units of the full range.

    All of it: every n-th pixel of a pattern may be all its light ones.
    """
    top = np.iinfo(picture.color.dtype).max if picture.color.dtype.kind == "u" else 1.0
    total, squares = 0.0, 0.0
    for start in range(0, picture.height, _ROWS):
        rows = picture.color[start : start + _ROWS]
        if picture.alpha is not None:
            rows, top = premultiply(rows, picture.alpha[start : start + _ROWS]), 1.0
        values = np.divide(rows, top, dtype=np.float64)
        total += float(values.sum())
        squares += float(np.vdot(values, values))
    mean = total / picture.color.size
    return mean, max(squares / picture.color.size - mean**2, 0.0) ** 0.5
