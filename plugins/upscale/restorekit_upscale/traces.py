"""Whether a picture shows that JPEG coded it: by its steps, or else by its blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from restorekit_upscale.quantisation import BLOCK, LUMA, coded_quality

GOOD = 92
"""The quality above which taking JPEG's traces out takes as much as it gives: of ten held-back
photographs at a quarter, enlarged by 4, .03 dB and .006 of sharp LPIPS at 92, neither at 95."""
_SMALLEST = 64  # pixels a side: fewer blocks tell nothing
_LINES = 512  # looked at, evenly spread: as telling as all of them
_EDGE = 24.0  # levels of 255: a larger step is the picture's own, not a block's
_SHARE, _SURE = 0.03, 6.0
_FLAT = 0.9  # of blocks without a step inside: enlarged by nearest pixels
_SMOOTH = 2.0  # levels of bend inside the blocks: at most as much as of what was enlarged


def worn(image: Tensor) -> bool:
    """Whether JPEG coded a picture, (N, 3, H, W) in [−1, 1], at a quality of 92 or less, or its blocks
    show: of tables that are not known, and of pictures changed since, they are what is left to see."""
    quality = coded_quality(image)
    return (quality is not None and quality <= GOOD) or blocks_show(image)


def blocks_show(image: Tensor) -> bool:
    """Whether steps between pixels are larger at one place of eight, in rows and in columns.

    image: (N, 3, H, W) in [−1, 1]. Of photographs of 160 × 160 pixels saved at quality 60 this finds
    eight in ten, at 75 two thirds and at 85 a third, and more of larger ones. Blocks of another size,
    of a picture that was resized since, are not looked for.
    """
    if min(image.shape[-2:]) < _SMALLEST:
        return False
    found = [_excess(lines) for lines in (image, image.transpose(2, 3))]
    share, sure, alone = (sum(of_axis) for of_axis in zip(*found, strict=True))
    return bool(share / 2 > _SHARE and sure / 2**0.5 > _SURE and alone == len(found))


def _excess(image: Tensor) -> tuple[float, float, bool]:
    """Along the rows: (how much larger steps are at their largest place of eight than at the others, as
    a share; that in standard errors; whether neither the next places nor the fourth has half of it,
    there are steps inside the blocks too, and what is smooth inside them bends most beside that place).

    Blocks of four, of a picture that was halved since, have as much four places further on, and the
    lines of a grid, with a side each, one. What was enlarged by eight bends where its samples were.
    """
    lines = image[:, :, :: max(1, image.shape[2] // _LINES)]
    luma = torch.einsum("nchw,c->nhw", lines, lines.new_tensor(LUMA)) * 127.5
    steps = luma.diff(dim=2).abs()
    here, beside = steps[..., 1:-1], (steps[..., :-2] + steps[..., 2:]) / 2
    share = torch.where(here <= _EDGE, (here - beside) / (here + beside + 1), 0.0).mean((0, 1))
    blocks = share[: len(share) // BLOCK * BLOCK].reshape(-1, BLOCK)
    means = blocks.mean(0)
    place = int(means.argmax())
    excess = blocks[:, place] - (blocks.sum(1) - blocks[:, place]) / (BLOCK - 1)
    error = excess.std() / len(excess) ** 0.5
    less = (means[place] - means.roll(-place)) / excess.mean()  # than the largest, from it on
    alone = less[[1, -1, BLOCK // 2]].min() > 1 / 2
    cells = steps[..., place + 1 :]  # each begins with the step to its first pixel
    cells = cells[..., : cells.shape[-1] // BLOCK * BLOCK].unflatten(-1, (-1, BLOCK))
    inside = cells[..., 1:].amax(-1)[cells[..., 0] > 0.5]
    flat = (inside <= 0.5).float().mean()
    bends = luma.diff(n=2, dim=2).abs().mean((0, 1))
    bends = bends[: len(bends) // BLOCK * BLOCK].reshape(-1, BLOCK).mean(0).roll(-place)
    jumps = bends[2:].median() > _SMOOTH or bends[:2].min() > bends[2:].max()
    return (
        float(excess.mean()),
        float(excess.mean() / (error + 1e-9)),
        bool(alone and flat < _FLAT and jumps),
    )
