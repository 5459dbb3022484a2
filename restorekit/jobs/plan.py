"""What a run would do, told before it does anything: files, sizes, network calls, memory, time, disk."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restorekit.engine.loop import Engine, Run
from restorekit.engine.samplers import count_evaluations
from restorekit.engine.tiles import Box, best_tile, cut
from restorekit.errors import RestoreError
from restorekit.images import Header, Picture, check_size, probe, read
from restorekit.jobs.attempt import LARGE, Attempt
from restorekit.jobs.fit import unfit
from restorekit.jobs.grid import BYTES_PER_PIXEL
from restorekit.jobs.layers import passes
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.stages import Stages
from restorekit.task import Plan

Size = tuple[int, int]
"""(height, width) in pixels."""

_SIDE = 512  # of the result that is restored to measure the machine
# Bytes to a sample of a photograph in another format than its source's, at the usual settings.
_LOSSLESS, _LOSSY = 0.6, 0.12


@dataclass(frozen=True)
class Work:
    """What the network does for one plane set: the result's (height, width), the calls it takes, and
    the pixels they see, margins counted, as of the network's first cells; largest: those of one call."""

    size: tuple[int, int]
    calls: int
    pixels: int
    largest: int


@dataclass(frozen=True)
class Forecast:
    """One file: what is done, or why nothing is (`skipped`, `fails`). memory, disk: bytes."""

    source: Path
    path: Path
    before: tuple[int, int] = (0, 0)
    frames: int = 1
    work: Work | None = None
    memory: int = 0
    disk: int = 0
    skipped: str = ""
    fails: str = ""

    def __str__(self) -> str:
        if self.work is None:
            return self.fails or f"{self.source}: {self.skipped}"
        sizes = " → ".join(f"{w:,} x {h:,}" for h, w in (self.before, self.work.size))
        calls = "1 call" if self.work.calls == 1 else f"{self.work.calls:,} calls"
        frames = f"{self.frames:,} frames of " if self.frames > 1 else ""
        return f"{self.source} → {self.path}: {frames}{sizes} pixels, {calls} of the network"


def forecasts(stages: Stages) -> Iterator[Forecast]:
    """What would become of each file; only headers are read."""
    worker = lru_cache(maxsize=1024)(
        lambda size, beside: _work(stages.restorer, size, dict(beside))
    )
    for target in stages.chosen:
        attempt = Attempt(target)
        attempt.do("read", stages.examine)
        source, path, header = attempt.source, attempt.target.path, attempt.header
        if attempt.error:
            yield Forecast(source, path, fails=stages.report.fail(source, attempt.error))
        elif attempt.skipped or header is None:
            yield Forecast(source, path, skipped=attempt.skipped)
        else:
            try:
                before, beside = _sides(stages, attempt, header)
                work = worker(before, tuple(beside.items()))
                check_size(attempt.target.format, work.size[1], work.size[0])
            except RestoreError as error:
                told = unfit(source, attempt.files, error)
                yield Forecast(source, path, fails=stages.report.fail(source, told))
                continue
            task = stages.restorer.task
            twice = "A" in header.mode and not (task.exact or task.linear)
            times = header.frames * (2 if twice else 1)  # alpha is restored by itself
            yield Forecast(
                source,
                path,
                before,
                header.frames,
                replace(work, calls=work.calls * times, pixels=work.pixels * times),
                _memory(header, work),
                _disk(header, work, source, attempt.target.format),
            )


def _sides(stages: Stages, attempt: Attempt, header: Header) -> tuple[Size, dict[str, Size]]:
    """(height, width) of the picture and of each image that goes with it, by name. Raises
    RestoreError where one cannot be read, or a layer that was named is not there."""
    task, limit = stages.restorer.task, stages.saving.max_pixels
    if header.format == "EXR":  # whose header is read with all of it
        picture = stages.restorer.chosen(read(attempt.source, max_pixels=limit))
        before = (picture.height, picture.width)
        beside = {name: (one.height, one.width) for name, one in passes(picture, task).items()}
    else:
        stages.restorer.chosen(Picture(np.zeros((1, 1, 3), np.float32)))
        before, beside = (header.height, header.width), {}
    if "A" in header.mode and (task.exact or task.linear):
        beside["alpha"] = before
    for name, path in attempt.files.items():
        found = probe(path, max_pixels=limit)
        beside[name] = (found.height, found.width)
    return before, beside


def _work(restorer: Restorer, before: Size, beside: Mapping[str, Size] | None = None) -> Work:
    """What a picture of this (height, width), with others beside it, asks of the network."""
    plans = _plans(restorer, before, beside or {})
    sizes, pixels = [], 0.0
    for worker, plan in plans:
        engine = worker.tiled(plan)
        engine = replace(engine, budget=min(engine.budget, restorer.budget))
        here = [box.pixels for box in _calls(engine, plan.size, worker.runs(plan))]
        # A call costs by its cells: a pixel on small ones is more of them.
        pixels += sum(here) * (worker.engine.cell / engine.cell) ** 2
        sizes += here
    return Work(plans[-1][1].size, len(sizes), round(pixels), max(sizes))


def _plans(
    restorer: Restorer, before: Size, beside: Mapping[str, Size]
) -> list[tuple[Restorer, Plan]]:
    """The plans of the stages and of the last, with who does them, from empty pictures.

    Which parts of a picture are to be done is in the pixels: all of it is taken to be.
    """
    found: list[tuple[Restorer, Plan]] = []

    def staged(worker: Restorer, plan: Plan, *_: object) -> Tensor:
        found.append((worker, Plan(plan.size, jump=plan.jump, cell=plan.cell)))
        return _empty(plan.size)

    others = {name: _marked(size, before, name == "alpha") for name, size in beside.items()}
    last = restorer.planned({"image": _empty(before), **others}, restorer.options, staged)
    return [*found, (restorer, Plan(last.size, jump=last.jump, cell=last.cell))]


