"""Joules a megapixel: counted where the machine tells (RAPL, NVML), estimated and marked elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import speed
import torch

RAPL = Path("/sys/class/powercap")
WATTS_A_CORE = 8.0
"""Of a busy server core, where no counter can be read: a figure to compare runs by, not a fact."""

Counter = Callable[[], float]
"""Joules drawn since some moment."""


def figures(runs: int = 5) -> dict[str, Any]:
    """Joules and seconds of a megapixel out, for each look, and how the joules were found."""
    counter, source = counter_here()
    found: dict[str, Any] = {"source": source}
    for look in ("faithful", "sharp"):
        speed.restorer_call(look)
        joules, seconds = [], []
        for _ in range(runs):
            started, before = time.perf_counter(), counter()
            speed.restorer_call(look)
            joules.append(counter() - before)
            seconds.append(time.perf_counter() - started)
        megapixels = speed.MEGAPIXEL[0] * speed.MEGAPIXEL[1] / 1e6
        found[look] = {
            "joules_a_megapixel": sorted(joules)[runs // 2] / megapixels,
            "least": min(joules) / megapixels,
            "greatest": max(joules) / megapixels,
            "seconds": sorted(seconds)[runs // 2],
        }
    return found


def counter_here() -> tuple[Counter, str]:
    """(a counter, where it reads): the card's and the processor's own, or an estimate from time."""
    for counter, source in ((_nvml(), "counted by NVML: the card"), (_rapl(), "counted by RAPL")):
        if counter is not None:
            return counter, source
    watts = WATTS_A_CORE * torch.get_num_threads()
    return (
        lambda: watts * time.perf_counter(),
        f"estimated: {watts:g} W ({WATTS_A_CORE:g} a core) times seconds; no counter to read here",
    )


def _nvml() -> Counter | None:
    if not torch.cuda.is_available():
        return None
    try:
        import pynvml  # type: ignore[import-not-found]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no such package, or a card that does not count
        return None

    def joules() -> float:
        torch.cuda.synchronize()
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3

    return joules


def _rapl(folder: Path = RAPL) -> Counter | None:
    """The packages' counters, summed; a counter that began anew is carried on."""
    packages = [
        place
        for place in sorted(folder.glob("intel-rapl:*"))
        if place.name.count(":") == 1 and os.access(place / "energy_uj", os.R_OK)
    ]
    if not packages:
        return None
    ranges = [int((place / "max_energy_range_uj").read_text()) for place in packages]
    last = [0] * len(packages)
    turns = [0] * len(packages)

    def joules() -> float:
        for index, place in enumerate(packages):
            value = int((place / "energy_uj").read_text())
            turns[index] += value < last[index]
            last[index] = value
        total = sum(v + t * r for v, t, r in zip(last, turns, ranges, strict=True))
        return total / 1e6

    return joules
