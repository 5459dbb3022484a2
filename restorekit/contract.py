"""What a hook's answer must be; checked at every call, since a plugin is somebody else's program."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from restorekit.task import Plan, Stage


def wrong_answer(hook: str, answer: Any, arguments: Mapping[str, Any]) -> str:
    """What is wrong with a hook's answer, as the end of a sentence; "" where nothing is."""
    check = _CHECKS.get(hook)
    return check(answer, arguments) if check else ""


def _plan(answer: Any, arguments: Mapping[str, Any]) -> str:
    if isinstance(answer, Stage):
        return _stage(answer)
    if not isinstance(answer, Plan):
        return f"returns {_kind(answer)}, not a restorekit.Plan"
    size = _whole(answer.size, 2)
    if size is None:
        return f"plans the size {answer.size!r}, not two whole numbers (height, width)"
    if min(size) < 1:
        return f"plans the size {answer.size!r}; both sides must be at least 1"
    if answer.jump is not None:
        jump = _whole(answer.jump, 2)
        if jump is None or min(jump) < 1:
            return f"plans the jump {answer.jump!r}, not two whole numbers (steps, times) above 0"
    if wrong := _note(answer.note):
        return wrong
    cell = _whole((answer.cell,), 1)
    if cell is None or cell[0] < 0 or isinstance(answer.cell, bool):
        return f"plans cells of {answer.cell!r}, not a whole number of 0 or more"
    if not isinstance(answer.settled, Mapping):
        return f"gives {_kind(answer.settled)} as settled, not values of options by name"
    if answer.areas is None and _whole(answer.place, 2) == (0, 0):
        return ""
    picture = arguments["inputs"]["image"].shape[-2:]
    return _place(answer, picture) or _areas(answer)


def _note(note: Any) -> str:
    """What is wrong with the facts of a plan, which are written down as JSON."""
    if not isinstance(note, Mapping):
        return f"gives {_kind(note)} as note, not facts by name"
    for name, fact in note.items():
        if not isinstance(name, str):
            return f"notes a fact by the name {name!r}, not by a word"
        if not isinstance(fact, str | float | int):  # a truth value is an int
            return f"notes {_kind(fact)} as {name!r}, not Python's own str, float, int or bool"
    return ""


def _stage(stage: Stage) -> str:
    if not isinstance(stage.inputs, Mapping) or "image" not in stage.inputs:
        return "asks for a stage without inputs['image']"
    if not isinstance(stage.options, Mapping):
        return f"gives {_kind(stage.options)} as the options of a stage, not values by name"
    if not isinstance(stage.task, str):
        return f"gives {_kind(stage.task)} as the task of a stage, not its name"
    import torch

    image = stage.inputs["image"]
    if not isinstance(image, torch.Tensor) or image.ndim != 4:
        return f"gives {_kind(image)} as a stage's picture, not a tensor (N, C, H, W)"
    return _image("a stage's picture", image, image.shape[-2:])


def _place(plan: Plan, picture: tuple[int, int]) -> str:
    """What is wrong with where a plan lays a picture (height, width)."""
    place = _whole(plan.place, 2)
    if place is None:
        return f"places the picture at {plan.place!r}, not two whole numbers (top, left)"
    sides = zip(place, picture, plan.size, strict=True)
    if any(start < 0 or start + side > length for start, side, length in sides):
        return f"places the picture at {plan.place!r}, which is not inside the size {plan.size!r}"
    return ""


def _areas(plan: Plan) -> str:
    if plan.areas is None:
        return ""
    if not isinstance(plan.areas, Sequence):
        return f"gives {_kind(plan.areas)} as areas, not windows (top, left, height, width)"
    for area in plan.areas:
        box = _whole(area, 4)
        if box is None:
            return f"plans the area {area!r}, not four whole numbers (top, left, height, width)"
        top, left, height, width = box
        inside = top >= 0 and left >= 0 and height > 0 and width > 0
        if not inside or top + height > plan.size[0] or left + width > plan.size[1]:
            return f"plans the area {box}, which is not inside {plan.size!r}"
    return ""


def _whole(values: Any, count: int) -> tuple[int, ...] | None:
    """So many whole numbers; None where the values are something else."""
    try:
        numbers = tuple(operator.index(value) for value in values)
    except TypeError:
        return None
    return numbers if len(numbers) == count else None


