"""Write measured figures where people read them: the README, docs/benchmarks.md, the models' cards.

`python benchmarks/publish.py benchmarks/results/full.json`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restorekit import plugins
from restorekit.cli.evaluate import weights
from restorekit.models.find import find
from restorekit.task import LOOKS
from restorekit.training.export import annotate

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
METRICS = {"psnr-y": "PSNR-Y, dB (more is better)", "lpips": "LPIPS (AlexNet; less is)"}


def table(name: str, record: dict[str, Any]) -> list[str]:
    """A row a method of one test set, with half the width of the 95 % interval."""
    metrics = [m for m in METRICS if m in next(iter(record["methods"].values()))]
    head = f"| {name} | " + " | ".join(METRICS[m] for m in metrics) + " |"
    rows = [head, "|---" * (len(metrics) + 1) + "|"]
    for method, scores in record["methods"].items():
        if "fidelity" in method or "steps" in method:  # these are for the plot
            continue
        label = f"**restorekit, {method}**" if method in LOOKS else method
        rows.append(f"| {label} | " + " | ".join(_cell(m, scores[m]) for m in metrics) + " |")
    return rows


def _cell(metric: str, score: dict[str, Any]) -> str:
    digits = 2 if "psnr" in metric else 3
    low, high = score["interval_95"]
    spread = f" ± {(high - low) / 2:.{digits}f}" if low is not None and high is not None else ""
    return f"{score['mean']:.{digits}f}{spread}"


def figures(found: dict[str, Any]) -> str:
    """The README's part: Set14 ×4 beside peers, and what a megapixel costs."""
    lines = table("Set14 ×4", found["quality"]["Set14 x4"])
    speed = found["speed"]
    network, rrdb = speed["network"], speed["against_rrdbnet"]
    whole, large = speed["engine_overhead"], speed["large_picture"]
    scored = found["quality"]["Set14 x4"]
    lines += [
        "",
        f"One megapixel of output takes {whole['seconds']:.2f} s in the faithful look. "
        f"{rrdb['seconds']:.2f} s of them are its network's, 1/{1 / rrdb['ratio']:.0f} of the time of "
        f"Real-ESRGAN's (RRDBNet) on the same machine, at {100 * network['share_of_peak']:.0f} % of "
        f"its measured convolution rate. A picture of 24 megapixels becomes one of 384 in "
        f"{large['gibibytes']:.1f} GiB of memory.",
        "",
        "What the columns mean is in [docs/benchmarks.md](docs/benchmarks.md#metrics). "
        f"Scores {_measured(scored)}, times {_timed(found)}; "
        "8-bit results, every picture as RGB, a border of 4 pixels left out for "
        "PSNR-Y, intervals of 95 % over pictures. Everything in "
        "[benchmarks/results/full.json](benchmarks/results/full.json), made by "
        "`python benchmarks/run.py --suite full`.",
    ]
    return "\n".join(lines)


def speeds(found: dict[str, Any]) -> str:
    """The documentation's part: restorekit's time over others', in one run."""
    speed = found["speed"]
    ratios = {"upscale over RRDBNet": speed["against_rrdbnet"], **speed["rivals"]}
    rows = [
        f"| {name} | {found['ratio']:.2g} | {found['least']:.2g} to {found['greatest']:.2g} |"
        for name, found in ratios.items()
        if "ratio" in found  # what is not installed was not run
    ]
    return "\n".join(
        [
            "| restorekit's time over another's | median | of the runs |",
            "|---|---|---|",
            *rows,
            "",
            f"Times {_timed(found)}; less than 1 is faster than the other.",
        ]
    )


def _timed(found: dict[str, Any]) -> str:
    """When and where times were taken; of other weights where the scores are of later ones."""
    speed = found["speed"]
    before = found["quality"]["Set14 x4"]["date"] > speed["measured"]["date"]
    network = (
        f" by a network of {speed['network']['kmac_per_pixel']:.0f} kMAC a pixel, before this one"
    )
    return _measured(speed["measured"]) + (network if before else "")


def _measured(record: dict[str, Any]) -> str:
    machine = record["machine"]
    name = machine["processor"].replace("(R)", "")
    cores, torch = machine["threads"], machine["torch"]
    return f"of {record['date']} on {cores} cores ({name}, torch {torch})"


def card_scores(found: dict[str, Any], task: str) -> dict[str, Any]:
    """Means of a task's looks on every set, for its card."""
    tables = {name: r for name, r in found["quality"].items() if r["task"] == task}
    scores: dict[str, Any] = {
        "command": "python benchmarks/run.py --suite full",
        "date": max(record["date"] for record in tables.values()),
    }
    for name, record in tables.items():
        scores[name] = {
            look: {
                metric: value["mean"]
                for metric, value in record["methods"][look].items()
                if isinstance(value, dict)
            }
            for look in LOOKS
            if look in record["methods"]
        }
    return scores


def write(page: Path, part: str) -> None:
    """Put a text between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{part}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Publish one results file."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if stale := [*outdated(found, "upscale")]:
        raise SystemExit(
            f"scored with other weights than are installed, run anew: {', '.join(stale)}"
        )
    write(ROOT / "README.md", figures(found))
    write(ROOT / "docs" / "benchmarks.md", speeds(found))
    for task in sorted({record["task"] for record in found["quality"].values()}):
        if stale := [*outdated(found, task)]:
            print(f"{task}: its card is left, scored with other weights: {', '.join(stale)}")
        else:
            loaded = plugins.load(task)
            annotate(find(loaded.task.model, loaded.hooks), card_scores(found, task))


def outdated(found: dict[str, Any], task: str) -> Iterator[str]:
    """Tables of a task that were scored with other weights than are installed."""
    installed = weights(plugins.load(task), None)
    for name, record in found["quality"].items():
        if record["task"] == task and record.get("weights") != installed:
            yield name


if __name__ == "__main__":
    main()
