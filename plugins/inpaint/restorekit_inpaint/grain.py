"""The grain of what is around a hole, for its fill: an estimate of what was there has none of its own.

Grain is taken to be white noise whose deviation varies slowly over the picture, in part common to the
three channels (all of it in a grey picture) and in part each channel's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk
from restorekit_inpaint.holes import Crop, windows

CELL = 16  # pixels: the grid on which grain is measured; divides that of `areas`
REACH = 3  # cells around one in which the most even ones are looked for
SHARE = 0.25  # of those around: the most even ones, which have the least detail beside their grain
EVENEST = 0.84  # of its variance noise has in the evenest quarter: .89 if coloured, .8 if grey
SEED = 0x6772  # the same grain each time: it is no choice among fills

_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def deviations(image: Tensor, hole: Tensor) -> Tensor:
    """(N, 4, ⌈H/16⌉, ⌈W/16⌉) of pictures (N, 3, H, W): grain in common, then red's, green's, blue's own.

    From the second differences along both axes, which no plane and no straight edge along an axis
    leaves anything of (Immerkær 1996), in pixels all known. 0 away from holes, and where nothing known
    is near.
    """
    found = image.new_zeros(len(image), 4, *(-(-side // CELL) for side in hole.shape[-2:]))
    for window, area, inside in windows(hole, REACH * CELL):
        if min(hole[window].shape[-2:]) < 3:
            continue
        near = _evenest(*_moments(image[window], hole[window]))[_on_cells(inside)]
        common = near[:, 3:].amin(1, keepdim=True).clamp(min=0)
        own = (near[:, :3] - common).clamp(min=0)
        found[_on_cells(area)] = torch.cat([common, own], 1).sqrt()
    return found


def drawn(deviations: Tensor, box: rk.Box) -> Tensor:
    """Grain (1, 3, height, width) for a window of the picture."""
    rows = torch.arange(box.top, box.bottom) // CELL
    columns = torch.arange(box.left, box.right) // CELL
    here = deviations[..., rows[:, None], columns]
    noise = rk.noise_at(box, 4, seed=SEED) * here
    return noise[:, :1] + noise[:, 1:]


def _on_cells(window: Crop) -> Crop:
    """A window of pixels, whose corner lies on the grid, as one of cells."""
    rows, columns = (slice(part.start // CELL, -(-part.stop // CELL)) for part in window[1:])
    return ..., rows, columns


def _moments(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """(second moments (N, 6, h, w) of the cells' residuals; share of their pixels that have one)."""
    line = image.new_tensor([1.0, -2.0, 1.0])
    kernel = (line[:, None] * line / 6)[None, None]
    flat = image.flatten(0, 1)[:, None]
    residual = F.conv2d(flat, kernel).view(*image.shape[:2], image.shape[-2] - 2, -1)
    valid = 1 - F.max_pool2d(hole, 3, 1)
    products = torch.stack([residual[:, i] * residual[:, j] for i, j in _PAIRS], 1) * valid
    padded = (1, 1 + -hole.shape[-1] % CELL, 1, 1 + -hole.shape[-2] % CELL)
    share = F.avg_pool2d(F.pad(valid, padded), CELL)
    return F.avg_pool2d(F.pad(products, padded), CELL) / share.clamp(min=1e-6), share


def _evenest(moments: Tensor, share: Tensor) -> Tensor:
    """Moments (N, 6, h, w): around each cell, the mean of the most even ones' that are half known."""
    count, _, height, width = moments.shape
    side = 2 * REACH + 1
    total = moments[:, :3].sum(1, keepdim=True).where(share >= 0.5, torch.inf)
    wide = F.pad(total, (REACH,) * 4, value=torch.inf)
    near = F.unfold(wide, side).view(count, 1, side * side, height * width)
    values = F.unfold(F.pad(moments, (REACH,) * 4), side).view(count, 6, side * side, -1)
    known = near.isfinite().sum(2, keepdim=True)
    ranks = near.argsort(2).argsort(2)
    chosen = (ranks < (known * SHARE).ceil()) & near.isfinite()
    mean = (values * chosen).sum(2) / chosen.sum(2).clamp(min=1) / EVENEST
    return mean.view(count, 6, height, width)
