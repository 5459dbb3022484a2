"""Finds the data of measurements, which is never in the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def data() -> Path:
    folder = Path(os.environ.get("RESTOREKIT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}: set RESTOREKIT_DATA")
    return folder


@pytest.fixture
def lpips_weights(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = data / "weights"
    if not (folder / "lin_alex.safetensors").is_file():
        pytest.skip(f"no LPIPS weights in {folder}")
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(folder))
    return folder


@pytest.fixture(scope="session")
def set14(data: Path) -> Path:
    folder = data / "testsets" / "Set14"
    if not (folder / "HR").is_dir():
        pytest.skip(f"no Set14 in {folder}")
    return folder
