"""Renders as training data: a noisy picture to learn from and another to learn towards.

A file holds renders of one view that are independent of each other, of few samples each. The mean of
some of them is the input, the mean of the others the target: it is noisy too, but on average right, and
that is enough (Noise2Noise, Lehtinen 2018). No reference is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

PASSES = ("albedo", "normal")
_FARTHEST = 10.0
"""A target so many deviations away or more pulls no harder: one firefly must not make a step."""

_NEAR = 4  # pixels, of the local mean that weights are taken at


@dataclass(frozen=True, eq=False)
class View:
    """One view: frames (K, 9, H, W) float16 — colour, albedo, normal — of samples (K,) a pixel each."""

    frames: Tensor
    samples: Tensor

    def means(self, first: int, window: tuple[slice, slice]) -> tuple[Tensor, Tensor]:
        """(9, h, w) of the first frames and (3, h, w), the colour alone, of the others."""
        part = self.frames[(..., *window)].float()
        weights = self.samples.float()[:, None, None, None]
        known = (part[:first] * weights[:first]).sum(0) / weights[:first].sum()
        others = part[first:, :3]
        return known, (others * weights[first:]).sum(0) / weights[first:].sum()


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
        first = 1 + below(len(view.samples) - 1)
        known, target = view.means(first, (slice(top, top + size), slice(left, left + size)))
        colours = torch.randperm(3, generator=draw)
        order = torch.cat([colours, colours + 3, torch.arange(6, 9)])
        turn = below(8)
        return _turned(known[order], turn), _turned(target[colours], turn)


def _turned(image: Tensor, turn: int) -> Tensor:
    image = image.flip(-1) if turn & 4 else image
    return torch.rot90(image, turn & 3, (-2, -1))


def noise_to_noise_loss(
    denoiser: Preconditioned,
    hooks: Any,
    options: Mapping[str, Any],
    inputs: Mapping[str, Tensor],
    target: Tensor,
) -> Tensor:
    """The loss (N,) of the path's first call against noisy light, in units of the deviation squared.

    With f = finish(x̂0), ((f − y)/s)²: s, the slope of finish at x̂0's local mean, is a constant, so that
    dark and bright parts count as they do in the network's own space, and yet the loss is quadratic in
    the light, least at the mean of y. The square of a distance between transferred values has its
    minimum at the transfer's mean, which is darker (Lehtinen 2018, section 3.3). Far away it grows
    linearly (Huber). finish acts value by value.
    """
    height, width = target.shape[-2:]
    whole = Box(0, 0, height, width)
    plan = hooks.restorekit_prepare(inputs=inputs, options=options)
    condition: Condition = hooks.restorekit_condition(plan=plan, box=whole)
    estimate = denoiser(condition.source, torch.ones((), device=target.device), condition)

    def finish(x0: Tensor) -> Tensor:
        return hooks.restorekit_finish(plan=plan, box=whole, x0=x0)

    with torch.autocast(target.device.type, enabled=False):
        with torch.enable_grad():
            near = F.pad(estimate.detach().float(), (_NEAR,) * 4, mode="replicate")
            smooth = F.avg_pool2d(near, 2 * _NEAR + 1, 1).requires_grad_()
            (slope,) = torch.autograd.grad(finish(smooth).sum(), smooth)
        away = (finish(estimate.float()) - target) / (slope * denoiser.deviation)
        nothing = torch.zeros_like(away)
        return 2 * F.huber_loss(away, nothing, reduction="none", delta=_FARTHEST).mean((1, 2, 3))
