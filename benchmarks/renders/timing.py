"""Seconds of denoise-render and of Open Image Denoise for a picture of 1920 × 1080, in one run.

    python benchmarks/renders/timing.py [--model denoise-render.safetensors]

With albedo and normals, from arrays to arrays, in turn, after one run each that is not counted: median
times, and the median and quartiles of the pairs' ratios. Writes benchmarks/results/renders-speed.json.
"""

# pyright: reportMissingImports=false
# Open Image Denoise is not among the project's dependencies.

from __future__ import annotations

import argparse
import datetime
import json
import time
from pathlib import Path

import measure
import numpy as np

from restorekit.evaluation import machine

WIDTH, HEIGHT = 1920, 1080
RESULT = measure.RESULTS / "renders-speed.json"


def picture() -> dict[str, np.ndarray]:
    """A noisy render of a wall of tiles, some in shadow."""
    rng = np.random.default_rng(0)
    tiles = np.kron(rng.random((HEIGHT // 40, WIDTH // 40, 3)), np.ones((40, 40, 1)))
    albedo = (0.1 + 0.8 * tiles).astype(np.float32)
    noise = rng.exponential(1, (HEIGHT, WIDTH, 1)).astype(np.float32)
    normal = np.tile(np.array([0, 0, 1], np.float32), (HEIGHT, WIDTH, 1))
    return {"image": albedo * noise, "albedo": albedo, "normal": normal}


def seconds(methods: dict[str, measure.Method], runs: int) -> dict[str, np.ndarray]:
    """Times (runs,) of each; they take turns, so that a slow minute is everybody's."""
    inputs, found = picture(), {name: np.zeros(runs + 1) for name in methods}
    for run in range(runs + 1):
        for name, work in methods.items():
            began = time.perf_counter()
            work(inputs)
            found[name][run] = time.perf_counter() - began
    return {name: times[1:] for name, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="weights other than the task's own")
    parser.add_argument("--runs", type=int, default=31)
    given = parser.parse_args()
    methods = {
        "restorekit": measure.restorekit_method(given.model),
        "Open Image Denoise": measure.open_image_denoise,
    }
    found = seconds(methods, given.runs)
    low, middle, high = np.quantile(
        found["restorekit"] / found["Open Image Denoise"], (0.25, 0.5, 0.75)
    )
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "size": [WIDTH, HEIGHT],
        "pairs": given.runs,
        "seconds": {name: float(np.median(times)) for name, times in found.items()},
        "ratio": float(middle),
        "quartiles": [float(low), float(high)],
    }
    RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
