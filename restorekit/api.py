"""The Python call of a task, generated from its declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restorekit import plugins
from restorekit.errors import UsageError
from restorekit.jobs.settings import COMMON_OPTIONS, Settings
from restorekit.task import Option, Stage, Task

if TYPE_CHECKING:
    from torch import Tensor


@cache
def task_function(name: str) -> Callable[..., Any]:
    """`restorekit.<name>(image, …, **options)` for an installed task; PluginError otherwise.

    A task's further images follow the picture, each an image or one of the words it knows.
    """
    loaded = plugins.load(name)
    task = loaded.task

    def call(image: Any, *others: Any, **options: Any) -> Any:
        from restorekit import device as devices
        from restorekit.images import from_array, to_like

        companions, words = _companions(task, others, options)
        task.check_given([*_given(task, options), *companions, *words])
        own, common = split_options(task, options | words)
        settings = Settings.of(task, common)
        checked = tuple(sorted(task.check_options(own).items()))
        light = task.linear
        picture = from_array(image, light=light)
        with devices.on_processor():
            seedless = replace(settings, seed=0)  # a seed is no reason to load anything
            restorer = _restorer(name, checked, seedless, _stamp(settings.model))
            result = restorer.seeded(settings.seed)(picture, companions=companions)
        return to_like(result, image, light=light)

    call.__name__ = call.__qualname__ = name.replace("-", "_")
    call.__module__ = "restorekit"
    call.__doc__ = _documentation(task)
    call.__signature__ = _signature(task)  # type: ignore[attr-defined]
    return call


def _given(task: Task, options: Mapping[str, Any]) -> set[str]:
    """The options that say something: of an exclusive group, defaults spelled out say nothing."""
    given = {name for name, value in options.items() if value is not None}
    default = {option.name: option.default for option in task.options}
    spelled = {n for n in given & set(default) if isinstance(options[n], str | float | int)}
    spelled = {name for name in spelled if options[name] == default[name]}
    for group in task.exclusive:
        if spelled.issuperset(given.intersection(group)):
            given = given.difference(group)
    return given


def _companions(
    task: Task, others: tuple[Any, ...], options: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """(the further images as Pictures, the words given instead), taken out of the options too."""
    from restorekit.images import from_array

    if len(others) > len(task.companions):
        at_most = "one image" if not task.companions else f"{1 + len(task.companions)} images"
        raise UsageError(f"{task.name} takes {at_most} at most")
    pictures, words = {}, {}
    for number, companion in enumerate(task.companions):
        name = companion.name
        if number < len(others) and name in options:
            raise UsageError(f"{name} is given twice")
        given = others[number] if number < len(others) else options.pop(name, None)
        if companion.is_word(given):
            words[name] = given
        elif isinstance(given, str):
            raise UsageError(f"{name} {given!r} is no image and no word that {task.name} knows")
        elif given is not None:
            pictures[name] = from_array(_whole(given), light=task.linear)
    return pictures, words


def _whole(image: Any) -> Any:
    """A mask of truth values as one of 0 and 255; other images as they are."""
    kind = str(getattr(image, "dtype", ""))
    if kind == "bool":
        return image.astype("uint8") * 255
    return image.byte() * 255 if kind == "torch.bool" else image


@lru_cache(maxsize=4)
def _restorer(
    name: str,
    options: tuple[tuple[str, Any], ...],
    settings: Settings,
    stamp: object,  # noqa: ARG001 (a part of the key)
) -> Any:
    """A restorer for these options; the last few are kept, since loading a model takes a while.

    stamp: changes with the model's file, so that a file that was replaced is loaded anew.
    """
    from restorekit.jobs.restorer import Restorer

    return Restorer(plugins.load(name), dict(options), settings)


def _stamp(model: str) -> object:
    try:
        file = Path(model).resolve()
        found = file.stat()
    except (OSError, RuntimeError):
        return None
    return file, found.st_size, found.st_mtime_ns


def split_options(task: Task, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the task's own options, the others)."""
    names = {*(option.name for option in task.options), *task.inputs}
    own = {name: value for name, value in given.items() if name in names}
    return own, {name: value for name, value in given.items() if name not in names}


def _signature(task: Task) -> inspect.Signature:
    keyword_only = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
        for option in (*task.options, *COMMON_OPTIONS)
    ]
    image = inspect.Parameter("image", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    others = [
        inspect.Parameter(c.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
        for c in task.companions
    ]
    return inspect.Signature([image, *others, *keyword_only])


def _documentation(task: Task) -> str:
    def line(option: Option) -> str:
        choices = f" One of {', '.join(option.choices)}." if option.choices else ""
        return f"    {option.name}: {option.help}{choices} Default: {option.default}."

    floats = "float, of any height" if task.linear else "float in [0, 1]"
    return "\n".join(
        [
            f"{task.summary}.",
            "",
            f"image: a PIL image, a numpy array (uint8, uint16, or {floats}; (H, W) or "
            "(H, W, C)) or a torch tensor ((H, W), (C, H, W) or (1, C, H, W)). The same kind comes "
            "back.",
            "Raises RestoreError, with one sentence, for anything that cannot be done.",
            "",
            *(f"    {companion.name}: {companion.help}" for companion in task.companions),
            *(line(option) for option in (*task.options, *COMMON_OPTIONS)),
        ]
    )


def restored_stage(stage: Stage, sharp: bool) -> Tensor:
    """(N, 3, h, w): what another task makes of a stage's pictures, (N, 3, h, w) in [−1, 1], by its own
    weights and in a look, where it has two."""
    import torch

    options = dict(stage.options)
    if "sharp" in plugins.load(stage.task).task.looks:
        options["fidelity"] = 0.0 if sharp else 1.0
    restore = task_function(stage.task)
    pictures = (stage.inputs["image"] + 1).div_(2).clamp_(0, 1)
    return torch.stack([restore(picture, **options) for picture in pictures]).mul_(2).sub_(1)
