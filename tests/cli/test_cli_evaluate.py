"""`restorekit evaluate` and `restorekit demo`: scores with their protocols, and a page of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, noise, save, tree


@pytest.fixture
def evaluate(run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`restorekit evaluate upscale` by 2 with the tiny model; without LPIPS's weights."""
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))

    def call(*arguments: object) -> Any:
        scaled = [] if "--scale" in arguments else ["--scale", 2]
        return run("evaluate", "upscale", *scaled, "--model", model, *arguments)

    return call


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    for number in range(3):
        save(tmp_path / "clean" / f"p{number}.png", noise(64, 50, seed=number))
    return tmp_path / "clean"


@pytest.mark.user("K2")
@pytest.mark.user("K4")
@pytest.mark.user("K6")
@pytest.mark.user("K7")
def test_scores_come_with_protocols_intervals_and_machine(
    evaluate: Run, clean: Path, tmp_path: Path
) -> None:
    target, page = tmp_path / "new" / "scores.json", tmp_path / "new" / "page.html"
    ran = evaluate("--data", clean, "--json", target, "--report", page)
    assert ran.code == 0, ran.err
    for word in ("psnr-y", "ssim-y", "bicubic", "lanczos", "faithful", "sharp", "±"):
        assert word in ran.out
    assert "not run: lpips: " in ran.err
    scores = json.loads(target.read_text(), parse_constant=pytest.fail)
    assert scores["cases"] == ["p0", "p1", "p2"]
    assert set(scores["methods"]) == {"bicubic", "lanczos", "faithful", "sharp"}
    names = [protocol["name"] for protocol in scores["protocols"]]
    assert names == ["psnr-y", "psnr", "ssim-y"]
    assert scores["protocols"][0]["border"] == 2
    assert scores["protocols"][0]["implementation"]
    assert scores["not_run"][0].startswith("lpips: ")
    assert {"processor", "python", "torch", "numpy", "threads"} <= set(scores["machine"])
    row = scores["methods"]["faithful"]["psnr-y"]
    assert len(row["values"]) == 3
    low, high = row["interval_95"]
    assert low <= row["mean"] <= high
    assert row["mean"] == pytest.approx(np.mean(row["values"]), abs=1e-3)
    assert scores["task"] == "upscale"
    assert scores["options"]["scale"] == 2
    assert scores["degradation"] == {"degradation": "clean"}
    assert scores["weights"]["name"] == "tiny"
    assert len(scores["weights"]["sha256"]) == len(scores["data_sha256"]) == 64
    check_page(page.read_text(), 3 * (1 + 4))


def check_page(text: str, pictures: int) -> None:
    """One file that fetches nothing, with so many pictures in it."""
    assert text.count("data:image/webp;base64,") == pictures
    rest = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.search(r"https?:|src=\"[^\"]|@import|<link(?! rel=\"icon\" href=\"data:)", rest)
    assert re.findall(r"url\(.{2}", rest) == ["url(${"]  # a blob of the page's own
    assert "<script>" in text
    assert 'type="range"' in text


def test_given_inputs_are_scored(evaluate: Run, clean: Path, tmp_path: Path) -> None:
    for path in sorted(clean.iterdir()):
        save(tmp_path / "low" / path.name, noise(32, 25, seed=int(path.stem[1])))
    ran = evaluate("--data", clean, "--inputs", tmp_path / "low", "--looks", "faithful")
    assert ran.code == 0, ran.err
    assert "sharp" not in ran.out
    save(tmp_path / "low" / "other.png")
    ran = evaluate("--data", clean, "--inputs", tmp_path / "low")
    assert ran.code == 2
    assert "other.png" in ran.err


def test_the_wrong_scale_for_given_inputs_is_told(
    evaluate: Run, clean: Path, tmp_path: Path
) -> None:
    """Else the scores would be those of pictures laid over each other askew."""
    save(tmp_path / "low" / "p0.png", noise(32, 25))
    ran = evaluate("--data", clean, "--inputs", tmp_path / "low", "--scale", "4")
    assert ran.code == 2
    assert "100 x 128" in ran.err
    assert "--scale" in ran.err


@pytest.mark.parametrize("scale", ["1.5", "3", "0.5", "1"])
def test_every_scale_can_be_scored(evaluate: Run, clean: Path, tmp_path: Path, scale: str) -> None:
    """Also one that does not divide the sides, and one that loses nothing: its PSNR is infinite."""
    target = tmp_path / "scores.json"
    ran = evaluate("--data", clean, "--scale", scale, "--metrics", "psnr", "--json", target)
    assert ran.code == 0, ran.err
    scores = json.loads(target.read_text(), parse_constant=pytest.fail)
    if scale == "1":
        assert scores["methods"]["bicubic"]["psnr"]["mean"] is None


