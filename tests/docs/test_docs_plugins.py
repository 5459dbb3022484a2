"""The pages for authors of plugins: nothing is left out of the tutorial, and advice leads somewhere."""

from __future__ import annotations

import re

import pytest
from docs_pages import ROOT, page_blocks

import restorekit
from restorekit import scaffold
from restorekit.testing.examination import LOADING, PROMISES

PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("promise", [LOADING, *PROMISES], ids=lambda promise: promise.name)
def test_what_a_broken_promise_says_to_read_is_there(promise) -> None:
    headings = re.findall(r"^#+ (.+)$", PLUGINS, re.MULTILINE)
    assert promise.read in headings
    assert promise.try_it.__doc__ or promise is LOADING


@pytest.mark.user("J7")
def test_the_tutorial_shows_the_whole_module_in_its_order() -> None:
    module = next(scaffold.MODEL.glob("restorekit_*/__init__.py")).read_text(encoding="utf-8")
    blocks = page_blocks(ROOT / "docs" / "write-a-plugin.md")
    shown = "".join(block.text for block in blocks if block.language == "python")
    task, _, _ = shown.partition("def test_it")
    assert [line for line in task.splitlines() if line] == [x for x in module.splitlines() if x]


def test_the_version_of_the_contract_is_the_one_documented() -> None:
    assert f"`restorekit.SPEC_VERSION`, now {restorekit.SPEC_VERSION}." in PLUGINS
