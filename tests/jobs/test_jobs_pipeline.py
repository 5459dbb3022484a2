"""Stages that overlap: in order, one file deep, and in memory that does not grow."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import noise, save, tree

from restorekit.jobs import run as jobs
from restorekit.jobs import scan, stages
from restorekit.jobs.report import Report, Step
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.stages import Saving

Build = Callable[..., Restorer]


def fake(made: Restorer, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> Restorer:
    """A restorer that gives every picture back as it is, after a while."""

    def give_back(self: Any, picture: Any, *_: Any) -> Any:
        time.sleep(seconds)
        return picture

    monkeypatch.setattr(Restorer, "__call__", give_back)
    return made


def restored(made: Restorer, folder: Path, out: Path, **options: Any) -> Report:
    found = scan.scan([folder], out)
    return jobs.run(made, scan.targets(found, out, "keep"), out, **options)


def pictures(folder: Path, count: int) -> Path:
    first = save(folder / "00000.png", noise(8, 9)).read_bytes()
    for number in range(1, count):
        (folder / f"{number:05}.png").write_bytes(first)
    return folder


@pytest.mark.user("C4")
def test_memory_of_a_long_run_is_flat(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sizes = pictures(tmp_path / "in", 160), {}

    def tell(step: Step) -> None:
        if step.share == 1.0 and (31 <= step.number <= 40 or step.number > 150):
            if step.number in (31, 151):
                gc.collect()
            sizes[step.number] = tracemalloc.get_traced_memory()[0]

    made = fake(restorer(), monkeypatch)
    tracemalloc.start()
    try:
        report = restored(made, folder, tmp_path / "out", tell=tell)
    finally:
        tracemalloc.stop()
    assert (report.done, report.exit_code) == (160, 0)
    # The least of ten, since a neighbour that is just being packed takes memory for a moment.
    early, late = (min(sizes[n] for n in part) for part in (range(31, 41), range(151, 161)))
    # What is kept of each file is its place, by which two results are kept apart.
    assert late - early < 120 * 1000, sizes


@pytest.mark.user("F5")
def test_files_are_read_and_written_while_one_is_restored(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With stages that wait for each other's beginning, what did not overlap would never end."""
    meet = threading.Barrier(3, timeout=30)
    read, write, middle = stages.read, stages.write, ("00002", "00001", "00000")

    def meeting(original: Any, name: str, place: int) -> Any:
        def at_work(*arguments: Any, **named: Any) -> Any:
            if Path(str(arguments[place])).stem == name:
                meet.wait()
            return original(*arguments, **named)

        return at_work

    def restore(self: Any, picture: Any, *_: Any) -> Any:
        if len(order) == 1:
            meet.wait()
        order.append("")
        return picture

    order: list[str] = []
    monkeypatch.setattr(stages, "read", meeting(read, middle[0], 0))
    monkeypatch.setattr(Restorer, "__call__", restore)
    monkeypatch.setattr(stages, "write", meeting(write, middle[2], 1))
    report = restored(restorer(), pictures(tmp_path / "in", 4), tmp_path / "out")
    assert report.failed == []
    assert report.done == 4


def test_at_most_two_pictures_and_two_results_are_held(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, lock = fake(restorer(), monkeypatch, 0.002), threading.Lock()
    held, most = [0], [0]
    read, save_stage = stages.read, stages.Stages.save

    def read_and_count(*arguments: Any, **named: Any) -> Any:
        picture = read(*arguments, **named)
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])
        return picture

    def save_and_count(self: Any, *arguments: Any) -> None:
        time.sleep(0.01)  # a slow disk must not let results pile up
        save_stage(self, *arguments)
        with lock:
            held[0] -= 1

    monkeypatch.setattr(stages, "read", read_and_count)
    monkeypatch.setattr(stages.Stages, "save", save_and_count)
    report = restored(made, pictures(tmp_path / "in", 30), tmp_path / "out")
    assert report.done == 30
    assert held[0] == 0
    assert most[0] <= 3


def test_order_and_bytes_do_not_depend_on_what_is_slow(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        save(tmp_path / "in" / f"{number}.png", noise(8, 9, seed=number))
    (tmp_path / "in" / "3.png").write_bytes(b"no picture")
    made, rng = fake(restorer(), monkeypatch), np.random.default_rng(0)
    outcomes = []
    for name in ("read", "write", "check_result", "none"):
        original = getattr(stages, name, None)

        def slow(*arguments: Any, original: Any = original, **named: Any) -> Any:
            time.sleep(rng.uniform(0, 0.02))
            return original(*arguments, **named)

        with monkeypatch.context() as patch:
            if original:
                patch.setattr(stages, name, slow)
            report = restored(made, tmp_path / "in", tmp_path / name)
        lines = (tmp_path / name / "restorekit-manifest.jsonl").read_bytes().splitlines()
        sources = [line.split(b'"output"')[0] for line in lines]
        outcomes.append((sources, report.failed, tree(tmp_path / name)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert len(outcomes[0][0]) == 8


def test_progress_is_told_in_order_and_skipping_is_no_work(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = fake(restorer(), monkeypatch), pictures(tmp_path / "in", 6)
    assert restored(made, folder, tmp_path / "out").done == 6
    (tmp_path / "out" / "00005.png").unlink()
    steps: list[Step] = []
    report = restored(made, folder, tmp_path / "out", tell=steps.append)
    assert (report.done, report.skipped) == (1, 5)
    assert [step.number for step in steps if step.share == 1.0] == [1, 2, 3, 4, 5, 6]
    assert steps[-1].skipped in (4, 5)  # the last but one may still be on its way


def test_overwriting_keeps_the_rights_of_the_file(
    restorer: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, folder = fake(restorer(), monkeypatch), pictures(tmp_path / "in", 2)
    restored(made, folder, tmp_path / "out")
    plain = (tmp_path / "out" / "00001.png").stat().st_mode
    (tmp_path / "out" / "00000.png").chmod(0o600)
    restored(made, folder, tmp_path / "out", saving=Saving(overwrite=True))
    assert (tmp_path / "out" / "00000.png").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out" / "00001.png").stat().st_mode == plain
