"""A package folder as if it were installed: its metadata are those of its pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path


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
