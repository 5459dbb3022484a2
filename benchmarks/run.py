"""Benchmarks: `python benchmarks/run.py [--suite smoke|full] [--baseline FILE] [--out FILE]`.

smoke: bundled photographs and speed ratios, compared with a committed baseline; minutes. full: the
test sets beside peers, and every speed and memory figure; needs a quiet machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import quality
import speed

from restorekit.evaluation import Results, machine

QUALITY_TOLERANCE = {"psnr-y": 0.02, "psnr": 0.02, "ssim-y": 0.001, "lpips": 0.002}


def smoke() -> dict[str, Any]:
    """What every machine can make: scores of small crops, and ratios that hold on any processor."""
    return {
        "quality": {
            "bundled x4": summary(quality.bundled(4)),
            "bundled x2": summary(quality.bundled(2)),
        },
        "speed": {
            "engine_overhead": speed.engine_overhead(1024, 1024, tiled=False, runs=5),
            "start_up": speed.start_up(5),
        },
    }


def full() -> dict[str, Any]:
    """Every figure that the documentation shows."""
    scores: dict[str, Any] = {"bundled x4": summary(quality.bundled(4))}
    data = quality.data_folder()
    if data is None:
        print("not run: Set14 and Kodak24 (set RESTOREKIT_DATA to the folder that holds testsets/)")
    else:
        for scale in (4, 3, 2):
            scores[f"Set14 x{scale}"] = show(f"Set14 x{scale}", quality.set14(data, scale))
        for scale in (4, 3, 2):
            scores[f"Kodak24 x{scale}"] = show(f"Kodak24 x{scale}", quality.kodak24(data, scale))
    return {"quality": scores, "speed": speeds()}


def speeds() -> dict[str, Any]:
    """Times, ratios and memory."""
    found = {
        "network": speed.network_share(),
        "against_rrdbnet": speed.against_rrdbnet(),
        "pieces": speed.pieces(),
        "engine_overhead": speed.engine_overhead(1024, 1024, tiled=False, runs=9),
        "engine_overhead_tiled_24mp": speed.engine_overhead(4096, 5888, tiled=True, runs=3),
        "start_up": speed.start_up(),
        "large_picture": speed.large_picture(),
    }
    print(json.dumps(found, indent=1))
    return found


def show(name: str, results: Results) -> dict[str, Any]:
    """Print a table, and give its summary."""
    print(f"\x1b[K{name}\n{results.table()}")
    return summary(results)


def summary(results: Results) -> dict[str, Any]:
    """The means of an evaluation with their intervals and protocols."""
    record = results.to_json()
    for method in record["methods"].values():
        for metric in results.metrics:
            del method[metric]["values"]
    return {key: record[key] for key in ("cases", "protocols", "methods", "not_run")}


def compare(found: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """What fell below the baseline: quality beyond its tolerance, speed beyond its bar."""
    fallen = []
    for suite, record in baseline["quality"].items():
        for method, scores in record["methods"].items():
            now = found["quality"][suite]["methods"][method]
            for metric, tolerance in QUALITY_TOLERANCE.items():
                if metric in scores and metric in now:
                    before, after = scores[metric]["mean"], now[metric]["mean"]
                    if abs(before - after) > tolerance:
                        fallen.append(f"{suite}, {method}, {metric}: {before} was, {after} is")
    for name, bar in baseline.get("bars", {}).items():
        piece, key = name.split(".")
        value = found["speed"][piece][key]
        if value > bar:
            fallen.append(f"{name}: {value:.3f}, above its bar of {bar}")
    return fallen


def main() -> int:
    """Run a suite, print and write it, compare; 1 where something fell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", choices=["smoke", "full", "speed"], default="smoke")
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    suites = {"smoke": smoke, "full": full, "speed": lambda: {"quality": {}, "speed": speeds()}}
    found = {
        "suite": arguments.suite,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        **suites[arguments.suite](),
    }
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.baseline is None:
        return 0
    fallen = compare(found, json.loads(arguments.baseline.read_text(encoding="utf-8")))
    for line in fallen:
        print(f"fell: {line}")
    print(f"{'FAILED' if fallen else 'ok'}: compared with {arguments.baseline}")
    return int(bool(fallen))


if __name__ == "__main__":
    sys.exit(main())
