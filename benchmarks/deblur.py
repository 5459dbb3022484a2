"""Deconvolution beside scikit-image's, white noise of deviation 2, rounded to 8 bits.

    python benchmarks/deblur.py --data ../shared/data/testsets/Kodak24 --json scores.json

`restorekit-deblur` must be installed; it is scored with the kernel known and unknown. The others know
it, and get the picture with its edges repeated around it, without which their borders ring.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from restorekit_deblur import kernels  # type: ignore[import-not-found]
from skimage import restoration

from restorekit import evaluation, plugins
from restorekit.cli.evaluate import restoring
from restorekit.evaluation import BASELINES, Case, Method, as_rgb, truths_in

KERNELS: Mapping[str, Mapping[str, Any]] = {
    "gaussian 1.6": {"shape": "gaussian", "blur": 1.6},
    "gaussian 2.4": {"shape": "gaussian", "blur": 2.4},
    "motion 15": {"shape": "motion", "blur": 15.0, "angle": 30.0},
    "motion 25": {"shape": "motion", "blur": 25.0, "angle": 60.0},
}
ITERATIONS = (10, 30, 100)  # of Richardson–Lucy, whose noise grows with them
Deconvolve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def richardson_lucy(iterations: int) -> Deconvolve:
    """(H, W) in [0, 1] and a kernel → (H, W)."""
    return lambda plane, kernel: restoration.richardson_lucy(plane, kernel, num_iter=iterations)


def unsupervised_wiener(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Orieux 2010: the regularisation is estimated from the picture."""
    return np.asarray(restoration.unsupervised_wiener(plane, kernel, rng=0)[0])


def by_planes(deconvolve: Deconvolve, options: Mapping[str, Any]) -> Method:
    """A method of the evaluation: each colour by itself, with the edges repeated around it."""
    kernel = kernels.of_shape(options["shape"], options["blur"], options["angle"]).double().numpy()
    tall, wide = kernel.shape

    def method(case: Case, size: tuple[int, int]) -> np.ndarray:
        picture = np.pad(as_rgb(case.picture) / 255, ((tall, tall), (wide, wide), (0, 0)), "edge")
        planes = [deconvolve(np.ascontiguousarray(picture[..., c]), kernel) for c in range(3)]
        found = np.stack(planes, 2)[tall : tall + size[0], wide : wide + size[1]]
        return np.clip(found * 255 + 0.5, 0, 255).astype(np.uint8)

    return method


def truths(folder: Path, side: int | None) -> Iterator[tuple[str, np.ndarray]]:
    """Pictures of a folder, their middle of `side` pixels where a side is given."""
    for name, pixels in truths_in(folder):
        height, width = pixels.shape[:2]
        top, left = (0, 0) if side is None else ((height - side) // 2, (width - side) // 2)
        yield name, pixels[top : top + (side or height), left : left + (side or width)]


def main() -> None:
    """Score every kernel; print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, help="only the first so many")
    parser.add_argument("--crop", type=int, help="only the middle of so many pixels a side")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    loaded, tables = plugins.load("deblur"), {}
    for name, chosen in KERNELS.items():
        options = loaded.task.check_options(chosen)
        methods: dict[str, Method] = {"input": BASELINES["input"]}
        for count in ITERATIONS:
            methods[f"richardson-lucy {count}"] = by_planes(richardson_lucy(count), options)
        methods["unsupervised wiener"] = by_planes(unsupervised_wiener, options)
        methods["restorekit-deblur"] = restoring(loaded, options, {})
        unknown = loaded.task.check_options({})
        methods["the same, blur unknown"] = restoring(loaded, unknown, {})
        told = {**options, **loaded.task.check_degradation("blurred", {"level": 2.0})}
        pictures = itertools.islice(truths(given.data, given.crop), given.pictures)
        cases = evaluation.degraded_cases(pictures, loaded.hooks, told)
        results = evaluation.evaluate(cases, methods, ("psnr", "lpips"), about={"options": options})
        print(f"{name}\n{results.table()}\n", flush=True)
        tables[name] = results.to_json()
    if given.json:
        given.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
