"""What the upscaler's weights owe to their training pictures, and what kinds of pictures they do badly.

    python benchmarks/honesty.py --train PACK PACK --data TESTSETS --json benchmarks/results/honesty.json

neighbours: the nearest training patch of patches of the sharp look's results, beside that of the same
places in the originals; results that held training pictures would be nearer. As a check of the check,
the same for patches of training pictures with noise of 3 % of their contrast. classes:
both looks on the held-back photographs by what they show.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from upscaling import cases, looks

from restorekit import evaluation
from restorekit.evaluation import BASELINES, machine, truths_in
from restorekit.metrics import luma
from restorekit.training import photographs

CELL, SIDE = 4, 12  # a patch is SIDE × SIDE means of CELL × CELL pixels: 48 pixels a side
LEAST = 6 / 255  # deviation below which a patch is too plain to be told from others
QUERIES = 40  # patches a picture
CLASS_SIDE = 512  # pixels of the middle of a held-back picture


def patches(pixels: np.ndarray, step: int) -> tuple[Tensor, Tensor]:
    """(unit vectors (P, SIDE²) of a picture's patches without their mean; their deviations (P,)).

    step: cells between neighbours.
    """
    plane = torch.from_numpy(luma(pixels).astype(np.float32))[None, None]
    means = F.avg_pool2d(plane, CELL)
    values = F.unfold(means, SIDE, stride=step)[0].T
    centred = values - values.mean(1, keepdim=True)
    return F.normalize(centred, dim=1), centred.std(1)


def queries(pictures: Iterable[np.ndarray], draw: torch.Generator) -> Iterator[Tensor]:
    """Of each picture, indices of patches that show something."""
    for picture in pictures:
        _, spread = patches(picture, 1)
        shown = (spread > LEAST).nonzero()[:, 0]
        yield shown[torch.randperm(len(shown), generator=draw)[:QUERIES]]


def nearest(wanted: Tensor, training: Iterable[np.ndarray]) -> Tensor:
    """(Q,) correlation of each wanted patch with the most alike of all training patches."""
    best = torch.full((len(wanted),), -1.0)
    for picture in training:
        found, spread = patches(picture, 2)
        best = best.maximum((wanted @ found[spread > LEAST].T).amax(1, keepdim=False))
    return best


def neighbours(train: list[np.ndarray], data: Path, model: str | None) -> dict[str, Any]:
    """Means and largest correlations with the nearest training patch."""
    sharp = looks(4.0, model)["sharp"]
    draw = torch.Generator().manual_seed(0)
    given = list(cases(lambda scale: truths_in(data / "Kodak24", scale), 4))
    truths = [case.truth for case in given]
    made = [sharp(case, case.truth.shape[:2]) for case in given]
    chosen = list(queries(truths, draw))
    noisy = [_noisy(picture) for picture in train[:: max(1, len(train) // 24)]]
    groups = {
        "results": (made, chosen),
        "originals": (truths, chosen),
        "training pictures with noise": (noisy, list(queries(noisy, draw))),
    }
    record = {}
    for name, (pictures, places) in groups.items():
        wanted = torch.cat([patches(p, 1)[0][at] for p, at in zip(pictures, places, strict=True)])
        found = nearest(wanted, train)
        record[name] = {
            "patches": len(found),
            "mean": round(float(found.mean()), 4),
            "median": round(float(found.median()), 4),
            "99th of 100": round(float(found.quantile(0.99)), 4),
        }
    return record


def _noisy(pixels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.03 * pixels.std() * CELL, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def classes(held_back: list[Path], model: str | None) -> dict[str, Any]:
    """PSNR-Y and LPIPS by the word that a photograph's name begins with."""
    methods = {"bicubic": BASELINES["bicubic"], **looks(4.0, model)}
    groups: dict[str, list[tuple[str, np.ndarray]]] = {}
    for path, picture in zip(held_back, photographs.load(held_back), strict=True):
        pixels = _middle(picture.permute(1, 2, 0).numpy())
        groups.setdefault(path.stem.partition("_")[0], []).append((path.name, pixels))
    record = {}
    for name, truths in sorted(groups.items()):
        given = cases(lambda _, truths=truths: truths, 4)
        results = evaluation.evaluate(given, methods, ("psnr-y", "lpips"), scale=4)
        table = results.to_json()["methods"]
        record[name] = {"pictures": len(truths)} | {
            method: {
                metric: round(float(np.mean(table[method][metric]["values"])), 3)
                for metric in results.metrics
            }
            for method in methods
        }
        print(name, record[name], flush=True)
    return record


def _middle(pixels: np.ndarray) -> np.ndarray:
    rows, columns = (min(CLASS_SIDE, side) // 4 * 4 for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return np.ascontiguousarray(pixels[top : top + rows, left : left + columns])


def main() -> None:
    """Measure both; print, and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="a weights file, in place of the task's own")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    kept, held_back = photographs.hold_back(photographs.find(given.train), 20)
    train = [picture.permute(1, 2, 0).numpy() for picture in photographs.load(kept)]
    record: dict[str, Any] = {"machine": machine(), "date": date.today().isoformat()}
    record["neighbours"] = neighbours(train, given.data, given.model)
    print(json.dumps(record["neighbours"], indent=1), flush=True)
    record["classes"] = classes(held_back, given.model)
    if given.json:
        given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
