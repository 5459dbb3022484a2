"""The page of results: one file, in words and in a browser."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser_kit import check_figures, opened
from outer_kit import noise
from PIL import Image

from restorekit.report import Figure, Point, Section, page, plot

NASTY = '<script>alert("x")</script>\'&'
VOID = {"meta", "link", "img", "input", "br"}


class Structure(HTMLParser):
    """Every tag is closed in its order; attributes by tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def figure(title: str = "one", **others: np.ndarray) -> Figure:
    truth = noise(90, 120)
    worse = truth.copy()
    worse[60:80, 70:100] = 255 - worse[60:80, 70:100]
    return Figure(
        title, {"truth": truth, "worse": worse, "flat": truth // 2}, "worse", "flat", "truth"
    )


def test_a_page_is_well_formed_and_has_each_picture_once() -> None:
    text = page("t", "lead", [Section("h", [["", "a"], ["x", "1"]], "", [figure()])], {"k": "v"})
    found = Structure(text)
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["truth", "worse", "flat"]
    assert text.count("data:image/webp;base64,") == 3
    assert {tag for tag, _ in found.tags} >= {"select", "input", "table", "h2"}
    sliders = [a for t, a in found.tags if t == "input" and a["type"] == "range"]
    assert sliders[0]["aria-label"]


def test_crops_begin_where_the_pictures_differ_most() -> None:
    text = page("t", "", [Section("", figures=[figure()])], {})
    place = re.search(r'data-x="(\d+)" data-y="(\d+)"', text)
    assert place
    truth = noise(90, 120)
    moved = truth.copy()
    moved[5:15, 100:110] ^= 255
    corner = Figure("c", {"a": truth, "b": moved}, "a", "b")
    text = page("t", "", [Section("", figures=[corner])], {})
    place = re.search(r'data-x="(\d+)" data-y="(\d+)"', text)
    assert place
    assert abs(int(place[1]) - 105) <= 32
    assert abs(int(place[2]) - 10) <= 32


def test_large_pictures_are_cut_around_that_place() -> None:
    a = np.zeros((40, 2000, 3), np.uint8)
    b = a.copy()
    b[:, 1500:1510] = 255
    text = page("t", "", [Section("", figures=[Figure("w", {"a": a, "b": b}, "a", "b")])], {})
    assert 'width="768" height="40"' in text
    place = re.search(r'data-x="(\d+)"', text)
    assert place
    assert abs(int(place[1]) - 384) <= 32


def test_a_page_escapes_what_it_shows() -> None:
    pixels = noise(4, 5)
    shown = Figure(NASTY, {NASTY: pixels}, NASTY, NASTY, NASTY)
    graph = plot([Point(NASTY, 1, 2), Point("b", 2, 3, NASTY, NASTY)], NASTY, NASTY)
    text = page(NASTY, NASTY, [Section(NASTY, [[NASTY]], graph, [shown])], {NASTY: NASTY})
    assert NASTY not in text
    assert 'alert("x")' not in text
    Structure(text)


def test_choices_keep_the_spaces_of_a_name() -> None:
    """A script finds pictures by the chosen value, from which browsers take runs of spaces."""
    name, pixels = "two  spaces ", noise(4, 5)
    text = page("t", "", [Section("", figures=[Figure("f", {name: pixels}, name, name)])], {})
    values = [a["value"] for tag, a in Structure(text).tags if tag == "option"]
    assert values == [name, name]


def test_points_stand_where_their_scores_are() -> None:
    points = [Point("a", 20, 0.5), Point("b", 30, 0.1, "c"), Point("d", 25, 0.3, "c")]
    text = plot(points, "dB", "LPIPS")
    Structure(text)
    places = [
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)
    ]
    (ax, ay), (bx, by), (dx, dy) = places
    assert (ax + bx) / 2 == pytest.approx(dx, abs=0.1)
    assert (ay + by) / 2 == pytest.approx(dy, abs=0.1)
    assert ay < dy < by  # less is lower down
    line = re.search(r'<polyline points="([^"]+)"', text)
    assert line
    assert line[1] == f"{bx:.1f},{by:.1f} {dx:.1f},{dy:.1f}"
    labels = [float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)">[abd]<', text)]
    assert len(labels) == 3


def test_labels_stand_apart_and_too_few_points_are_no_plot() -> None:
    points = [Point(name, 1 + 1e-3 * i, 2.0) for i, name in enumerate("abcd")]
    heights = [float(y) for y in re.findall(r'y="([\d.]+)">[abcd]<', plot(points, "x", "y"))]
    assert np.diff(sorted(heights)).min() >= 12.9
    assert plot(points[:1], "x", "y") == ""
    assert plot([points[0], Point("e", float("inf"), 1)], "x", "y") == ""


def test_in_a_browser_sliders_move_and_pictures_load(tmp_path: Path) -> None:
    graph = plot([Point("a", 20, 0.5), Point("b", 30, 0.1, "c")], "dB", "LPIPS")
    sections = [Section("h", [["", "a"], ["x", "1"]], graph, [figure("one"), figure("two")])]
    (tmp_path / "page.html").write_text(page("t", "lead", sections, {"k": "v"}), encoding="utf-8")
    with opened(tmp_path / "page.html") as shown:
        check_figures(shown, 2)
        pair = shown.locator(".pair").first
        before = pair.screenshot()
        shown.locator(".right").first.select_option("truth")
        shown.locator(".left").first.select_option("truth")
        assert pair.screenshot() != before
        shown.locator(".errors").first.check()
        assert black(pair.screenshot())  # the truth's errors against itself
        crop = shown.locator(".crop").nth(1)
        here = crop.screenshot()
        box = pair.bounding_box()
        shown.mouse.move(box["x"] + 2, box["y"] + 2)
        assert crop.screenshot() != here


def black(png: bytes) -> bool:
    """Whether nothing shows but the slider's own line; the page's edges may lie on half pixels."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("L"))[2:-2]
    away = np.abs(np.arange(pixels.shape[1]) - pixels[0].argmax()) > 12
    return bool(pixels[:, away].max() < 3)


def test_without_scripts_every_picture_is_in_the_page() -> None:
    text = page("t", "", [Section("", figures=[figure()])], {})
    assert ".js .store { display: none }" in text
    assert ".pair, .crops, .case label { display: none }" in text
