"""The Python call of a task, generated from its declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from restorekit import plugins
from restorekit.jobs.settings import COMMON_OPTIONS, Settings
from restorekit.task import Option, Task


@cache
def task_function(name: str) -> Callable[..., Any]:
    """`restorekit.<name>(image, **options)` for an installed task; PluginError otherwise."""
    loaded = plugins.load(name)
    task = loaded.task

    def call(image: Any, **options: Any) -> Any:
        from restorekit.images import from_array, to_like

        own, common = split_options(task, options)
        settings = Settings.of(task, common)
        checked = tuple(sorted(task.check_options(own).items()))
        restorer = _restorer(name, checked, settings, _stamp(settings.model))
        return to_like(restorer(from_array(image)), image)

    call.__name__ = call.__qualname__ = name.replace("-", "_")
    call.__module__ = "restorekit"
    call.__doc__ = _documentation(task)
    call.__signature__ = _signature(task)  # type: ignore[attr-defined]
    return call


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
    names = {option.name for option in task.options}
    own = {name: value for name, value in given.items() if name in names}
    return own, {name: value for name, value in given.items() if name not in names}


def _signature(task: Task) -> inspect.Signature:
    keyword_only = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default)
        for option in (*task.options, *COMMON_OPTIONS)
    ]
    image = inspect.Parameter(task.inputs[0], inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([image, *keyword_only])


def _documentation(task: Task) -> str:
    def line(option: Option) -> str:
        choices = f" One of {', '.join(option.choices)}." if option.choices else ""
        return f"    {option.name}: {option.help}{choices} Default: {option.default}."

    return "\n".join(
        [
            f"{task.summary}.",
            "",
            "image: a PIL image, a numpy array (uint8, uint16, or float in [0, 1]; (H, W) or "
            "(H, W, C)) or a torch tensor ((C, H, W) or (1, C, H, W)). The same kind comes back.",
            "Raises RestoreError, with one sentence, for anything that cannot be done.",
            "",
            *(line(option) for option in (*task.options, *COMMON_OPTIONS)),
        ]
    )
