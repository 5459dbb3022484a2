"""The example plugin as if it were installed, and a folder with pictures to run commands in."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from docs_pages import EXAMPLE
from PIL import Image

from restorekit import api, plugins


@pytest.fixture
def example(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The folder of the example plugin, installed: its metadata are those of its pyproject.toml."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path_factory.mktemp("site")
    record = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (record / "entry_points.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(EXAMPLE)
    _forget()
    yield EXAMPLE
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    plugins.listings.cache_clear()
    api.task_function.cache_clear()


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with photo.jpg and photos/: two pictures, a broken one, another file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "trip").mkdir(parents=True)
    column, row = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 40))
    waves = np.stack([column, row, 0.5 + 0.5 * np.sin(30 * column * row)], 2)
    picture = Image.fromarray((waves * 255).astype(np.uint8))
    for name in ("photo.jpg", "photos/first.jpg", "photos/trip/second.png"):
        picture.save(tmp_path / name)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path
