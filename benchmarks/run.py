"""Benchmarks: `python benchmarks/run.py [--suite NAME] [--baseline FILE] [--out FILE]`.

smoke: bundled photographs and speed ratios, minutes. full: quality and speed. quality: every task on
its test sets, beside classical methods and peers. speed: seconds and memory, on a quiet machine. gpu:
the same on a CUDA card. energy: joules a megapixel. Each leaves results.json and report.html in
benchmarks/results/latest; with --baseline, a figure that fell is told and the exit code is 1.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import energy
import gpu
import quality
import regress
import rivals
import samplers
import speed

from restorekit import device as devices
from restorekit.cli.scores import section, write_json, write_page
from restorekit.evaluation import BASELINES, Results, machine
from restorekit.models.store import read_card
from restorekit.report import Section

LATEST = Path(__file__).resolve().parent / "results" / "latest"


class Run:
    """What a run has found so far: a record for JSON, and sections of its page."""

    def __init__(self, suite: str, model: Path | None = None, only: str = "") -> None:
        self.only = only
        self.models = {read_card(model).task: str(model)} if model else {}
        self.record: dict[str, Any] = {
            "suite": suite,
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "quality": {},
            "speed": {},
        }
        self.sections: list[Section] = []

    def score(self, suites: Sequence[quality.Suite]) -> None:
        """Run suites of quality, print their tables and keep them."""
        for suite in (s for s in suites if self.only in s.name):
            results = suite.run(self.models.get(suite.task))
            print(f"\x1b[K{suite.name}\n{results.table()}")
            for note in results.not_run:
                print(f"not run: {note}")
            self.record["quality"][suite.name] = summary(results) | {
                "machine": self.record["machine"]
            }
            others = [name for name in results.values if name in BASELINES]
            self.sections.append(section(suite.name, results, others))

    def measure(self, part: str, found: dict[str, Any]) -> None:
        """Print figures by name and keep them as a part of the record."""
        print(json.dumps(found, indent=1))
        when = {name: self.record[name] for name in ("date", "machine")}
        self.record[part] = {**found, "measured": when}
        rows = [["", "", ""]]
        for name, values in found.items():
            pairs = values.items() if isinstance(values, dict) else [("", values)]
            rows += [[name, key, _shown(value)] for key, value in pairs]
        self.sections.insert(0, Section(part, rows))


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def smoke(run: Run) -> None:
    """What every machine can make: scores of small crops, and ratios that hold on any processor."""
    # Times first: in memory that scoring has left in pieces the same call takes longer.
    run.measure(
        "speed",
        {
            "engine_overhead": speed.engine_overhead(1024, 1024, runs=31),
            "start_up": speed.start_up(5),
        },
    )
    run.score(quality.bundled())


def all_quality(run: Run) -> None:
    """Every score that the documentation shows."""
    run.score(quality.bundled())
    data = quality.data_folder()
    if data is None:
        print("not run: test sets (set RESTOREKIT_DATA to the folder that holds testsets/)")
    else:
        run.score(quality.full(data))


def all_speed(run: Run) -> None:
    """Times, ratios and memory."""
    run.measure(
        "speed",
        {
            "network": speed.network_share(),
            "copy": speed.copy_rate(),
            "against_rrdbnet": speed.against_rrdbnet(),
            "pieces": speed.pieces(),
            "engine_overhead": speed.engine_overhead(1024, 1024, runs=9),
            "engine_overhead_24mp": speed.engine_overhead(4096, 5888, runs=3),
            "engine_overhead_24mp_small_calls": speed.engine_overhead(
                4096, 5888, runs=3, budget=1 << 23
            ),
            "samplers": samplers.overhead(),
            "rivals": rivals.figures(),
            "rivals' versions": rivals.versions(),
            "denoising": speed.denoising(),
            "filling": speed.filling(),
            "tile_invariance": speed.tile_invariance(),
            "start_up": speed.start_up(),
            "large_picture": speed.large_picture(),
        },
    )


def full(run: Run) -> None:
    """Every figure that the documentation shows."""
    all_quality(run)
    all_speed(run)


def on_gpu(run: Run) -> None:
    """What a CUDA card does; a word where there is none."""
    if not gpu.available():
        print("not run: gpu: torch finds no CUDA card here")
    else:
        run.record["card"] = gpu.card()
        run.measure("gpu", gpu.figures())


def all_energy(run: Run) -> None:
    """Joules a megapixel."""
    run.measure("energy", energy.figures())


SUITES: dict[str, Callable[[Run], None]] = {
    "smoke": smoke,
    "full": full,
    "quality": all_quality,
    "speed": all_speed,
    "gpu": on_gpu,
    "energy": all_energy,
}


def summary(results: Results) -> dict[str, Any]:
    """The means of an evaluation with their intervals and protocols."""
    record = results.to_json()
    for method in record["methods"].values():
        for metric in results.metrics:
            del method[metric]["values"]
    kept = ("date", "task", "weights", "options", "cases", "data_sha256", "protocols", "methods")
    return {key: record[key] for key in (*kept, "not_run")}


def _read(record: Path) -> dict[str, Any]:
    return json.loads(record.read_text(encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a suite, print and write it, compare; 1 where something fell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", choices=list(SUITES), default="smoke")
    parser.add_argument("--baseline", type=Path, help="results.json of a run to compare with")
    parser.add_argument(
        "--out", type=Path, help="put the figures here too, as JSON; it keeps those not made now"
    )
    parser.add_argument(
        "--only",
        default="",
        help="score only the tables whose names contain this",
    )
    parser.add_argument("--model", type=Path, help="a weights file, in place of its task's own")
    given = parser.parse_args(arguments)
    # Before the run: --out may be the same file.
    baseline = _read(given.baseline) if given.baseline else None
    devices.keep_freed_memory()  # as a restorer does
    run = Run(given.suite, given.model, given.only)
    SUITES[given.suite](run)
    if given.out and given.out.exists():
        before = _read(given.out)
        for part in ("quality", "speed"):
            run.record[part] = before.get(part, {}) | run.record[part]
        run.record = before | run.record
    for target in filter(None, (LATEST / "results.json", given.out)):
        write_json(target, run.record)
    (LATEST / ".gitignore").write_text("*\n", encoding="utf-8")
    facts = {**run.record["machine"], "date": run.record["date"], "suite": given.suite}
    write_page(LATEST / "report.html", "restorekit: benchmarks", run.sections, facts)
    if baseline is None:
        return 0
    changed = regress.changes(run.record, baseline)
    if changed:
        print(regress.table(changed))
    print(f"{'FAILED' if changed else 'ok'}: compared with {given.baseline}")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
