"""Renders as training data: a noisy picture to learn from and another to learn towards.

A file holds renders of one view that are independent of each other, of few samples each. The mean of
any of them is the input, the mean of the others the target: it is noisy too, but on average right, and
that is enough (Noise2Noise, Lehtinen 2018). No reference is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.tiles import Box
from restorekit.errors import UsageError
from restorekit.training.photographs import turned

PASSES = ("albedo", "normal")
_FARTHEST = 1.0
"""A target so many times the estimate away or more pulls no harder: a firefly must not make a step."""

_DARK, _BRIGHT = 0.02, 4.0
"""ε and b: of light below ε the error counts and not its share, of light above b less than its share. A
display's curve, too, is linear in the dark and bends where it is brighter than white."""


@dataclass(frozen=True, eq=False)
class View:
    """One view: frames (K, 9, H, W) float16 — colour, albedo, normal — of samples (K,) a pixel each,
    no more than a dozen frames."""

    frames: Tensor
    samples: Tensor

    def means(self, chosen: Tensor, window: tuple[slice, slice]) -> tuple[Tensor, Tensor]:
        """(9, h, w) of the chosen frames, (K,) bool, and (3, h, w), the colour alone, of the others."""
        part = self.frames[(..., *window)].float()
        weights = torch.stack([chosen, ~chosen]) * self.samples.float()
        weights = weights / weights.sum(1, keepdim=True)
        known = torch.einsum("k,kchw->chw", weights[0], part)
        return known, torch.einsum("k,kchw->chw", weights[1], part[:, :3])

    def draw(self, draw: torch.Generator) -> Tensor:
        """Which frames are the input, (K,) bool: any, but half of the samples are the target's.

        As likely as their samples are few: about as often 1 sample as 2 to 3, as 4 to 7, and so on.
        """
        count = len(self.samples)
        choices = torch.arange(1, 2**count - 1)[:, None] >> torch.arange(count) & 1
        given = choices.double() @ self.samples.double()
        likely = torch.where(given <= self.samples.sum() / 2, 1 / given, 0.0)
        place = torch.multinomial(likely, 1, generator=draw)
        return choices[int(place)].bool()


def read_view(path: Path) -> View:
    """A view from a file of `color`, `albedo`, `normal` (K, H, W, 3) and `samples` (K,).

    Raises UsageError for another kind of file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            planes = [file[name].astype(np.float16) for name in ("color", *PASSES)]
            samples = torch.from_numpy(file["samples"].astype(np.int64))
        frames = np.moveaxis(np.concatenate(planes, -1), -1, 1)
        if frames.ndim != 4 or len(frames) != len(samples) or len(samples) < 2:
            raise ValueError("its frames do not go together")
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} holds no renders to train on: {error}") from error
    return View(torch.from_numpy(np.ascontiguousarray(frames)), samples)


@dataclass(frozen=True, eq=False)
class Renders:
    """Views held in memory, of which batches are drawn."""

    views: Sequence[View]

    @classmethod
    def read(cls, folder: Path) -> Renders:
        """Every view below a folder; UsageError where there is none."""
        paths = sorted(
            path for path in folder.rglob("*.npz") if not path.name.endswith(".part.npz")
        )
        if not paths:
            raise UsageError(f"no renders under {folder}; benchmarks/renders/make.py makes some")
        return cls([read_view(path) for path in paths])

    def batch(
        self, count: int, size: int, draw: torch.Generator, passes: Sequence[str] = PASSES
    ) -> tuple[dict[str, Tensor], Tensor]:
        """(inputs by name, target): (count, 3, size, size) of linear light, albedo and normals.

        Each item has its own view, window, number of samples, turn, and order of colours.
        UsageError where a view is smaller than the window.
        """
        pairs = [self._pair(size, draw) for _ in range(count)]
        known, target = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        inputs = {"image": known[:, :3]}
        inputs |= {
            name: known[:, 3 * (i + 1) : 3 * (i + 2)]
            for i, name in enumerate(PASSES)
            if name in passes
        }
        return inputs, target

    def _pair(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        def below(limit: int) -> int:
            return int(torch.randint(limit, (), generator=draw))

        view = self.views[below(len(self.views))]
        height, width = view.frames.shape[-2:]
        if min(height, width) < size:
            raise UsageError(f"a render of {width} x {height} is smaller than crops of {size}")
        top, left = below(height - size + 1), below(width - size + 1)
        window = (slice(top, top + size), slice(left, left + size))
        known, target = view.means(view.draw(draw), window)
        colours = torch.randperm(3, generator=draw)
        order = torch.cat([colours, colours + 3, torch.arange(6, 9)])
        turn = below(8)
        return turned(known[order], turn), turned(target[colours], turn)


def first_call(
    denoiser: Preconditioned, condition: Condition, noise: Tensor | None = None
) -> Tensor:
    """x̂0 at the path's start, t = 1: γ y + σ noise, or the source itself where there is no noise."""
    start, source = torch.ones((), device=condition.source.device), condition.source
    x_1 = source if noise is None else denoiser.path.marginal(0 * source, source, start, noise)
    return denoiser(x_1, start, condition)


def noise_to_noise_loss(
    denoiser: Preconditioned,
    hooks: Any,
    options: Mapping[str, Any],
    inputs: Mapping[str, Tensor],
    target: Tensor,
    noise: Tensor | None = None,
) -> Tensor:
    """The loss (N,) of the path's first call against noisy light, exposed so that middle grey is .18.

    noise: (N, 3, H, W) of unit variance, that the path starts with; without it, it starts at the source.
    With f = finish(x̂0), (f − y)²/((f + ε)(1 + f/b))², the divisor a constant of the gradient (Lehtinen
    2018, section 3.3): about what a tone-mapped picture shows of an error, so that dark and bright parts
    count as an eye counts them, and yet quadratic in the light, so least at the mean of y. The square
    of a distance between transferred values has its minimum at the transfer's mean, which is darker.
    Away by the estimate's own size and more it grows linearly (Huber), so heavy noise pulls the least
    down: it is 16 % below the mean where light deviates by as much as its mean, .8 % where by half.
    """
    height, width = target.shape[-2:]
    whole = Box(0, 0, height, width)
    plan = hooks.restorekit_prepare(inputs=inputs, options=options)
    condition: Condition = replace(hooks.restorekit_condition(plan=plan, box=whole), cell=plan.cell)
    estimate = first_call(denoiser, condition, noise)
    with torch.autocast(target.device.type, enabled=False):
        light = hooks.restorekit_finish(plan=plan, box=whole, x0=estimate.float())
        size = light.detach().abs()
        away = (light - target) / ((size + _DARK) * (1 + size / _BRIGHT))
        nothing = torch.zeros_like(away)
        return 2 * F.huber_loss(away, nothing, reduction="none", delta=_FARTHEST).mean((1, 2, 3))