def _empty(size: Size) -> Tensor:
    return torch.zeros(1, 1, 1, 1).expand(1, 3, *size)


def _marked(size: Size, before: Size, opaque: bool) -> Tensor:
    """An image that goes with a picture, black with a white corner or, of opacity, the other way: as
    much of a hole as is still one when it is brought to the picture's size."""
    image = torch.full((1, 3, *size), -1.0)
    rows, columns = (math.ceil(own / other) for own, other in zip(size, before, strict=True))
    image[..., :rows, :columns] = 1.0
    return -image if opaque else image


def _calls(engine: Engine, size: tuple[int, int], runs: list[Run]) -> Iterator[Box]:
    """The windows that the network's calls see, in the way of `Engine.restore`."""
    canvas, margin = engine.canvas(size), engine.margin
    reach = max(run.evaluations for run in runs) * margin
    for region in engine.regions(size, runs):
        grown = region.grow(reach, canvas)
        for run in runs:
            for later in range(count_evaluations(run.sampler, engine.path, run.times)):
                area = region.grow(later * margin, canvas)
                tile = best_tile(area, margin, engine.multiple, engine.budget, grown)
                boxes = cut(area, *tile, engine.multiple)
                yield from (box.grow(margin, canvas).clip(grown) for box in boxes)


def _memory(header: Header, work: Work) -> int:
    """Bytes of a picture's own while it is restored and written: its planes, with alpha also those that
    go on beneath it, their tensor, and the result twice, as planes and as they are encoded."""
    alpha, channels = "A" in header.mode, 1 if header.mode[0] in "1LIF" else 3
    source = header.width * header.height * 4 * (channels + alpha * (1 + 2 * channels) + 3)
    result = work.size[0] * work.size[1] * (channels * header.depth // 8 + 4 * alpha)
    return source + 2 * result


def _disk(header: Header, work: Work, source: Path, format: str) -> int:
    """Bytes of the result: as its source's, pixel for pixel, where the format is the same."""
    pixels = work.size[0] * work.size[1] * header.frames
    channels = (1 if header.mode[0] in "1LIF" else 3) + ("A" in header.mode)
    plain = pixels * channels * (header.depth // 8)
    if format == header.format:
        given = header.width * header.height * header.frames
        return min(plain, int(source.stat().st_size * pixels / given))
    return int(plain * (1.0 if format == "BMP" else _LOSSY if format == "JPEG" else _LOSSLESS))


@dataclass(frozen=True)
class Totals:
    """The sums of forecasts. memory: bytes at the worst moment. seconds: None where not measured."""

    done: int
    skipped: int
    failed: int
    megapixels: float
    calls: int
    memory: int
    disk: int
    free: int
    seconds: float | None

    def lines(self, device: object) -> list[str]:
        """The totals as a person reads them."""
        found = self.done + self.skipped + self.failed
        about = "unknown" if self.seconds is None else f"about {self.seconds:,.0f} s"
        short = "; too little" if self.disk > self.free else ""
        return [
            f"{found} found = {self.done} to do + {self.skipped} skipped + {self.failed} that fail",
            f"result: {self.megapixels:,.1f} megapixels in {self.calls:,} calls of the network",
            f"time: {about} on {device}, reading and writing not counted",
            f"memory: at most about {self.memory / 2**30:,.1f} GiB beside the program's own",
            f"disk: about {self.disk / 2**20:,.1f} MiB; {self.free / 2**30:,.1f} GiB are free{short}",
        ]


def totals(restorer: Restorer, found: Iterable[Forecast], out: Path) -> Totals:
    """The sums, with the time that the network takes for them on this machine, measured now."""
    done = skipped = failed = calls = pixels = seen = disk = largest = 0
    small, large = [0, 0], 0
    for one in found:
        if one.work is None:
            skipped, failed = skipped + bool(one.skipped), failed + bool(one.fails)
            continue
        done, calls, disk = done + 1, calls + one.work.calls, disk + one.disk
        pixels += one.work.size[0] * one.work.size[1] * one.frames
        seen += one.work.pixels
        largest = max(largest, one.work.largest)
        if one.before[0] * one.before[1] > LARGE:
            large = max(large, one.memory)
        else:
            small = sorted([*small, one.memory])[-2:]
    # Two small pictures meet, one in hand and one read or written, and so does a large one with one.
    memory = largest * BYTES_PER_PIXEL + max(sum(small), large + small[1])
    rate = _rate(restorer) if done else 1.0
    place = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    seconds = seen / rate if rate else None
    return Totals(done, skipped, failed, pixels / 1e6, calls, memory, disk, free, seconds)


def _rate(restorer: Restorer) -> float | None:
    """Pixels a second that the network sees, from one small picture; None where that is no picture
    for the task, or has perhaps nothing to do."""
    if restorer.task.exact:
        return None
    try:
        enlarged = _work(restorer, (_SIDE, _SIDE)).size[0] / _SIDE
        side = max(16, round(_SIDE / enlarged))
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / side
        picture = Picture(np.stack([rows, columns, 1 - rows], 2))
        restorer(picture)  # the first time is slower
        started = time.perf_counter()
        restorer(picture)
        return _work(restorer, (side, side)).pixels / (time.perf_counter() - started)
    except RestoreError:
        return None
