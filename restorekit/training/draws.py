"""The options of a batch, drawn as a recipe says."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from restorekit.task import Task
from restorekit.training.recipe import Draw


def choose(ways: Sequence[Draw], generator: torch.Generator) -> Draw:
    """One of the draws, by their weights."""
    weights = torch.tensor([way.weight for way in ways], dtype=torch.float64)
    return ways[int(torch.multinomial(weights, 1, generator=generator))]


def options_of(draw: Draw, task: Task, share: Callable[[], float]) -> dict[str, Any]:
    """A draw's options; of each range the value that lies `share` of it above its low end."""
    named = draw.options.get("degradation", task.degradations[0].name)
    ways = [way.options for way in task.degradations if way.name == named]
    known = itertools.chain(task.options, *ways)
    within = {option.name: _whole if option.kind is int else _real for option in known}
    return {
        name: within.get(name, _real)(value[0], value[1], share())
        if isinstance(value, list)
        else value
        for name, value in draw.options.items()
    }


def checked(task: Task, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the task's options, its degradation and the options of that); UsageError for a wrong one."""
    names = {option.name for option in task.options}
    own = task.check_options({k: v for k, v in options.items() if k in names})
    rest = {k: v for k, v in options.items() if k not in names and k != "degradation"}
    return own, task.check_degradation(options.get("degradation"), rest)


def check(draw: Draw, task: Task) -> None:
    """UsageError where a draw has an option that the task has not, or a range leads out of its own."""
    for options in ends(draw, task):
        checked(task, options)


def ends(draw: Draw, task: Task) -> list[dict[str, Any]]:
    """The options at both ends of a draw's ranges."""
    return [options_of(draw, task, lambda end=end: end) for end in (0.0, 1.0)]


def uniform(generator: torch.Generator) -> float:
    """A number from 0 to 1."""
    return float(torch.rand((), generator=generator, dtype=torch.float64))


def _real(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _whole(low: float, high: float, share: float) -> float:
    """The same of whole numbers, each of which has as large a share of the range."""
    return min(math.floor(low + (high + 1 - low) * share), high)
