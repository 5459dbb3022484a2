"""--plan says what a run would do, does nothing, and is right about it."""

from __future__ import annotations

import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Run, noise, pixels_of, save, tree
from PIL import Image

from restorekit.images import Picture
from restorekit.jobs import plan, scan
from restorekit.jobs import run as jobs
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.stages import Saving, Stages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (height, width) in {"a.png": (20, 31), "s/b.jpg": (40, 50)}.items():
        save(tmp_path / "in" / name, noise(height, width))
    return tmp_path / "in"


@pytest.mark.user("C10")
def test_a_plan_is_right_and_does_nothing(upscale: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "bad.png").write_bytes(b"no picture")
    before, out = tree(tmp_path), tmp_path / "out"
    ran = upscale(folder, "-o", out, "--plan", "--scale", "1.5", "--format", "tiff")
    assert ran.code == 1
    assert tree(tmp_path) == before
    assert not out.exists()
    said = ran.out.splitlines()
    assert (
        said[0]
        == f"{folder / 'a.png'} → {out / 'a.tif'}: 31 x 20 → 47 x 30 pixels, 1 call of the network"
    )
    assert "bad.png is not a picture" in said[1]
    assert "50 x 40 → 75 x 60 pixels" in said[2]
    assert said[3] == "3 found = 2 to do + 0 skipped + 1 that fail"
    assert re.fullmatch(r"result: 0.0 megapixels in 2 calls of the network", said[4])
    assert re.fullmatch(r"time: about \d+ s on cpu, reading and writing not counted", said[5])
    assert re.fullmatch(r"memory: at most about [\d.]+ GiB beside the program's own", said[6])
    assert re.fullmatch(r"disk: about [\d.]+ MiB; [\d,.]+ GiB are free", said[7])
    upscale(folder, "-o", out, "--scale", "1.5", "--format", "tiff")
    assert pixels_of(out / "a.tif").shape == (30, 47, 3)
    assert pixels_of(out / "s" / "b.tif").shape == (60, 75, 3)


@pytest.mark.user("C10")
@pytest.mark.parametrize("kind", ["keep", "png", "tiff", "jpg"])
def test_pixels_disk_and_time_are_those_of_the_run(
    restorer: Callable[..., Restorer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Pixels to the last, the disk's room within a factor of three, the time by the measured rate."""
    for number, name in enumerate(("a.png", "b.jpg", "c.tif")):
        save(tmp_path / "in" / name, noise(90, 120 + number, seed=number))
    made, out = restorer(strength=0.0), tmp_path / "out"
    targets = scan.targets(scan.scan([tmp_path / "in"], out), out, kind)
    monkeypatch.setattr(plan, "_rate", lambda _: 1000.0)
    stages = Stages.of(made, targets, out, Saving(), scan.Shard())
    found = list(plan.forecasts(stages))
    told = plan.totals(made, found, out)
    assert jobs.run(made, targets, out).done == told.done == 3
    for one in found:
        with Image.open(one.path) as result:
            assert one.work
            assert result.size == one.work.size[::-1]
        assert 1 / 3 <= one.disk / one.path.stat().st_size <= 3, one
    assert told.megapixels * 1e6 == pytest.approx(sum(180 * (240 + 2 * n) for n in range(3)))
    assert told.disk == sum(one.disk for one in found)
    assert told.seconds == pytest.approx(sum(one.work.pixels for one in found if one.work) / 1000)


def test_a_plan_knows_what_is_done(upscale: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    upscale(folder / "a.png", "-o", out)
    save(out / "s" / "b.jpg")
    before = tree(tmp_path)
    ran = upscale(folder, "-o", out, "--plan")
    assert ran.code == 0
    assert "a.png: done already" in ran.out
    assert "b.jpg: a file of its result's name is there already" in ran.out
    assert "2 found = 0 to do + 2 skipped + 0 that fail" in ran.out
    assert "time: about 0 s" in ran.out
    assert "2 to do" in upscale(folder, "-o", out, "--plan", "--overwrite").out
    assert tree(tmp_path) == before


def test_a_plan_of_a_shard_is_of_its_files(upscale: Run, folder: Path, tmp_path: Path) -> None:
    parts = [
        upscale(folder, "-o", tmp_path / "out", "--plan", "--shard", f"{n}/2").out for n in (1, 2)
    ]
    assert sum(int(re.search(r"(\d+) found", part)[1]) for part in parts) == 2  # type: ignore[index]


@pytest.mark.parametrize("options", [{}, {"steps": 3, "look": "sharp"}, {"fidelity": 0.5}])
@pytest.mark.parametrize("alpha", [False, True])
def test_calls_and_what_they_see_are_foretold(
    restorer: Callable[..., Restorer], tmp_path: Path, options: dict[str, Any], alpha: bool
) -> None:
    made = restorer(tile=64, **options)
    seen: list[int] = []
    whole = made.engine.denoise

    def denoise(x: Any, t: Any, known: Any) -> torch.Tensor:
        seen.append(x.shape[0] * x.shape[2] * x.shape[3])
        return whole(x, t, known)

    made.__dict__["engine"] = replace(made.engine, denoise=denoise)
    color = np.float32(noise(90, 75)) / 255
    opacity = np.float32(noise(90, 75, 1)) / 255 if alpha else None
    made(Picture(color, opacity))
    work = plan._work(made, (90, 75))
    assert work.size == (180, 150)
    assert work.calls * (1 + alpha) == len(seen)
    assert work.pixels * (1 + alpha) == sum(seen)
    assert work.largest == max(seen)


def test_every_page_is_planned(upscale: Run, tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(12, 14, seed=n)) for n in range(3)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "a.tif", save_all=True, append_images=pages[1:])
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--plan")
    assert "a.tif: 3 frames of 14 x 12 → 28 x 24 pixels, 3 calls" in ran.out


@pytest.mark.user("C10")
def test_a_disk_that_is_too_small_is_said(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 0))
    ran = upscale(folder, "-o", tmp_path / "out", "--plan")
    assert "0.0 GiB are free; too little" in ran.out
