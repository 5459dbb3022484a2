"""What is known about a picture, and the ways to tell the engine of it.

A `Condition` answers for one window. Task plugins build it from three conditionings, which compose:
`source` (the path starts from the degraded image), `concatenate` (images joined to the network's
input) and `replace` (known pixels overwrite the estimate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as _replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """What is known of x0 in one window.

    source: y, (N, C, h, w) float32 in [−1, 1]; zeros where a path starts from pure noise.
    concat: (N, K, h, w) joined to the network's input, or None.
    numbers: the network's scalars by name (scale, noise level, …): floats, or (N,) in training.
    known: (values (N, C, h, w), mask (N, 1, h, w) with 1 = known), both float32,
        or None.
    t_start: the time at which sampling starts; 1 unless the source is already nearer to x0.
    cell: the side of the network's cells, which the engine takes from the plan.
    """

    source: Tensor
    concat: Tensor | None = None
    numbers: Mapping[str, float | Tensor] = field(default_factory=dict)
    known: tuple[Tensor, Tensor] | None = None
    t_start: float = 1.0
    cell: int = 0

    def with_numbers(self, **numbers: float | Tensor) -> Condition:
        """The same condition with some numbers added or changed."""
        return _replace(self, numbers={**self.numbers, **numbers})

    def map(self, function: Callable[[Tensor], Tensor]) -> Condition:
        """The same condition with a function applied to each of its images."""
        concat = None if self.concat is None else function(self.concat)
        known = self.known and (function(self.known[0]), function(self.known[1]))
        return _replace(self, source=function(self.source), concat=concat, known=known)

    def crop(self, top: int, left: int, height: int, width: int) -> Condition:
        """The condition of a window inside this one."""
        return self.map(lambda image: image[..., top : top + height, left : left + width])

    def pad(self, top: int, left: int, bottom: int, right: int) -> Condition:
        """The condition grown on each side by its mirror image, as far as need be."""
        return self.map(lambda image: _mirrored(image, top, left, bottom, right))

    def to(self, device: torch.device) -> Condition:
        """The condition with its images on a device."""
        return self.map(lambda image: image.to(device))


def _mirrored(image: Tensor, top: int, left: int, bottom: int, right: int) -> Tensor:
    if not (top or left or bottom or right):
        return image
    height, width = image.shape[-2:]
    result = image.new_empty(*image.shape[:-2], top + height + bottom, left + width + right)
    columns = result.narrow(-1, left, width)
    columns.narrow(-2, top, height).copy_(image)  # the one pass over all of it
    for part, before, size, dimension in ((columns, top, height, -2), (result, left, width, -1)):
        place = torch.arange(-before, part.shape[dimension] - before, device=image.device)
        place = torch.minimum(place % (2 * size), 2 * size - 1 - place % (2 * size)) + before
        for start, end in ((0, before), (before + size, len(place))):
            ends = part.index_select(dimension, place[start:end])
            part.narrow(dimension, start, end - start).copy_(ends)
    return result


def concatenate(condition: Condition, *images: Tensor) -> Condition:
    """The condition with images (N, K, h, w) joined to the network's input (SR3, Palette)."""
    joined = [image for image in (condition.concat, *images) if image is not None]
    return _replace(condition, concat=torch.cat(joined, 1))


def replace(condition: Condition, values: Tensor, mask: Tensor) -> Condition:
    """The condition with known pixels: x̂0 takes `values` where mask is 1 (masked replacement)."""
    return _replace(condition, known=(values, mask))


def start_from(condition: Condition, t: float) -> Condition:
    """The condition whose sampling starts at time t from the source (SDEdit; Meng 2022)."""
    return _replace(condition, t_start=t)


def overwrite_known(x0_hat: Tensor, condition: Condition) -> Tensor:
    """The estimate with the known pixels in place, exactly; the estimate itself where none is known."""
    if condition.known is None:
        return x0_hat
    values, mask = condition.known
    return torch.where(mask > 0.5, values, x0_hat)
