"""The runner: a report that opens, a baseline that holds, and weights made worse that do not pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from browser_kit import check_figures, opened

from restorekit import plugins
from restorekit.models import store
from restorekit.models.find import find

Bench = Callable[[str], ModuleType]


@pytest.fixture
def smoke(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """`benchmarks/run.py --suite smoke` on one small picture, ×4 alone, without timings."""
    pytest.importorskip("skimage")
    run, quality, speed = bench("run"), bench("quality"), bench("speed")
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    monkeypatch.setattr(run, "LATEST", tmp_path / "latest")
    every = quality.bundled
    name, pixels = next(quality.photographs())
    crop = (name, pixels[100:196, 200:296])
    monkeypatch.setattr(quality, "photographs", lambda: iter([crop]))
    monkeypatch.setattr(quality, "bundled", lambda: [s for s in every() if s.name == "bundled x4"])
    monkeypatch.setattr(speed, "engine_overhead", lambda *_, **__: {"ratio": 1.1})
    monkeypatch.setattr(speed, "start_up", lambda *_: {"extra_seconds": 0.05})
    return lambda *arguments: run.main(["--suite", "smoke", *(str(a) for a in arguments)])


def with_bars(path: Path) -> Path:
    record = json.loads(path.read_text())
    record["bars"] = {"engine_overhead.ratio": 1.35, "start_up.extra_seconds": 0.2}
    path.write_text(json.dumps(record))
    return path


def worsened(path: Path) -> Path:
    """The shipped weights, each off by .3 of its layer's spread: a training gone astray."""
    model = store.load(find(plugins.load("upscale").task.model))
    draw = torch.Generator().manual_seed(0)

    def off(value: torch.Tensor) -> torch.Tensor:
        spread = 0.3 * value.float().std(correction=0)
        return (value + spread * torch.randn(value.shape, generator=draw)).to(value.dtype)

    store.save(path, model.card, {name: off(value) for name, value in model.tensors.items()})
    return path


@pytest.mark.user("K4")
def test_the_same_weights_pass_and_worse_ones_fail(
    smoke: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first.json"
    assert smoke("--out", first) == 0
    baseline = with_bars(first)
    assert smoke("--baseline", baseline) == 0
    assert "ok: compared with" in capsys.readouterr().out
    worse = worsened(tmp_path / "worse.safetensors")
    assert smoke("--baseline", baseline, "--model", worse) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert "what fell" in said
    assert "bundled x4, faithful, psnr-y" in said
    assert "bundled x4, bicubic" not in said.partition("what fell")[2]
    assert "not run: lpips" in said


def test_the_report_of_a_run_opens(smoke: Callable[..., int], tmp_path: Path) -> None:
    assert smoke() == 0
    latest = tmp_path / "latest"
    assert (latest / ".gitignore").read_text() == "*\n"
    record = json.loads((latest / "results.json").read_text(), parse_constant=pytest.fail)
    assert record["quality"]["bundled x4"]["task"] == "upscale"
    assert record["speed"]["engine_overhead"]["ratio"] == 1.1
    text = (latest / "report.html").read_text()
    for word in ("bundled x4", "engine_overhead", "faithful", "smoke"):
        assert word in text
    with opened(latest / "report.html") as page:
        check_figures(page, 1)


def test_out_keeps_what_was_not_made_now_and_is_compared_as_it_was(
    smoke: Callable[..., int], tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    was = {
        "quality": {},
        "speed": {"gone": {"ratio": 1.0}},
        "bars": {"start_up.extra_seconds": 0.01},
    }
    out.write_text(json.dumps({**was, "gpu": {"peaks": 1}}))
    assert smoke("--out", out, "--baseline", out) == 1  # .05 s is above the bar
    made = json.loads(out.read_text())
    assert made["gpu"] == {"peaks": 1}
    assert made["bars"] == was["bars"]
    assert set(made["speed"]) == {"gone", "engine_overhead", "start_up", "measured"}
    assert "bundled x4" in made["quality"]


def test_rivals_that_were_not_run_are_left_out_of_the_page(bench: Bench) -> None:
    ratio = {"ratio": 0.5, "least": 0.4, "greatest": 0.6}
    measured = {"date": "2026-01-01", "machine": {"processor": "P", "torch": "2", "threads": "2"}}
    speed = {"against_rrdbnet": ratio, "rivals": {"upscale over X": {"not run": "no X"}}}
    speed |= {"network": {"kmac_per_pixel": 69.0}, "measured": measured}
    for scored, later in (("2026-01-01", False), ("2026-01-02", True)):
        shown = bench("publish").speeds({"speed": speed, "quality": {"Set14 x4": {"date": scored}}})
        assert "| upscale over RRDBNet | 0.5 | 0.4 to 0.6 |" in shown
        assert "over X" not in shown
        assert ("by a network of 69 kMAC a pixel, before this one" in shown) == later


def record(**means: float) -> dict[str, Any]:
    methods = {"faithful": {name: {"mean": value} for name, value in means.items()}}
    return {"quality": {"set": {"methods": methods, "not_run": []}}, "speed": {}}


def test_what_counts_as_a_change(bench: Bench) -> None:
    regress = bench("regress")
    was = record(psnr=30.0, lpips=0.2)
    assert regress.changes(was, was) == []
    assert regress.changes(record(psnr=30.019, lpips=0.2019), was) == []
    assert len(regress.changes(record(psnr=29.97, lpips=0.203), was)) == 2
    assert len(regress.changes(record(psnr=30.03, lpips=0.2), was)) == 1  # equal, not better
    (gone,) = regress.changes(record(psnr=30.0), was)
    assert gone.found is None
    silent = record(psnr=30.0)
    silent["quality"]["set"]["not_run"] = ["lpips: no weights"]
    assert regress.changes(silent, was) == []
    assert len(regress.changes({"quality": {}, "speed": {}}, was)) == 2
    assert "none" in regress.table([gone])


@pytest.mark.user("F3")
def test_speed_is_held_by_bars(bench: Bench) -> None:
    regress = bench("regress")
    baseline = {"quality": {}, "speed": {"a": {"b": 1.0}}, "bars": {"a.b": 1.2}}
    fast, slow = ({"quality": {}, "speed": {"a": {"b": value}}} for value in (1.19, 1.21))
    assert regress.changes(fast, baseline) == []
    (change,) = regress.changes(slow, baseline)
    assert change.where == "a.b"
    assert (change.was, change.found) == (1.0, 1.21)
    assert len(regress.changes({"quality": {}, "speed": {}}, baseline)) == 1
