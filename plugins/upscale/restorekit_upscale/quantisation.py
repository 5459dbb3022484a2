"""The quality at which JPEG coded a picture, from the steps that it rounded its blocks' DCT to.

Once decoded to pixels, a block's coefficients still lie near multiples of those steps (Fan and de
Queiroz, "Identification of bitmap compression history", IEEE Transactions on Image Processing, 2003).
Looked for are the tables of libjpeg and mozjpeg; as one fits at all frequencies together, some dozens of
blocks tell.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8
"""Pixels a side of JPEG's blocks."""
LUMA = (0.299, 0.587, 0.114)

# Steps at quality 50: of libjpeg (ITU T.81, annex K), and of N. Robidoux, which mozjpeg takes.
_TABLES = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57
69 56 14 17 22 29 51 87 80 62 18 22 37 56 68 109 103 77 24 35 55 64
81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99

16 16 16 18 25 37 56 85 16 17 20 27 34 40 53 75 16 20 24 31 43 62
91 135 18 27 31 40 53 74 106 156 25 34 43 53 69 94 131 189 37 40 62 74
94 124 169 238 56 53 91 106 131 169 226 311 85 75 135 156 189 238 311 418
"""
_QUALITIES = torch.arange(5, 98)
_WINDOWS = 1024  # about as many are looked at, evenly spread: as telling as all of them
_FREQUENCIES = [(y, x) for y in range(BLOCK) for x in range(BLOCK) if 0 < y + x < 6]
_BIN, _BINS = 0.5, 256  # of coefficients, in levels
_SURE = 10.0  # standard errors; where there was no JPEG the best place seldom has more than 7
_ALONE = 3.5  # times as sure as most places: what is drawn is in phase wherever blocks begin


def coded_quality(image: Tensor) -> int | None:
    """The lowest quality, 5 to 97 on libjpeg's scale, at which a picture was coded, or None.

    image: (N, 3, H, W) in [−1, 1], alike coded, its blocks anywhere. None where no table fits, as after
    resizing and in most pictures of fewer than 32 pixels a side; of other tables than those that are
    looked for, it is a quality whose steps are in part theirs.
    """
    if min(image.shape[-2:]) < 2 * BLOCK:
        return None
    bins = _coefficients(image)
    if bins is None:
        return None
    sure = _sure(torch.stack([_counts(place) for place in bins]))
    places = sure.amax(1)
    least = max(_SURE, _ALONE * float(places.median()), float(places.max()) / 2)
    found = []
    for place in (places > least).nonzero().flatten().tolist():  # of two codings both show
        # Blocks that are repeated, as tiles are, say no more than one does.
        table = _sure(_counts(bins[place].unique(dim=0))[None])[0]
        if table.max() > _SURE:
            found.append(int(_QUALITIES[int(table.argmax()) % len(_QUALITIES)]))
    return min(found, default=None)


def _coefficients(image: Tensor) -> Tensor | None:
    """(64, M, F): the bins of F frequencies' sizes in M blocks, by where blocks begin; None of pictures
    that are not finite."""
    side = 2 * BLOCK - 1  # holds a block wherever they begin
    count = image.shape[0] * image.shape[2] * image.shape[3] / BLOCK**2
    apart = BLOCK * max(1, math.ceil(math.sqrt(count / _WINDOWS)))
    windows = image.unfold(2, side, apart).unfold(3, side, apart)
    luma = torch.einsum("nchwyx,c->nhwyx", windows, image.new_tensor(LUMA)).reshape(
        -1, 1, side, side
    )
    if not luma.isfinite().all():
        return None
    sizes = F.conv2d(luma.float() * 127.5, _waves().to(luma.device)).abs().cpu()
    return (sizes / _BIN).round().clamp(max=_BINS - 1).to(torch.int16).flatten(2).permute(2, 0, 1)


def _counts(bins: Tensor) -> Tensor:
    """(F, B): how many of M blocks have each size at each frequency, of bins (M, F)."""
    first = torch.arange(bins.shape[1]) * _BINS
    counts = (bins.long() + first).flatten().bincount(minlength=len(first) * _BINS)
    counts = counts.view(-1, _BINS).float()
    counts[:, -1] = 0  # what is larger
    return counts


def _sure(counts: Tensor) -> Tensor:
    """(P, T): by how many standard errors the sizes at P places are nearer to the multiples of T tables'
    steps than chance would have them, of counts (P, F, B)."""
    phases, beyond = _fits()
    sums = counts.flatten(1) @ phases.flatten(1).T
    numbers = counts.flatten(1) @ beyond.flatten(1).T
    return sums / (numbers / 2 + 1).sqrt()  # the variance of a cosine is 1/2


@functools.cache
def _waves() -> Tensor:
    """(F, 1, 8, 8): the DCT's, of the frequencies that are looked at."""
    place = torch.arange(BLOCK, dtype=torch.float32)
    basis = torch.cos((2 * place + 1) * place[:, None] * math.pi / (2 * BLOCK)) / 2
    basis[0] /= math.sqrt(2)
    return torch.stack([torch.outer(basis[y], basis[x]) for y, x in _FREQUENCIES])[:, None]


@functools.cache
def _fits() -> tuple[Tensor, Tensor]:
    """(T, F, B) each, of every table at every quality: how near a size is to a multiple of its step, 1
    at it and −1 between two; and whether that is another than 0, which all small ones are near."""
    libjpeg, mozjpeg = (torch.tensor([float(v) for v in t.split()]) for t in _TABLES.split("\n\n"))
    upright = torch.stack([libjpeg, mozjpeg]).view(-1, BLOCK, BLOCK)
    tables = torch.cat(
        [upright, upright[:1].transpose(1, 2)]
    )  # libjpeg's, of a picture on its side
    quality = _QUALITIES.float()[:, None, None]
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    scaled = ((tables[:, None] * percent + 50) / 100).floor().clamp(1, 255)  # jpeg_add_quant_table
    steps = torch.stack([scaled[..., y, x] for y, x in _FREQUENCIES], -1).flatten(0, 1)[..., None]
    turns = torch.arange(_BINS) * _BIN / steps
    beyond = ((turns > 0.5) & (steps > 1)).float()
    return torch.cos(2 * math.pi * turns) * beyond, beyond
