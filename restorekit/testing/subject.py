"""The task under examination, and the pictures it is given."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import plugins
from restorekit.evaluation.cases import Case, degraded_cases
from restorekit.images import Picture, from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.samples import to_tensor
from restorekit.jobs.settings import Settings
from restorekit.plugins import LoadedTask
from restorekit.task import Plan, Task

SIDE = 160  # of a clean picture; what is made of it stays large enough at a quarter of it
_FLAT, _SOFT = 0.02, 0.7  # deviation of a leaf's texture; of its edge, in pixels


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: opaque shaded discs on one another, large ones and small.

    The "dead leaves" model, whose edges and spectrum are those of photographs (Lee, Mumford and
    Huang 2001). The same seed gives the same picture.
    """
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.full((height, width, 3), 0.5)
    count = max(20, height * width // 100)
    radii = sorted(2.5 / draw.uniform(0.03, 1.0, count), reverse=True)  # density falls as 1/r²
    for radius in radii:
        top, left = draw.uniform(-radius, height + radius), draw.uniform(-radius, width + radius)
        distance = np.hypot(rows - top, columns - left)
        cover = 1 / (1 + np.exp(np.clip((distance - radius) / (_SOFT / 2), -30, 30)))
        light = draw.uniform(-0.15, 0.15) * (rows - top) / radius
        colour = np.clip(draw.normal(draw.uniform(0.15, 0.85), 0.1, 3), 0.05, 0.95)
        leaf = colour + light[..., None] + draw.normal(0, _FLAT * draw.uniform(), (*rows.shape, 1))
        image += cover[..., None] * (leaf - image)
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)


class Read(Mapping[str, Any]):
    """Options that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, Any], read: set[str]) -> None:
        self.values_by_name, self.read = values, read

    def __getitem__(self, name: str) -> Any:
        """The value of an option, from now on known to be read."""
        self.read.add(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.values_by_name)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.values_by_name)


@dataclass(frozen=True)
class Subject:
    """A task under examination.

    settings: of every task's run (device, seed, look). read: options that a hook has asked for so far.
    """

    loaded: LoadedTask
    settings: Mapping[str, Any] = field(default_factory=lambda: {"device": "cpu"})
    read: set[str] = field(default_factory=set)

    @property
    def task(self) -> Task:
        """Its declaration."""
        return self.loaded.task

    @property
    def degrades(self) -> bool:
        """Whether the task brings a degradation."""
        return bool(self.loaded.hooks.restorekit_degrade.get_hookimpls())

    def restorer(self, **given: Any) -> Restorer:
        """A Restorer with these options of the task, or settings of the run."""
        own = {o.name for o in self.task.options}
        settings = {**self.settings, **{n: v for n, v in given.items() if n not in own}}
        options = {name: value for name, value in given.items() if name in own}
        made = Restorer(self.loaded, options, Settings.of(self.task, settings))
        made.options = Read(made.options, self.read)  # type: ignore[assignment]
        return made

    @cached_property
    def usual(self) -> Restorer:
        """The task with its defaults."""
        return self.restorer()

    def options(self, degradation: str | None = None) -> Mapping[str, Any]:
        """What the degradation is told: the task's defaults and the degradation's."""
        chosen = self.task.check_degradation(degradation, {})
        return Read({**self.task.check_options({}), **chosen}, self.read)

    def case(
        self, seed: int = 0, degradation: str | None = None, size: tuple[int, int] = (SIDE, SIDE)
    ) -> Case:
        """A picture for the task with its truth (height, width): degraded by the task, where it can."""
        truth = photograph(*size, seed)
        if not self.degrades:
            return Case("drawn", {"image": from_array(truth)}, truth)
        options = self.options(degradation)
        return next(degraded_cases([("drawn", truth)], self.loaded.hooks, options))

    @cached_property
    def usual_case(self) -> Case:
        """The case that most promises are tried on."""
        return self.case()


def subject(name: str) -> Subject:
    """The task of a name; PluginError where it cannot be loaded."""
    return Subject(plugins.load(name))


def small(case: Case, height: int, width: int) -> Case:
    """The case with each of its pictures cut to the size, from a quarter in where there is room.

    Where the further images have nothing to tell there, as a mask without a hole, from elsewhere.
    """
    cuts = (
        {name: _cut(image, height, width, share) for name, image in case.inputs.items()}
        for share in _shares()
    )
    first = next(cuts)
    telling = filter(_tell_something, itertools.chain([first], cuts))
    return replace(case, inputs=next(telling, first))


def _shares() -> list[tuple[float, float]]:
    """How far in, down and across, a part may begin: a quarter first."""
    steps = [i / 8 for i in range(8)]
    return [(0.25, 0.25), *itertools.product(steps, steps)]


def _tell_something(inputs: Mapping[str, Picture]) -> bool:
    others = [image.color for name, image in inputs.items() if name != "image"]
    return all(color.min() < color.max() for color in others)


def _cut(picture: Picture, height: int, width: int, share: tuple[float, float]) -> Picture:
    top, left = (
        max(0, min(int(side * part), side - wanted))
        for side, wanted, part in (
            (picture.height, height, share[0]),
            (picture.width, width, share[1]),
        )
    )
    part = (slice(top, top + height), slice(left, left + width))
    alpha = None if picture.alpha is None else picture.alpha[part]
    return replace(picture, color=np.ascontiguousarray(picture.color[part]), alpha=alpha)


def restored(made: Restorer, case: Case) -> Picture:
    """The result for a case."""
    return made(case.picture, companions=companions(made.task, case))


def companions(task: Task, case: Case) -> dict[str, Picture]:
    """The further images of a case that a run would be given."""
    return {c.name: case.inputs[c.name] for c in task.companions if c.name in case.inputs}


def planned(made: Restorer, case: Case) -> Plan:
    """The plan of a case, after its stages."""
    seen: list[Plan] = []
    made(case.picture, planned=seen.append, companions=companions(made.task, case))
    return seen[0]  # the colours'; a second one may be that of alpha


def clean_batch(count: int, side: int = 96) -> Tensor:
    """(count, 3, side, side) float32 in [−1, 1]: clean pictures, each another."""
    return torch.cat([to_tensor(photograph(side, side, seed)) for seed in range(count)])
