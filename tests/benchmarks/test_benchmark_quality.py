"""Test sets and peers by the published protocols; figures that others have measured come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from outer_kit import noise, save

from restorekit import evaluation

Bench = Callable[[str], ModuleType]


@pytest.fixture
def sets(bench: Bench) -> Path:
    folder = bench("quality").data_folder()
    if folder is None:
        pytest.skip("no test sets: set RESTOREKIT_DATA")
    return folder / "testsets"


def test_noise_is_the_peers_own(bench: Bench, tmp_path: Path) -> None:
    quality = bench("quality")
    for number in range(2):
        save(tmp_path / f"{number}.png", noise(20, 30, seed=number))
    floats = list(quality.noisy(tmp_path, 25, rounded=False))
    levels = list(quality.noisy(tmp_path, 25, rounded=True))
    for number, (f, r) in enumerate(zip(floats, levels, strict=True)):
        drawn = np.random.default_rng(25_000 + number).normal(0, 25 / 255, (20, 30, 3))
        assert f.picture.color == pytest.approx(f.truth / 255 + drawn, abs=1e-6)
        assert np.array_equal(r.picture.color * 255, np.rint(f.picture.color.clip(0, 1) * 255))
        assert f.told == {"sigma": 25.0}


def test_suites_name_tasks_that_are_installed(bench: Bench) -> None:
    quality = bench("quality")
    suites = quality.bundled()
    assert [s.name for s in suites][:2] == ["bundled x4", "bundled x2"]
    assert len({s.name for s in suites}) == len(suites)


def middles(cases: Iterable[evaluation.Case], side: int = 128) -> Iterator[evaluation.Case]:
    """The middle of each picture: small enough for a test, and near the whole set's mean."""
    for case in cases:
        top, left = ((length - side) // 2 for length in case.truth.shape[:2])
        window = (slice(top, top + side), slice(left, left + side))
        picture = replace(case.picture, color=case.picture.color[window])
        yield replace(case, inputs={"image": picture}, truth=case.truth[window])


@pytest.mark.slow
def test_denoising_peers_reach_their_figures(bench: Bench, sets: Path) -> None:
    """Whole pictures of Kodak24 have 20.44, 31.70 and 31.73 dB: the peers' README."""
    quality = bench("quality")
    methods = {"input": evaluation.BASELINES["input"], **quality.peers(quality.DENOISERS)}
    if len(methods) < 3:
        pytest.skip("no peers")
    cases = middles(quality.noisy(sets / "Kodak24", 25, rounded=True))
    found = evaluation.evaluate(cases, methods, ["psnr"])
    assert found.mean("input", "psnr") == pytest.approx(20.44, abs=0.2)
    for name in quality.DENOISERS:
        assert found.mean(name, "psnr") == pytest.approx(31.7, abs=0.9)


@pytest.mark.slow
def test_jpeg_s_peer_reaches_its_figure(bench: Bench, sets: Path) -> None:
    """29.19 dB over 27.77 for whole pictures of LIVE1 (cszn/DnCNN)."""
    quality = bench("quality")
    methods = {"input": evaluation.BASELINES["input"], **quality.peers(["dncnn3"])}
    if len(methods) < 2:
        pytest.skip("no peers")
    found = evaluation.evaluate(middles(quality.grey_jpegs(sets / "LIVE1", 10)), methods, ["psnr"])
    gain = found.mean("dncnn3", "psnr") - found.mean("input", "psnr")
    assert gain == pytest.approx(29.19 - 27.77, abs=0.3)


@pytest.mark.slow
def test_upscaling_peers_reach_their_figures(bench: Bench, sets: Path) -> None:
    """Bicubic 26.09 dB and CARN-M's published 28.42, every picture of Set14 as RGB."""
    quality = bench("quality")
    methods = {"bicubic": evaluation.BASELINES["bicubic"], **quality.peers(["carn-m-x4"])}
    if len(methods) < 2:
        pytest.skip("no peers")
    cases = evaluation.given_cases(sets / "Set14" / "HR", {"image": sets / "Set14" / "x4"})
    found = evaluation.evaluate(cases, methods, ["psnr-y"], scale=4)
    assert found.mean("bicubic", "psnr-y") == pytest.approx(26.09, abs=0.01)
    assert found.mean("carn-m-x4", "psnr-y") == pytest.approx(28.42, abs=0.01)
