"""Colours beneath transparency, and the alpha of results: resized where the picture is, and even where
the picture's is even."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.engine.resample import resample
from restorekit.images.picture import Planes, quantise, unit

# From this alpha on a colour is wholly believed: of 8 bits, divided by less, it is rough.
_TRUSTED = 8 / 255
_NOTHING = 1e-10  # a share that may be divided by


def continued(color: Planes, alpha: Planes) -> Planes:
    """Colours that go on where little or nothing shows: (H, W, C), from (H, W, C) and (H, W).

    Pull–push (Gortler 1996): means of what shows, from ever coarser grids. An even colour stays even,
    so what is done to the result cannot bring a fringe to an edge. Floats in [0, 1].
    """
    planes = torch.from_numpy(np.ascontiguousarray(unit(color))).permute(2, 0, 1)[None]
    weight = torch.from_numpy(np.ascontiguousarray(unit(alpha)))[None, None] / _TRUSTED
    filled = _pulled_and_pushed(planes, weight.clamp(max=1))
    return np.ascontiguousarray(filled[0].permute(1, 2, 0).numpy())


def _pulled_and_pushed(color: Tensor, weight: Tensor) -> Tensor:
    """(1, C, h, w) colours where their weights (1, 1, h, w) are 1, and between them what is around."""
    if weight.min() == 1 or weight.numel() == 1:
        return color
    kept = color * weight
    sums, share = (
        F.avg_pool2d(plane, 2, ceil_mode=True, count_include_pad=False) for plane in (kept, weight)
    )
    coarse = _pulled_and_pushed(sums / share.clamp(min=_NOTHING), (4 * share).clamp(max=1))
    around = F.interpolate(coarse, weight.shape[-2:], mode="bilinear", align_corners=False)
    return kept.addcmul_(around, 1 - weight)


def resized_alpha(alpha: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w) alpha in another size (height, width), of its own type; itself where it has that size."""
    if alpha.shape == tuple(size):
        return alpha
    plane = np.ascontiguousarray(unit(alpha))
    values = resample(torch.from_numpy(plane)[None, None], size)
    result = values[0, 0].clamp(0, 1).numpy()
    keep_even_parts(result, plane)
    return result if alpha.dtype.kind == "f" else quantise(result, 8 * alpha.dtype.itemsize)


def keep_even_parts(alpha: np.ndarray, source: np.ndarray) -> None:
    """Where the samples of the (h, w) source around a place are equal, set their value there in (H, W),
    in place: what is wholly clear or opaque stays so, and an edge gets no second line beside it,
    whatever a look adds."""
    rows, columns = (
        _around(large, small) for large, small in zip(alpha.shape, source.shape, strict=True)
    )
    for top in range(0, alpha.shape[0], 256):  # few at a time, for memory's sake
        part = slice(top, top + 256)
        beside = rows[0][part], rows[1][part]
        least, most = (
            _outermost(_outermost(source, beside, 0, extreme), columns, 1, extreme)
            for extreme in (np.minimum, np.maximum)
        )
        np.copyto(alpha[part], least, where=least == most)


def _around(large: int, small: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last sample, of `small`, that are no more than a pixel of the coarser grid away
    from each of `large` places along the same line."""
    ratio = small / large
    place = ((np.arange(large) + 0.5) * ratio - 0.5).clip(
        0, small - 1
    )  # at a border as at its sample
    reach = max(ratio, 1.0)
    first, last = np.ceil(place - reach), np.floor(place + reach)
    return first.clip(0).astype(np.int64), last.clip(max=small - 1).astype(np.int64)


def _outermost(
    plane: np.ndarray, span: tuple[np.ndarray, np.ndarray], axis: int, extreme: np.ufunc
) -> np.ndarray:
    """The least or the greatest of the values from the first to the last of each place along an axis."""
    first, last = span
    found = plane.take(first, axis)
    for step in range(1, int((last - first).max()) + 1):
        extreme(found, plane.take(np.minimum(first + step, last), axis), out=found)
    return found
