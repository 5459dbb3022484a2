"""What samplers cost beside the network: `python benchmarks/samplers.py [STEPS]`, a table on stdout.

Every sampler of the table runs at one megapixel with a denoiser that does nothing and noise that is
ready; what is left is its arithmetic. The share is of as many of the default upscaler's network calls.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

import torch
from speed import MEGAPIXEL, bare_call, paired, restorer

from restorekit import device as devices
from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS, count_evaluations
from restorekit.engine.schedules import uniform_times

LIMIT = 0.02


def sampling(name: str, steps: int) -> tuple[Callable[[], object], int]:
    """(one sampling on the shipped path without a network, how often it would call one)."""
    path, times = PATHS["flow_from_source"](), uniform_times(steps)
    y, x0, x, z = torch.rand(4, 1, 3, *MEGAPIXEL)

    def run() -> None:
        with torch.inference_mode():
            sample(SAMPLERS[name], lambda *_: x0, path, y, x, times, lambda _: z)

    return run, count_evaluations(SAMPLERS[name], path, times)


def overhead(steps: int = 10, runs: int = 7) -> dict[str, dict[str, float]]:
    """Of each sampler: its arithmetic over the bare network, call for call, in turn with it."""
    network, found = bare_call(restorer(), MEGAPIXEL), {}
    for name in SAMPLERS:
        run, calls = sampling(name, steps)
        ratio = paired(run, network, runs)
        found[name] = {key: ratio[key] / calls for key in ("ratio", "least", "greatest", "seconds")}
    return found


if __name__ == "__main__":
    devices.keep_freed_memory()  # as a restorer does
    shares = overhead(*(int(word) for word in sys.argv[1:]))
    print("sampler                share  least  greatest  ms a call")
    for name, row in shares.items():
        above = " above 2 %" if row["ratio"] > LIMIT else ""
        print(
            f"{name:22} {row['ratio']:6.2%} {row['least']:6.2%} {row['greatest']:7.2%}"
            f" {1e3 * row['seconds']:9.2f}{above}"
        )
    print(f"median of all: {statistics.median(row['ratio'] for row in shares.values()):.2%}")
