"""`restorekit compare`: two folders against each other, and both against the truth."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, save

from restorekit.metrics import interval, psnr


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """Truths, and two results: one 3 levels off, the other 6 in all but one picture."""
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    for number in range(4):
        truth = np.clip(noise(40, 50, seed=number), 0, 200)
        name = f"in/p{number}.png"
        save(tmp_path / "truth" / name, truth)
        save(tmp_path / "good" / name, truth + np.uint8(3))
        save(tmp_path / "bad" / name, truth + np.uint8(6 if number else 2))
    return tmp_path / "good", tmp_path / "bad", tmp_path / "truth"


def test_two_results_against_the_truth(
    run: Run, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    good, bad, truth = folders
    target, page = tmp_path / "new" / "scores.json", tmp_path / "new" / "page.html"
    given = ["--reference", truth, "--json", target, "--report", page]
    ran = run("compare", good, bad, *given)
    assert ran.code == 0, ran.err
    scores = json.loads(target.read_text(), parse_constant=pytest.fail)
    assert set(scores["methods"]) == {"good", "bad"}
    assert scores["methods"]["good"]["psnr"]["mean"] == pytest.approx(
        20 * np.log10(255 / 3), abs=1e-3
    )
    apart = [20 * np.log10(3 / (6 if number else 2)) for number in range(4)]
    (row,) = [line.split() for line in ran.out.splitlines() if line.startswith("psnr ")][-1:]
    assert float(row[1]) == pytest.approx(np.mean(apart), abs=1e-3)
    low, high = interval(apart)
    assert (float(row[2]), float(row[4])) == pytest.approx((low, high), abs=1e-3)
    assert row[-3:] == ["1", "of", "4"]
    assert scores["paired"]["psnr"]["interval_95"] == pytest.approx([low, high], abs=1e-3)
    assert (scores["paired"]["psnr"]["better"], scores["paired"]["psnr"]["of"]) == (1, 4)
    assert "not run: lpips" in ran.err
    text = page.read_text()
    assert text.count("data:image/webp;base64,") == 4 * 3


def test_two_results_against_each_other(run: Run, folders: tuple[Path, Path, Path]) -> None:
    good, bad, _ = folders
    save(bad / "in" / "p3.png", np.clip(noise(40, 50, seed=3), 0, 200) + np.uint8(3))
    ran = run("compare", good, bad, "--metrics", "psnr")
    assert ran.code == 0, ran.err
    rows = dict(line.split() for line in ran.out.splitlines() if line.startswith("in/"))
    assert float(rows["in/p0"]) == pytest.approx(20 * np.log10(255), abs=0.01)
    assert float(rows["in/p1"]) == pytest.approx(20 * np.log10(255 / 3), abs=0.01)
    assert rows["in/p3"] == "inf"
    assert "1 of 4 pictures are equal" in ran.out


def test_what_equals_the_truth_in_both_differs_by_nothing(
    run: Run, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, _, truth = folders
    target, page = tmp_path / "scores.json", tmp_path / "page.html"
    ran = run("compare", truth, truth, "--reference", truth, "--json", target, "--metrics", "psnr")
    assert ran.code == 0, ran.err
    scores = json.loads(target.read_text(), parse_constant=pytest.fail)
    assert set(scores["methods"]) == {"A", "B"}
    assert scores["methods"]["A"]["psnr"]["mean"] is None  # infinite
    assert scores["paired"]["psnr"] == {"mean": 0.0, "interval_95": [0, 0], "better": 0, "of": 4}
    ran = run("compare", truth, folders[0], "--report", page, "--metrics", "psnr")
    assert ran.code == 0, ran.err
    assert 'value="truth" selected' not in page.read_text().partition("</select>")[2]


def test_each_equal_to_the_truth_elsewhere_has_no_mean_and_no_warning(
    run: Run, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    """Differences of plus and of minus infinity."""
    for number, name in enumerate(("a", "b")):
        for picture in range(2):
            levels = np.uint8(3 if picture == number else 0)
            save(tmp_path / name / f"p{picture}.png", noise(40, 50) // 2 + levels)
    for picture in range(2):
        save(tmp_path / "true" / f"p{picture}.png", noise(40, 50) // 2)
    target = tmp_path / "scores.json"
    given = ["--reference", tmp_path / "true", "--metrics", "psnr", "--json", target]
    ran = run("compare", tmp_path / "a", tmp_path / "b", *given)
    assert ran.code == 0, ran.err
    paired = json.loads(target.read_text(), parse_constant=pytest.fail)["paired"]
    assert paired["psnr"] == {"mean": None, "interval_95": [None, None], "better": 1, "of": 2}


@pytest.mark.parametrize("place", ["folder", "picture"])
def test_names_that_are_no_text_are_shown(run: Run, tmp_path: Path, place: str) -> None:
    odd = os.fsdecode(b"o\xff")
    name, folder = ("p", odd) if place == "folder" else (odd, "o")
    for part in (folder, "other"):
        save(tmp_path / "x.png").rename(_made(tmp_path / part) / f"{name}.png")
    page = tmp_path / "page.html"
    given = ("--metrics", "psnr", "--report", page, "--json", tmp_path / "scores.json")
    ran = run("compare", tmp_path / folder, tmp_path / "other", *given)
    assert ran.code == 0, ran.err
    assert r"o\udcff" in page.read_text(encoding="utf-8")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_files_and_other_endings_are_matched(
    run: Run, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    good, bad, _ = folders
    ran = run("compare", good / "in" / "p0.png", bad / "in" / "p1.png", "--metrics", "psnr")
    assert ran.code == 0, ran.err
    save(tmp_path / "coded" / "in" / "p2.jpg", noise(40, 50), quality=90)
    save(tmp_path / "coded" / "in" / "p9.jpg", noise(40, 50), quality=90)
    ran = run("compare", good, tmp_path / "coded", "--metrics", "psnr")
    assert ran.code == 0, ran.err
    assert "in/p2" in ran.out
    assert ran.err.count("not in every folder") == 3 + 1


def test_equal_means_at_its_own_depth(run: Run, tmp_path: Path) -> None:
    """Sixteen bits that look the same at eight are not equal."""
    deep = noise(40, 50, 1).astype(np.uint16) * 257
    save(tmp_path / "a" / "p.png", deep)
    save(tmp_path / "b" / "p.png", deep ^ 1)
    ran = run("compare", tmp_path / "a", tmp_path / "b", "--metrics", "psnr")
    assert ran.code == 0, ran.err
    assert "0 of 1 pictures are equal" in ran.out
    ran = run("compare", tmp_path / "a", tmp_path / "a", "--metrics", "psnr")
    assert "1 of 1 pictures are equal" in ran.out


def test_what_cannot_be_compared_is_told(
    run: Run, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    good, bad, truth = folders
    save(tmp_path / "other" / "x.png")
    save(tmp_path / "twice" / "x.png")
    save(tmp_path / "twice" / "x.jpg")
    (tmp_path / "empty").mkdir()
    save(tmp_path / "small" / "in" / "p0.png", noise(20, 25))
    for arguments, word in (
        ([good, tmp_path / "other"], "no picture of one name"),
        ([good, tmp_path / "twice"], "have one name"),
        ([good, tmp_path / "empty"], "no pictures in"),
        ([good, tmp_path / "nowhere"], "nowhere"),
        ([good, tmp_path / "small"], "p0"),
        ([good, bad, "--reference", tmp_path / "small"], "p0"),
        ([good, bad, "--metrics", "beauty"], "'beauty'"),
        ([good, bad, "--metrics", "seam", "--reference", truth], "mask"),
        ([good, bad, "--metrics", "reprojection"], "the picture that was restored"),
    ):
        ran = run("compare", *arguments)
        assert ran.code == 2, arguments
        assert word in ran.err
        assert len(ran.err.strip().splitlines()) == 1


def test_scores_are_the_metrics_own(run: Run, tmp_path: Path) -> None:
    a, b = noise(40, 50, seed=1), noise(40, 50, seed=2)
    save(tmp_path / "one.png", a)
    save(tmp_path / "two.png", b)
    ran = run("compare", tmp_path / "one.png", tmp_path / "two.png", "--metrics", "psnr")
    assert f"{psnr(a, b):.4g}" in ran.out
