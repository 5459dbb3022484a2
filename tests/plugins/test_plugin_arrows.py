"""Import arrows: who may know whom, read from the import statements of the whole tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from outer_kit import REPOSITORY

import restorekit
from restorekit import plugins
from restorekit.cli.group import BUILT_IN
from restorekit.jobs.settings import COMMON_OPTIONS
from restorekit.task import RESERVED_OPTIONS

PACKAGE = REPOSITORY / "restorekit"
SCAFFOLD = PACKAGE / "scaffold" / "derain"  # a plugin as anyone's, which imports what is public
SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if not path.is_relative_to(SCAFFOLD)]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, whether at once, later, or for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            if module == "restorekit":
                found |= {f"restorekit.{alias.name}" for alias in node.names}
            else:
                found.add(module)
    return found


def files(part: str) -> list[Path]:
    place = PACKAGE / part
    own = [path for path in SOURCES if path.is_relative_to(place)]
    return own if place.is_dir() else [place.with_suffix(".py")]


ALLOWED: dict[str, set[str]] = {
    # part: what its files may import beside themselves
    "errors": set(),
    "task": {"errors"},
    "device": {"errors"},
    "engine": {"errors"},
    "degradations": {"engine"},
    "images": {"errors"},
    "metrics": {"errors"},
    "contract": {"errors", "task", "engine", "metrics"},
    "hookspecs": {"errors", "task", "engine", "metrics"},
    "listing": set(),
    "plugins": {"errors", "task", "hookspecs", "contract", "device", "listing"},
    "models": {"errors", "engine", "plugins"},
    "jobs": {"errors", "task", "plugins", "device", "engine", "images", "models"},
    "api": {"errors", "task", "plugins", "device", "jobs", "images"},
    "evaluation": {"errors", "engine", "images", "jobs", "metrics"},
    "report": {"errors"},
    "scaffold": {"errors"},
    "testing": {
        *("errors", "task", "device", "plugins", "engine", "images", "jobs", "metrics"),
        "evaluation",
    },
    "training": {"errors", "task", "device", "engine", "images", "metrics", "models"},
}
FOREIGN = {"images": {"torch", "cv2"}, "engine": {"numpy", "PIL", "cv2"}, "metrics": {"cv2"}}


@pytest.mark.parametrize("part", ALLOWED)
def test_nobody_imports_against_the_arrows(part: str) -> None:
    for path in files(part):
        for name in imports(path):
            words = name.split(".")
            if words[0] == "restorekit" and len(words) > 1 and words[1] != "__version__":
                assert words[1] in {part, *ALLOWED[part]}, f"{path} imports {name}"
            assert words[0] not in FOREIGN.get(part, ()), f"{path} imports {name}"


def test_every_part_has_its_arrows() -> None:
    parts = {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")
    }
    assert parts == {*ALLOWED, "cli", "__main__", "__init__"}


def test_nobody_imports_the_command_line_or_a_plugin() -> None:
    for path in SOURCES:
        for name in imports(path):
            inside = path.relative_to(PACKAGE).parts[0] in ("cli", "__main__.py")
            assert inside or not name.startswith("restorekit.cli"), f"{path} imports {name}"
            assert not name.startswith(("restorekit_", "benchmarks")), f"{path} imports {name}"
            assert name.split(".")[0] != "torchvision", path


def folder_of_scaffold(path: Path) -> bool:
    return path.is_relative_to(SCAFFOLD)


@pytest.mark.user("J6")
def test_first_party_plugins_use_only_what_is_exported() -> None:
    folders = [
        *(REPOSITORY / "plugins").glob("*/restorekit_*"),
        *(REPOSITORY / "docs").glob("examples/*"),
        SCAFFOLD / "restorekit_derain",
    ]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    assert paths
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        own = "derain" if folder_of_scaffold(path) else path.relative_to(REPOSITORY).parts[2]
        for name in imports(path):
            ours = name.split(".")
            if ours[0] == "restorekit" and len(ours) > 1:
                assert ours[1] in restorekit.__all__, f"{path} imports {name}"
            assert not ours[0].startswith("restorekit_") or own in (ours[0], ours[0].split("_")[1])
        aliases = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name == "restorekit"
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                known = node.value.id not in aliases or node.attr in restorekit.__all__
                assert known, f"{path} uses restorekit.{node.attr}"


def test_what_is_exported_is_there_and_sorted() -> None:
    for name in restorekit.__all__:
        assert getattr(restorekit, name) is not None
    upper = [n for n in restorekit.__all__ if n.isupper()]
    assert upper == sorted(upper)
    assert len(set(restorekit.__all__)) == len(restorekit.__all__)
    assert set(restorekit._HOMES) <= set(restorekit.__all__)


def test_reserved_names_are_those_in_use() -> None:
    assert set(BUILT_IN) == plugins.COMMANDS
    assert {option.name for option in COMMON_OPTIONS} <= RESERVED_OPTIONS


def test_files_are_short() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
