"""Every Python block of the documentation runs; the blocks of a page share their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_pages import EXAMPLE, PAGES, ROOT, page_blocks

WITH_CODE = [
    page for page in PAGES if any(block.language == "python" for block in page_blocks(page))
]


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_runs(page: Path) -> None:
    names = {
        "__name__": "documentation",
        "__file__": str(EXAMPLE / "restorekit_dejpeg/__init__.py"),
    }
    for block in page_blocks(page):
        if block.language == "python":
            try:
                exec(compile(block.text, str(block), "exec"), names)
            except Exception as error:
                pytest.fail(f"{block}: {type(error).__name__}: {error}")


def test_there_is_code_to_run() -> None:
    assert {page.name for page in WITH_CODE} >= {"README.md", "python.md", "plugins.md"}


def test_the_readme_shows_the_example_as_it_is() -> None:
    code = (EXAMPLE / "restorekit_dejpeg" / "__init__.py").read_text(encoding="utf-8")
    shown = [b.text for b in page_blocks(ROOT / "README.md") if b.language == "python"]
    assert code in shown
