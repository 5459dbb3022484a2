"""Every complaint of docs/design/users.md has a test or a line that says why not; nothing else has."""

from __future__ import annotations

import ast
import csv
import os
import re
import subprocess
import sys
from pathlib import Path

from outer_kit import REPOSITORY

TESTS = REPOSITORY / "tests"
PAGE = REPOSITORY / "docs" / "design" / "users.md"
COMPLAINTS = REPOSITORY / "docs" / "complaints.md"
LEAST = 85


def listed() -> dict[str, str]:
    """id → the complaint in five words, of the repository's own list."""
    with (TESTS / "users" / "rows.csv").open(newline="", encoding="utf-8") as file:
        return {row["id"]: row["complaint"] for row in csv.DictReader(file)}


def marked() -> dict[str, set[str]]:
    """id → the tests marked with it, as the source says; nothing is imported."""
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for name in filter(None, map(complaint, node.decorator_list)):
                    found.setdefault(name, set()).add(f"{path.name}::{node.name}")
    return found


def complaint(decorator: ast.expr) -> str:
    """The id of `@pytest.mark.user("B5")`; "" of any other decorator."""
    is_call = isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute)
    if not is_call or decorator.func.attr != "user":
        return ""
    (argument,) = decorator.args
    assert isinstance(argument, ast.Constant)
    return str(argument.value)


def section(title: str) -> dict[str, str]:
    """id → text, of the table below a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([A-M]\d+) \| (.+) \|$", text, re.MULTILINE))


def test_the_list_is_that_of_the_page() -> None:
    groups = PAGE.read_text(encoding="utf-8").partition("\n## Without a test")[0]
    assert list(listed()) == re.findall(r"^\| ([A-M]\d+) \|", groups, re.MULTILINE)
    assert len(listed()) == 97
    for name, words in listed().items():
        assert 3 < len(words.split()) < 6, name


def test_every_row_has_a_test_or_a_line() -> None:
    tested, untested = marked(), section("Without a test")
    assert set(tested) <= set(listed())
    assert set(listed()) == set(tested) | set(untested)
    both = sorted(set(tested) & set(untested))
    assert not both, f"tested now: take their lines out of docs/design/users.md: {both}"
    assert len(tested) >= LEAST
    assert all(len(line) > 40 for line in untested.values())


def test_what_is_done_instead_is_of_rows_that_have_tests() -> None:
    instead = section("Done another way")
    assert instead
    assert set(instead) <= set(marked())


def test_the_most_frequent_complaints_are_guarded() -> None:
    rows = re.findall(r"^\| ([A-M]\d+) \|", COMPLAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len(set(rows)) == 15
    assert set(rows) <= set(marked())


def test_a_run_ends_with_the_table(tmp_path: Path) -> None:
    """Of a test that passes, one that fails and one that is skipped."""
    (tmp_path / "test_three.py").write_text(
        "import pytest\n"
        "@pytest.mark.user('B5')\n@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_one(n): pass\n"
        "@pytest.mark.user('B4')\n@pytest.mark.user('B5')\ndef test_two(): assert not 1\n"
        "@pytest.mark.user('A1')\ndef test_three(): pytest.skip('not here')\n"
        "@pytest.mark.user('A2')\ndef test_four(): pass\n"
        "def test_unmarked(): assert not 1\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-m", "user", "-p", "conftest", "-p"]
    command += ["no:cacheprovider", "--rootdir", str(tmp_path), "test_three.py"]
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = user(id): a complaint\n")
    found = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    rows = {line[:4].strip(): line for line in found.stdout.splitlines()}
    assert rows["B5"].split("  ")[-1] == "1 failed, 2 passed"
    assert "EXIF, IPTC and XMP vanish" in rows["B5"]
    assert "test_three.py::test_one (+1)" in rows["B5"]
    assert rows["B4"].endswith("test_three.py::test_two  1 failed")
    assert rows["A1"].endswith("test_three.py::test_three  1 skipped")
    assert rows["A2"].endswith("test_three.py::test_four  1 passed")
    assert rows["L1"].endswith("no test: see docs/design/users.md")
    assert "complaints about other tools: 1 of 97 guarded by tests that passed here" in found.stdout