def _condition(answer: Any, arguments: Mapping[str, Any]) -> str:
    import torch

    from restorekit.engine.conditioning import Condition

    if not isinstance(answer, Condition):
        return f"returns {_kind(answer)}, not a restorekit.Condition"
    if not isinstance(answer.numbers, Mapping):
        return f"gives {_kind(answer.numbers)} as numbers, not numbers by name"
    for name, number in answer.numbers.items():
        if not isinstance(number, Real | torch.Tensor):
            return f"gives {_kind(number)} as the number {name!r}"
        if isinstance(number, Real) and not math.isfinite(number):
            return f"gives {number} as the number {name!r}, which is not finite"
    if answer.cell:
        return f"has cells of {answer.cell!r} of its own; its plan says which"
    if not isinstance(answer.t_start, Real) or not 0 < answer.t_start <= 1:
        return f"starts at the time {answer.t_start!r}, not above 0 and at most 1"
    images: dict[str, Any] = {"source": answer.source}
    if answer.concat is not None and answer.concat is not answer.source:
        images["concat"] = answer.concat
    if answer.known is not None:
        if not isinstance(answer.known, tuple) or len(answer.known) != 2:
            return "gives something else than (values, mask) as known pixels"
        images["known values"], images["known mask"] = answer.known
    box = arguments["box"]
    wrong = (_image(name, image, (box.height, box.width)) for name, image in images.items())
    if sentence := next(filter(None, wrong), ""):
        return sentence
    channels = images["known mask"].shape[1] if answer.known else 1
    return "" if channels == 1 else f"gives a known mask of {channels} channels, not of one"


def _image(name: str, value: Any, size: Sequence[int]) -> str:
    """What is wrong with an image (N, C, *size); the device's own memory is not waited for."""
    import torch

    if not isinstance(value, torch.Tensor):
        return f"gives {_kind(value)} as {name}, not a tensor"
    if value.ndim != 4 or tuple(value.shape[-2:]) != tuple(size):
        shape = tuple(value.shape)
        return f"gives {name} of shape {shape}, not (N, C, {size[0]}, {size[1]}) as the window"
    if value.dtype != torch.float32:
        return f"gives {name} as {value.dtype}, not torch.float32"
    if value.device.type == "cpu" and not value.sum().isfinite():
        return f"gives {name} with values that are not finite"
    return ""


def _like(argument: str) -> Callable[[Any, Mapping[str, Any]], str]:
    def check(answer: Any, arguments: Mapping[str, Any]) -> str:
        like = arguments[argument]
        wrong = _image("an image", answer, tuple(like.shape[-2:]))
        if not wrong and answer.shape != like.shape:
            return f"gives an image of shape {tuple(answer.shape)}, not {tuple(like.shape)}"
        return wrong

    return check


def _inputs(answer: Any, arguments: Mapping[str, Any]) -> str:
    import torch

    if answer is None:
        return "is missing or returns nothing; training and evaluation need it"
    if not isinstance(answer, Mapping) or not answer:
        return f"returns {_kind(answer)}, not images by name"
    count = len(arguments["clean"])
    for name, image in answer.items():
        if not isinstance(image, torch.Tensor) or image.ndim != 4 or len(image) != count:
            shape = f" of shape {tuple(image.shape)}" if isinstance(image, torch.Tensor) else ""
            return f"gives {_kind(image)}{shape} as {name!r}, not images ({count}, C, H, W)"
    return ""


def _model_files(answer: Any, arguments: Mapping[str, Any]) -> str:  # noqa: ARG001
    if not isinstance(answer, list):  # a wrapper's
        return f"returns {_kind(answer)}, not a list of files by name"
    for mapping in answer:  # one answer of each plugin that has the hook
        if not isinstance(mapping, Mapping):
            return f"returns {_kind(mapping)}, not files by name"
        for name, path in mapping.items():
            if not isinstance(name, str) or not isinstance(path, Path):
                return f"gives {path!r} as the file of {name!r}, not a pathlib.Path"
    return ""


def _metrics(answer: Any, arguments: Mapping[str, Any]) -> str:  # noqa: ARG001
    from restorekit.metrics.added import Metric
    from restorekit.metrics.protocol import metric_names

    if not isinstance(answer, list):  # a wrapper's
        return f"returns {_kind(answer)}, not a list of metrics"
    for given in answer:
        if not isinstance(given, Iterable) or isinstance(given, Iterator):
            return f"returns {_kind(given)}, not a list of metrics"
        for metric in given:
            if not isinstance(metric, Metric):
                return f"gives {_kind(metric)}, not a restorekit.Metric"
            if metric.name in metric_names():
                return f"gives the metric {metric.name!r}, a name that is restorekit's own"
    return ""


def _samplers(answer: Any, arguments: Mapping[str, Any]) -> str:  # noqa: ARG001
    from restorekit.engine.samplers import Sampler

    if not isinstance(answer, list):  # a wrapper's
        return f"returns {_kind(answer)}, not a list of samplers by name"
    for mapping in answer:
        if not isinstance(mapping, Mapping):
            return f"returns {_kind(mapping)}, not samplers by name"
        for name, sampler in mapping.items():
            if not isinstance(name, str) or not isinstance(sampler, Sampler):
                return f"gives {_kind(sampler)} as the sampler {name!r}, not a restorekit.Sampler"
    return ""


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


_CHECKS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "restorekit_prepare": _plan,
    "restorekit_condition": _condition,
    "restorekit_correct": _like("x0_hat"),
    "restorekit_finish": _like("x0"),
    "restorekit_degrade": _inputs,
    "restorekit_models": _model_files,
    "restorekit_metrics": _metrics,
    "restorekit_samplers": _samplers,
}
