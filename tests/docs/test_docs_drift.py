"""What the documentation says of the code is what the code says of itself."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT

import restorekit
from restorekit import PATHS, SAMPLERS, hookspecs

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def constraint(name: str) -> str:
    found = re.search(rf"^{name}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_generated_parts_are_up_to_date() -> None:
    if importlib.metadata.version("click") != constraint("click"):
        pytest.skip("another click, which words its help differently")
    found = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, f"{found.stdout}{found.stderr}; run: make pages"


@pytest.mark.user("J1")
def test_every_hook_is_documented_with_its_signature() -> None:
    text = page("plugins.md")
    specified = {n: f for n, f in vars(hookspecs).items() if n.startswith("restorekit_")}
    assert re.findall(r"^### (restorekit_\w+)$", text, re.MULTILINE) == list(specified)
    for name, function in specified.items():
        parameters = list(inspect.signature(function).parameters)
        shown = re.search(rf"^{name}\((.*)\) -> ", text, re.MULTILINE)
        assert shown, name
        assert re.findall(r"(\w+): ", shown[1]) == parameters


def test_every_public_name_is_documented() -> None:
    text = page("python.md") + page("plugins.md")
    for name in restorekit.__all__:
        if name != "__version__":
            assert re.search(rf"\b{name}\b", text), f"{name} is in no page"


@pytest.mark.parametrize("name", [*PATHS, *SAMPLERS])
def test_every_path_and_sampler_has_its_row(name: str) -> None:
    assert f"| `{name}` |" in page("method.md")


def test_rows_name_nothing_else() -> None:
    named = set(re.findall(r"^\| `([^`]+)` \|", page("method.md"), re.MULTILINE))
    assert named == {*PATHS, *SAMPLERS}


def test_what_guards_against_complaints_names_known_ones() -> None:
    known = set(re.findall(r"^\| ([A-M]\d+) \|", page("design/users.md"), re.MULTILINE))
    used = set()
    for file in (ROOT / "tests").rglob("*.py"):
        used |= set(re.findall(r'mark\.user\("(\w+)"\)', file.read_text(encoding="utf-8")))
    assert used <= known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r": ([\w/-]+\.md)$", menu, re.MULTILINE))
    assert listed == {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")}
