"""Which file a model's name means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from restorekit import plugins
from restorekit.errors import ModelError


def find(name_or_file: str, hooks: Any = None) -> Path:
    """The file of an installed model's name, or the file itself; ModelError lists the known names.

    hooks: of a loaded task, asked first, so that no other plugin is imported for a task's own model.
    """
    for own in hooks.restorekit_models() if hooks else ():
        if name_or_file in own:
            return _there(name_or_file, own[name_or_file])
    installed, problems = plugins.models()
    if name_or_file in installed:
        return _there(name_or_file, installed[name_or_file])
    path = Path(name_or_file)
    if path.is_file():
        return path
    known = ", ".join(sorted(installed)) or "none"
    text = f"no model or file {name_or_file!r}; installed models: {known}"
    raise ModelError("; ".join([text, *problems]))


def _there(name: str, file: Path) -> Path:
    if not file.is_file():
        raise ModelError(
            f"the plugin of model {name!r} says it is in {file}, where no file is; install it again"
        )
    return file
