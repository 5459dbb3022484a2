"""What every task's run has beside the task's own options, checked. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from restorekit.errors import UsageError
from restorekit.task import Option, Task

COMMON_OPTIONS = (
    Option("look", str, None, "faithful: closest to the truth; sharp: with likely texture."),
    Option(
        "fidelity",
        float,
        None,
        "Between the looks: 1 faithful, 0 sharp, else their weighted mean (two passes).",
        minimum=0.0,
        maximum=1.0,
    ),
    Option(
        "strength",
        float,
        1.0,
        "Share of the change that is kept; 0 is the plain input or resize.",
        minimum=0.0,
        maximum=1.0,
    ),
    Option(
        "steps",
        int,
        None,
        "Steps of the sampler; by default the look's own.",
        minimum=1,
        maximum=1000,
    ),
    Option(
        "seed", int, 0, "Seed of the noise, where a look draws any.", minimum=0, maximum=2**63 - 1
    ),
    Option("tile", int, None, "Side of a tile in pixels; never changes the result.", minimum=64),
    Option("device", str, "auto", "auto, cuda, mps, xpu or cpu."),
    Option("model", str, None, "Name or file of the weights; by default the task's own."),
)


@dataclass(frozen=True)
class Settings:
    """The values of `COMMON_OPTIONS`; fidelity is resolved from the look."""

    fidelity: float
    strength: float
    steps: int | None
    seed: int
    tile: int | None
    device: str
    model: str

    @classmethod
    def of(cls, task: Task, given: Mapping[str, Any]) -> Settings:
        """Checked settings of a task; UsageError, one sentence, for a wrong or unknown one."""
        known = {option.name: option for option in COMMON_OPTIONS}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UsageError(f"{task.name} has no option {unknown[0]!r}")
        values = {n: option.check(given.get(n, option.default)) for n, option in known.items()}
        values["fidelity"] = _fidelity(task, values.pop("look"), values["fidelity"])
        values["model"] = task.model if values["model"] is None else values["model"]
        if not values["model"]:
            raise UsageError(f"{task.name} needs weights: name them with --model")
        return cls(**{f.name: values[f.name] for f in fields(cls)})


def _fidelity(task: Task, look: str | None, fidelity: float | None) -> float:
    if look is not None and look not in task.looks:
        raise UsageError(f"--look {look!r} is none of {task.name}'s looks: {', '.join(task.looks)}")
    if look is not None and fidelity is not None:
        raise UsageError("--look and --fidelity say the same thing twice; give one of them")
    if fidelity is None:
        return 1.0 if (look or task.looks[0]) == "faithful" else 0.0
    if fidelity < 1 and "sharp" not in task.looks:
        raise UsageError(f"{task.name} has only the look {task.looks[0]}; leave --fidelity out")
    return fidelity
