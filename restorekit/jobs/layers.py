"""What a picture's own file holds beside it: layers, by the task's names, and how it was coded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from restorekit.images import Picture, exr_pictures
from restorekit.images.exr_layers import PREFIX
from restorekit.images.jpeg import quality_of
from restorekit.task import Task


def chosen_layers(picture: Picture, task: Task, options: Mapping[str, Any]) -> Picture:
    """The picture and its passes in the layers that a person named: the option `layer` of a task that
    has one, and `layer:NAME` for one of its companions. Raises UsageError."""
    words = {c.name: str(options.get(c.name) or "") for c in task.companions}
    passes = {
        name: word.removeprefix(PREFIX) for name, word in words.items() if word.startswith(PREFIX)
    }
    return exr_pictures.chosen(picture, str(options.get("layer") or ""), passes)


def said(picture: Picture) -> dict[str, Any]:
    """What its file says of a picture, as `restorekit_prepare` is told it."""
    coding = picture.metadata.jpeg
    return {} if coding is None else {"jpeg_quality": quality_of(coding)}


def passes(picture: Picture, task: Task) -> dict[str, Picture]:
    """The passes of the picture's own file that the task takes, by name."""
    taken = {companion.name for companion in task.companions}
    return {
        name: Picture(planes, depth=32) for name, planes in picture.passes.items() if name in taken
    }


def with_light_passes(
    picture: Picture,
    result: Picture,
    options: Mapping[str, Any],
    restore: Callable[[Picture], Picture],
) -> Picture:
    """The result; for the option `passes`, with the light passes of its file restored as well."""
    wanted = options.get("passes")
    return exr_pictures.with_light_passes(picture, result, restore) if wanted else result
