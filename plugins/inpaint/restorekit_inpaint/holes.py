"""What is to be filled: from a mask, the alpha channel, a colour; grown, feathered, boxed.

A hole is (N, 1, H, W) float32, 1 where pixels are to be filled and 0 where they are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import EllipsisType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import restorekit as rk

Crop = tuple[EllipsisType, slice, slice]

CELL = 64  # pixels: the grid on which neighbouring holes are taken together
TOLERANCE = 8 / 255  # of a colour key: what JPEG does to an even colour


def find(
    inputs: Mapping[str, Tensor], options: Mapping[str, Any], *, anyway: bool
) -> tuple[Tensor, Tensor]:
    """(image, hole) of one size; UsageError where no hole is told of, or its mask does not fit.

    anyway: without a hole there is something to fill still, what the picture is expanded by.
    """
    image, word = inputs["image"], options.get("mask")
    if "mask" in inputs:
        hole = _from_mask(image, inputs["mask"], options["mask_fit"])
        if not hole.any() and not anyway:
            raise rk.UsageError("nothing in the mask is white, and white is what is filled")
        return image, hole
    if word is None:
        if anyway:
            return image, torch.zeros_like(image[:, :1])
        raise rk.UsageError("inpaint needs --mask, or --expand: it must know what to fill")
    if word == "alpha":
        if "alpha" not in inputs:
            raise rk.UsageError("--mask alpha: the picture has no transparency")
        return image, (inputs["alpha"][:, :1] < 1).float()
    if word == "scratches":
        from restorekit_inpaint.scratches import scratches

        return image, scratches(image)
    return image, _of_colour(image, word)


def _from_mask(image: Tensor, mask: Tensor, fit: bool) -> Tensor:
    hole = (mask.mean(1, keepdim=True) > 0).float()
    if hole.shape[-2:] == image.shape[-2:]:
        return hole
    if not fit:
        of_mask, of_image = (f"{t.shape[-1]} x {t.shape[-2]}" for t in (hole, image))
        raise rk.UsageError(
            f"the mask is {of_mask} and the picture {of_image} pixels; make them equal, or give "
            "--mask-fit"
        )
    return F.interpolate(hole, image.shape[-2:], mode="nearest-exact")


def _of_colour(image: Tensor, word: str) -> Tensor:
    key = image.new_tensor([int(word[i : i + 2], 16) / 127.5 - 1 for i in (1, 3, 5)])
    distance = (image - key[:, None, None]).abs().amax(1, keepdim=True)
    return (distance <= 2 * TOLERANCE).float()


def expand(image: Tensor, hole: Tensor, edges: tuple[int, int, int, int]) -> tuple[Tensor, Tensor]:
    """Both grown by (top, bottom, left, right) pixels, all of which are hole."""
    top, bottom, left, right = edges
    if not any(edges):
        return image, hole
    around = (left, right, top, bottom)
    return F.pad(image, around), F.pad(hole, around, value=1.0)


def grow(hole: Tensor, pixels: int) -> Tensor:
    """The hole with every pixel within a square of so many pixels around it."""
    return _dilated(hole, pixels) if pixels else hole


def _dilated(plane: Tensor, pixels: int) -> Tensor:
    """A plane of 0 and 1 with 1 wherever one is within a square; by sums, in any size as fast."""
    for dimension in (2, 3):
        beyond = [0, 0, 0, 0]
        beyond[6 - 2 * dimension : 8 - 2 * dimension] = pixels + 1, pixels
        sums = F.pad(plane, beyond).cumsum(dimension)
        length = plane.shape[dimension]
        within = sums.narrow(dimension, 2 * pixels + 1, length) - sums.narrow(dimension, 0, length)
        plane = (within > 0).float()
    return plane


def eroded(hole: Tensor, pixels: int) -> Tensor:
    """The hole's pixels that are more than so many pixels from anything known; edges are no border."""
    return 1 - _dilated(1 - hole, pixels)


def feathered(hole: Tensor, pixels: int) -> Tensor:
    """Weights of the fill: 0 where known, growing to 1 over so many pixels inside the hole."""
    weight, inner = hole.clone(), hole
    for _ in range(pixels):
        inner = eroded(inner, 1)
        weight += inner
    return weight / (pixels + 1)


def areas(hole: Tensor) -> tuple[tuple[int, int, int, int], ...]:
    """Windows (top, left, height, width) around the holes, those on neighbouring cells in one."""
    height, width = hole.shape[-2:]
    plane = hole.amax((0, 1))[None, None]
    cells = F.max_pool2d(plane, CELL, CELL, ceil_mode=True)[0, 0] > 0.5
    left = {(int(row), int(column)) for row, column in cells.nonzero()}
    found = []
    while left:
        group, front = set(), [left.pop()]
        while front:
            row, column = front.pop()
            group.add((row, column))
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            front += near
        rows, columns = zip(*group, strict=True)
        top, start = min(rows) * CELL, min(columns) * CELL
        bottom, end = (max(rows) + 1) * CELL, (max(columns) + 1) * CELL
        found.append((top, start, min(bottom, height) - top, min(end, width) - start))
    return tuple(sorted(found))


def windows(hole: Tensor, margin: int) -> Iterator[tuple[Crop, Crop, Crop]]:
    """For each area: (it and so many pixels around it, it alone, it alone inside the first), to index
    tensors of the picture's size with, so that work goes with the holes and not with the picture."""
    for top, left, height, width in areas(hole):
        upper, start = max(0, top - margin), max(0, left - margin)
        yield (
            (..., slice(upper, top + height + margin), slice(start, left + width + margin)),
            (..., slice(top, top + height), slice(left, left + width)),
            (
                ...,
                slice(top - upper, top - upper + height),
                slice(left - start, left - start + width),
            ),
        )
