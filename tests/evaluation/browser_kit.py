"""A page opened in a headless Chromium, if there is one: what it shows and what goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LOADED = """() => Promise.all([...document.querySelectorAll('.side, .crop')].flatMap((element) =>
  [...getComputedStyle(element).backgroundImage.matchAll(/url\\("(.+?)"\\)/g)].map((found) => {
    const image = new Image();
    image.src = found[1];
    return image.decode().then(() => image.naturalWidth);
  })))"""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The page in a browser; the test is skipped without one. Fails on a message of the console,
    on an error of a script, and on any request beyond the file itself."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    chromium = chromium or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here")
    wrong: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if foreign(request) else None)
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert wrong == []


def foreign(request: Any) -> bool:
    return request.url.partition(":")[0] not in ("file", "data", "blob")


def check_figures(page: Any, count: int) -> None:
    """Pictures load and the slider of the first figure moves what shows."""
    assert page.locator(".case").count() == count
    assert all(width > 0 for width in page.evaluate(LOADED))
    assert len(page.evaluate(LOADED)) >= 4 * count
    pair = page.locator(".pair").first
    slider = page.locator(".slider").first
    pair.scroll_into_view_if_needed()
    slider.evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input')) }")
    only_right = pair.screenshot()
    box = pair.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 1, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, middle, steps=4)
    page.mouse.up()
    assert int(slider.input_value()) > 90
    assert pair.screenshot() != only_right
