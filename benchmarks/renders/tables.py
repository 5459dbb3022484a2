"""Writes the measured tables of docs/render.md, between its `<!-- figures -->` marks.

    python benchmarks/renders/tables.py

From benchmarks/results/renders.json, and guidance.json and renders-speed.json where they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "render.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
SETS = {"test": "generated", "handmade": "by hand"}
DIGITS = {"psnr": 2, "ssim": 3, "smape": 3, "lpips": 3}


def table(means: Sequence[Mapping[str, Any]], metric: str) -> Iterator[str]:
    """A row for each set, guides and number of samples, a column for each method; the best is bold."""
    methods = list(dict.fromkeys(row["method"] for row in means))
    yield f"| scenes | passes | samples | {' | '.join(methods)} |"
    yield "|---" * (3 + len(methods)) + "|"
    for place in dict.fromkeys((row["set"], row["guides"], row["samples"]) for row in means):
        mine = {r["method"]: r for r in means if (r["set"], r["guides"], r["samples"]) == place}
        values = {method: row[metric] for method, row in mine.items()}
        best = (max if metric in ("psnr", "ssim") else min)(values, key=lambda m: values[m])
        cells = [_cell(values[m], DIGITS[metric], m == best) for m in methods]
        name, guides, samples = place
        views = next(iter(mine.values()))["views"]
        yield f"| {SETS[name]} ({views}) | {guides} | {samples} | {' | '.join(cells)} |"


def _cell(value: float, digits: int, best: bool) -> str:
    text = f"{value:.{digits}f}"
    return f"**{text}**" if best else text


def against(means: Sequence[Mapping[str, Any]], ours: str, other: str, metric: str) -> float:
    """By how much one method's mean over all rows is above another's."""
    values = [
        sum(r[metric] for r in means if r["method"] == m) / sum(r["method"] == m for r in means)
        for m in (ours, other)
    ]
    return values[0] - values[1]


def page() -> Iterator[str]:
    """What stands between the marks."""
    found = _read("renders.json")
    means = found["means"]
    for metric, title in (("psnr", "PSNR in dB"), ("lpips", "LPIPS (AlexNet), less is better")):
        if metric in means[0]:
            yield from ("", f"{title}:", "", *table(means, metric))
    yield from (
        "",
        f"Measured {found['date']}: {found['protocol']}. Views of each set in brackets.",
    )
    if any(row["method"] == "Open Image Denoise" for row in means):
        dB = against(means, "restorekit", "Open Image Denoise", "psnr")
        version = found["packages"]["pyoidn"]
        yield f"Over all rows restorekit is {dB:+.2f} dB from Open Image Denoise (pyoidn {version})."
    if guidance := _read("guidance.json"):
        names = ("noisy-image guidance", "plain concatenation")
        psnr, lpips = (against(guidance["means"], *names, m) for m in ("psnr", "lpips"))
        yield (
            f"A path that starts from the noisy render is {psnr:+.2f} dB and {lpips:+.3f} LPIPS from "
            "one that starts from noise, the render only concatenated, trained alike (`guidance.py`)."
        )
    if speed := _read("renders-speed.json"):
        width, height = speed["size"]
        low, high = speed["quartiles"]
        yield (
            f"{width} × {height} takes {speed['seconds']['restorekit']:.2f} s on "
            f"{speed['machine']['threads']} threads, {speed['ratio']:.2f} of Open Image Denoise's time "
            f"(medians of {speed['pairs']} pairs, quartiles {low:.2f} and {high:.2f}; `timing.py`)."
        )


def _read(name: str) -> dict[str, Any]:
    path = RESULTS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(
        f"{before}{BEGIN}\n" + "\n".join(page()).strip() + f"\n{END}{after}", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
