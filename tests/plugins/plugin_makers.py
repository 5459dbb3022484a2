"""Distributions made by hand: a module, a dist-info folder, entry points; as pip would leave them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEADER = '''"""A task for tests."""

import restorekit as rk

hookimpl = rk.hookimpl


@hookimpl
def restorekit_task():
    return rk.Task(name={name!r}, summary="A task for tests", model="tiny")
'''
PREPARE = """

@hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    return rk.Plan(tuple(2 * side for side in image.shape[-2:]), {}, image)
"""
CONDITION = """

@hookimpl
def restorekit_condition(plan, box):
    source = rk.resample(plan.state, plan.size, box)
    return rk.Condition(source, source, {"scale": 1.0, "noise": 0.0})
"""


def task_code(name: str, *others: str, prepare: str = PREPARE, condition: str = CONDITION) -> str:
    """A whole task plugin; parts may be replaced or added."""
    return "".join([HEADER.format(name=name), prepare, condition, *others])


def hook(name: str, arguments: str, body: str, marker: str = "hookimpl") -> str:
    """The text of one hook."""
    return f"\n\n@{marker}\ndef {name}({arguments}):\n    {body}\n"


class Installer:
    """Distributions in a folder on the path; each test has its own."""

    def __init__(self, folder: Path, forget: Callable[[], None]) -> None:
        self.folder, self.forget = folder, forget

    def __call__(
        self,
        name: str,
        code: str,
        *,
        group: str = "restorekit.tasks",
        distribution: str = "",
        version: str = "1.2.3",
        module: str = "",
        target: str = "",
        entry_points: str = "",
    ) -> str:
        """Install one plugin; how messages name it."""
        distribution = distribution or f"rk-{name}"
        module = module or f"rk_test_{distribution}_{name}".replace("-", "_")
        (self.folder / f"{module}.py").write_text(code, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        listed = entry_points or f"[{group}]\n{name} = {target or module}\n"
        with (info / "entry_points.txt").open("a") as file:
            file.write(listed)
        self.forget()
        kind = "add-on of " if group.endswith("addons") else ""
        return f"{name} ({kind}{distribution} {version})"


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> Installer:
    """Installs plugins for one test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("rk_test_")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        fresh_plugins()

    forget()
    return Installer(folder, forget)
