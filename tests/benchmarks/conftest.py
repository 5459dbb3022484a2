"""The modules of benchmarks/, imported by their names for one test and forgotten after it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
for part in ("jobs", "evaluation"):
    sys.path.insert(0, str(ROOT / "tests" / part))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    folder = ROOT / "benchmarks"
    if not folder.is_dir():
        pytest.skip("no benchmarks beside the tests")
    names = {path.stem for path in folder.glob("*.py")}
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module
    for name in names & set(sys.modules):
        del sys.modules[name]
