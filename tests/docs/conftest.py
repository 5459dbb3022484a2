"""The example plugins as if they were installed, and a folder with pictures to run commands in."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from docs_pages import EXAMPLE, RECIPES, ROOT
from PIL import Image

from restorekit import api, plugins, scaffold

sys.path.insert(0, str(ROOT / "tests" / "plugins"))
from distributions import write_metadata


@pytest.fixture
def example(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The folder of the example plugin, installed beside the one that `plugins new` writes."""
    site = tmp_path_factory.mktemp("site")
    for package in (EXAMPLE, scaffold.MODEL):
        write_metadata(package, site)
        monkeypatch.syspath_prepend(package)
    monkeypatch.syspath_prepend(site)
    _forget()
    yield EXAMPLE
    monkeypatch.undo()
    _forget()


@pytest.fixture
def recipes(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The name of each recipe's task by its file's; all of them installed."""
    site = tmp_path_factory.mktemp("site")
    named = {
        path.stem: re.findall(r'rk\.Task\("([^"]+)"', path.read_text(encoding="utf-8"))[0]
        for path in sorted(RECIPES.glob("*.py"))
    }
    record = site / "cookbook-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: cookbook\nVersion: 1.0\n")
    lines = "".join(f"{task} = {module}\n" for module, task in named.items())
    (record / "entry_points.txt").write_text(f"[restorekit.tasks]\n{lines}")
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(RECIPES)
    _forget()
    yield named
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
        picture.save(tmp_path / name, quality=95)  # as cameras do: nothing to clean first
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff and nothing more")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path
