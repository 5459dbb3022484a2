"""The metadata, the versions known to work, and the scripts that make and check things."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib

import pytest
from docs_pages import ROOT
from packaging.requirements import Requirement

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements() -> list[Requirement]:
    every = [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]
    return [r for r in map(Requirement, every) if r.name != "restorekit"]


@pytest.mark.user("A4")
@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_requirements_are_lower_bounds_only(requirement: Requirement) -> None:
    assert [s.operator for s in requirement.specifier] == [">="]


@pytest.mark.user("A1")
def test_neither_torchvision_nor_lpips_is_needed() -> None:
    needed = {Requirement(line).name for line in [*PROJECT["dependencies"], *EXTRAS["dev"]]}
    assert not needed & {"torchvision", "lpips", "basicsr"}


def test_constraints_name_a_version_of_each_requirement() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert list(pinned) == sorted(pinned)
    for requirement in requirements():
        if requirement.name != "lpips":  # brings torchvision, and is in no set-up of ours
            assert requirement.name in pinned, requirement.name
            assert requirement.specifier.contains(pinned[requirement.name]), requirement


@pytest.mark.user("A3")
@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_install_command_is_the_one_without_cuda(page: str) -> None:
    commands = re.findall(r"^pip .+$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[0] == "pip install torch --index-url https://download.pytorch.org/whl/cpu"


def test_first_party_tasks_are_packed() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packed = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    modules = {folder.rsplit("/", 1)[-1] for folder in packed}
    assert set(PROJECT["entry-points"]["restorekit.tasks"].values()) <= modules


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_ci_run_is_a_script() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
@pytest.mark.parametrize("target", ["demo", "test", "lint", "docs", "pages", "bench", "clean"])
def test_make_has_its_targets(target: str) -> None:
    found = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
