"""A package folder as if it were installed: its metadata are those of its pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def write_metadata(package: Path, site: Path) -> str:
    """The dist-info folder of a package in `site`; the distribution's name and version."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"], project["version"]
    record = site / f"{name.replace('-', '_')}-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{entry} = {target}" for entry, target in entries.items())]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return f"{name} {version}"


def installed(
    package: Path, site: Path, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]
) -> Iterator[None]:
    """A fixture's body: the package, as if its wheel were installed."""
    write_metadata(package, site)
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(package)
    forget()
    yield
    monkeypatch.undo()
    forget()
