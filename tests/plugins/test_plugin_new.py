"""`restorekit plugins new`: the package it writes works as it stands, under any name."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from distributions import write_metadata
from outer_kit import Run, pixels_of, save

from restorekit.errors import UsageError
from restorekit.metrics import psnr
from restorekit.scaffold import write_package
from restorekit.testing import photograph

FILES = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "restorekit_my_rain/__init__.py",
    "tests/test_my_rain.py",
}


@pytest.fixture
def package(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package of a task my-rain, as the command writes it where one is."""
    monkeypatch.chdir(tmp_path)
    ran = run("plugins", "new", "my-rain")
    assert ran.code == 0, ran.err
    assert "pip install -e restorekit-my-rain" in ran.err
    assert {Path(line).as_posix() for line in ran.out.splitlines()} == {
        f"restorekit-my-rain/{name}" for name in FILES
    }
    return tmp_path / "restorekit-my-rain"


def test_it_is_complete_and_names_nothing_else(package: Path) -> None:
    found = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()}
    assert found == FILES
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*") if path.is_file()]
    assert not any("derain" in text for text in texts)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"restorekit.tasks": {"my-rain": "restorekit_my_rain"}}
    for path in package.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), path, "exec")


@pytest.mark.user("J7")
def test_it_adds_a_command_that_restores(
    package: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    fresh_plugins: Callable[[], None],
) -> None:
    write_metadata(package, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(package)
    fresh_plugins()
    truth = photograph(96, 96, seed=4)
    import restorekit_my_rain  # type: ignore[import-not-found]
    import torch

    clean = torch.from_numpy(truth).permute(2, 0, 1)[None].float() / 127.5 - 1
    rainy = restorekit_my_rain.rained_on(clean, 300, seed=1)
    given = ((rainy[0].permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8)
    photo = save(tmp_path / "photo.png", given)
    ran = run("my-rain", photo, "-o", tmp_path / "out", "--threshold", 30)
    assert ran.code == 0, ran.err
    assert psnr(pixels_of(tmp_path / "out" / "photo.png"), truth) > psnr(given, truth) + 0.5
    ran = run("plugins", "info", "my-rain")
    assert "restorekit-my-rain 0.1.0, restorekit_my_rain" in ran.out
    assert "options      threshold" in ran.out
    assert run("plugins", "new", "my-rain").code == 2


@pytest.mark.slow
@pytest.mark.user("J7")
def test_its_own_tests_pass_and_hold_it_to_the_contract(package: Path, tmp_path: Path) -> None:
    write_metadata(package, tmp_path / "site")
    path = os.pathsep.join([str(tmp_path / "site"), str(package)])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout


@pytest.mark.parametrize(
    "name", ["", "Rain", "my_rain", "2rain", "rain-", "a--b", "for", "../x", "é"]
)
def test_a_name_that_is_no_command_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a command"):
        write_package(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["upscale", "plugins"])
def test_a_name_that_is_taken_is_refused(tmp_path: Path, run: Run, name: str) -> None:
    ran = run("plugins", "new", name, "-o", tmp_path / "out")
    assert ran.code == 2
    assert f"restorekit has the command '{name}' already" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["jpeg", "metrics", "task"])
def test_a_name_that_is_taken_in_python_is_refused(tmp_path: Path, run: Run, name: str) -> None:
    ran = run("plugins", "new", name, "-o", tmp_path / "out")
    assert ran.code == 2
    assert f"restorekit.{name} means something else in Python" in ran.err
    assert not (tmp_path / "out").exists()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        write_package("rain", tmp_path)
    with pytest.raises(UsageError, match="is there already"):
        write_package("rain", tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert len(write_package("rain", tmp_path / "empty")) == len(FILES)