WRONG = [
    (["--metrics", "psnr,beauty"], "'beauty'"),
    (["--against", "nearest"], "'nearest'"),
    (["--looks", "faithful,pretty"], "'pretty'"),
    (["--scale", "0"], "--scale"),
    (["--scale", "nan"], "--scale"),
    (["--scale", "90"], "--scale"),
    (["--device", "nonsense"], "--device"),
    (["--degradation", "rain"], "'rain'"),
    (["--degrade", "sigma"], "NAME=VALUE"),
    (["--degrade", "sigma=25"], "'sigma'"),
    (["--size", "20x20"], "20 x 20"),
    (["--metrics", "seam"], "mask"),
    (["--metrics", ""], "--metrics names none"),
    (["--fidelity", "2"], "--fidelity"),
    (["--steps", "many"], "--steps"),
    (["--data", "/nowhere/at/all"], "/nowhere/at/all"),
]


@pytest.mark.parametrize(("given", "word"), WRONG)
def test_wrong_options_are_told(evaluate: Run, clean: Path, given: list[str], word: str) -> None:
    ran = evaluate("--data", clean, *given)
    assert ran.code == 2
    assert word in ran.err
    assert len([line for line in ran.err.splitlines() if line]) == 1


def test_a_picture_too_small_for_the_scale_or_a_metric_is_named(evaluate: Run, clean: Path) -> None:
    save(clean / "tiny.png", noise(9, 9))
    for given in (["--scale", "16"], ["--metrics", "ssim-y", "--scale", "3"]):
        ran = evaluate("--data", clean, *given)
        assert ran.code == 2, ran.out
        assert "tiny" in ran.err


def test_a_bad_picture_is_named(evaluate: Run, clean: Path) -> None:
    (clean / "bad.png").write_bytes(b"no picture")
    ran = evaluate("--data", clean)
    assert ran.code == 1
    assert "bad.png" in ran.err


def test_a_page_of_a_name_that_is_no_text_is_written(
    evaluate: Run, clean: Path, tmp_path: Path
) -> None:
    (clean / "p0.png").rename(clean / os.fsdecode(b"p\xff.png"))
    ran = evaluate("--data", clean, "--metrics", "psnr", "--report", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    assert r"p\udcff" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_hidden_files_and_folders_are_passed_over(evaluate: Run, clean: Path) -> None:
    (clean / "._p0.png").write_bytes(b"of a Mac")
    (clean / "folder.png").mkdir()
    ran = evaluate("--data", clean, "--looks", "faithful", "--metrics", "psnr")
    assert ran.code == 0, ran.err


def test_scores_that_cannot_be_written_are_one_sentence(
    evaluate: Run, clean: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for option in ("--json", "--report"):
        ran = evaluate("--data", clean, "--metrics", "psnr", option, tmp_path / "file" / "x")
        assert ran.code == 1
        assert str(tmp_path / "file") in ran.err
        assert "faithful" in ran.out  # the scores are shown all the same


def test_an_unknown_task_is_told(run: Run, clean: Path) -> None:
    ran = run("evaluate", "colourise", "--data", clean)
    assert ran.code == 1
    assert "'colourise'" in ran.err
    assert "upscale" in ran.err


def test_demo_writes_a_page_and_pictures(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restorekit.cli import demo

    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    pictures = [("one", noise(48, 64)), ("two", noise(64, 48))]
    monkeypatch.setattr(demo, "photographs", lambda: iter(pictures))
    ran = run("demo", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    made = tree(tmp_path / "out")
    assert "report.html" in made
    assert "pictures/one-sharp.png" in made
    check_page(made["report.html"].decode(), 2 * (1 + 3))
    assert "not run: lpips" in ran.err


def test_demo_uses_photographs_that_come_with_a_package() -> None:
    pytest.importorskip("skimage")
    from restorekit.cli.demo import photographs

    found = list(photographs())
    assert len(found) >= 3
    for _, pixels in found:
        assert pixels.dtype == np.uint8
        assert all(side % 4 == 0 for side in pixels.shape[:2])


def test_demo_without_the_package_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "skimage", None)
    ran = run("demo", "-o", tmp_path / "out")
    assert ran.code == 2
    assert "pip install restorekit[metrics]" in ran.err
    assert not (tmp_path / "out").exists()
