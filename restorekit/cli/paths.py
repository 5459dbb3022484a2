"""Paths as commands take them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class Place(click.Path):
    """A path that names something: an empty one, as a variable that is not set makes in a script,
    would mean the current folder, and is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; click's BadParameter where it is empty."""
        if not os.fspath(value):
            self.fail("the path is empty and names nothing", param, ctx)
        return super().convert(value, param, ctx)


PLACE = Place(path_type=Path)
