"""Cascades: a chain of models, each of which makes the last one's picture larger (Ho 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition, concatenate
from restorekit.engine.denoiser import Denoise
from restorekit.engine.guidance import augment
from restorekit.engine.loop import sample
from restorekit.engine.path import Path
from restorekit.engine.resample import resample
from restorekit.engine.samplers import Sampler


@dataclass(frozen=True)
class Stage:
    """One model of a cascade and how it is sampled.

    shape: (C, H, W) of its pictures. augmentation: s of the noise that its condition gets, the number
    "augmentation" of the network; training draws it from a range, and sampling chooses one.
    """

    denoise: Denoise
    path: Path
    sampler: Sampler
    times: Sequence[float]
    shape: tuple[int, int, int]
    augmentation: float = 0.0


def cascade(
    stages: Sequence[Stage], condition: Condition, noise: Callable[[int, int], Tensor]
) -> list[Tensor]:
    """The pictures of every stage, the last one the largest.

    condition: the first stage's; later stages have its numbers, and see the picture before, enlarged
    and augmented, concatenated and as their source. noise(stage, i): normal, (N, *shape); i = 0 is
    the start, 1 the augmentation, then the steps.
    """
    pictures: list[Tensor] = []
    for number, stage in enumerate(stages):
        known = condition
        if pictures:
            known = enlarged(pictures[-1], stage, condition, noise(number, 1))
        pictures.append(run_stage(stage, known, lambda i, number=number: noise(number, i)))
    return pictures


def enlarged(picture: Tensor, stage: Stage, condition: Condition, noise: Tensor) -> Condition:
    """The condition of a stage that follows a picture: enlarged, augmented, and told how much."""
    spoilt = augment(resample(picture, stage.shape[1:]), stage.augmentation, noise)
    known = Condition(spoilt, None, condition.numbers)
    return concatenate(known, spoilt).with_numbers(augmentation=stage.augmentation)


def run_stage(stage: Stage, known: Condition, noise: Callable[[int], Tensor]) -> Tensor:
    """One stage's picture, from the path's end."""

    def estimate(x: Tensor, t: float) -> Tensor:
        return stage.denoise(x, torch.tensor(t, dtype=torch.float64), known)

    start = stage.times[0]
    x = stage.path.marginal(torch.zeros_like(known.source), known.source, start, noise(0))
    return sample(
        stage.sampler, estimate, stage.path, known.source, x, stage.times, lambda i: noise(i + 2)
    )
