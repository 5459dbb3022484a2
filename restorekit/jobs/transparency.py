"""Colours beneath transparency, and the alpha of results: resized where the picture is, and even where
the picture's is even."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    """Where the (h, w) source is constant nearby, set its value in (H, W), in place: what is wholly
    clear or opaque stays so, and an edge gets no second line beside it, whatever a look adds."""
    ratios = [small / large for small, large in zip(source.shape, alpha.shape, strict=True)]
    plane = torch.from_numpy(np.ascontiguousarray(source))[None, None]
    even = _largest_nearby(plane, ratios) == -_largest_nearby(-plane, ratios)
    rows, columns = (
        np.minimum((np.arange(large) + 0.5) * ratio, small - 1).astype(np.int64)
        for large, small, ratio in zip(alpha.shape, source.shape, ratios, strict=True)
    )
    for top in range(0, len(rows), 256):  # few at a time, for memory's sake
        place = np.ix_(rows[top : top + 256], columns)
        np.copyto(alpha[top : top + 256], source[place], where=even.numpy()[place])


def _largest_nearby(plane: Tensor, ratios: Sequence[float]) -> Tensor:
    """(h, w): the largest value within a pixel of the coarser grid, along rows, then columns."""
    for dimension, ratio in enumerate(ratios):
        reach = math.ceil(max(ratio, 1.0))
        size, padding = [1, 1], [0, 0]
        size[dimension], padding[dimension] = 2 * reach + 1, reach
        plane = F.max_pool2d(plane, size, stride=1, padding=padding)
    return plane[0, 0]
