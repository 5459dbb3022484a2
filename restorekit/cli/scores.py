"""What the commands that score have in common: lists of metrics, tables, JSON and pages of results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.errors import UsageError
from restorekit.images.failures import shown
from restorekit.task import LOOKS

if TYPE_CHECKING:
    from restorekit.evaluation import Results
    from restorekit.metrics import Metric
    from restorekit.report import Section

METRICS = ("psnr-y", "psnr", "ssim-y", "lpips")
SHOWN = 12  # pictures in a report


def words(text: str | None) -> list[str]:
    """The words of a comma-separated list."""
    return [word for word in (text or "").split(",") if word]


def metric_list(given: str | None, usual: Sequence[str]) -> list[str | Metric]:
    """The metrics asked for, or the usual ones; UsageError for an unknown one, or for none.

    Plugins are asked for theirs only where a name is none of restorekit's own.
    """
    from restorekit import plugins
    from restorekit.metrics import metric_names

    named = list(usual) if given is None else words(given)
    if not named:
        raise UsageError(f"--metrics names none; known are {', '.join(metric_names())}")
    if set(named) <= set(metric_names()):
        return [*named]
    added, problems = plugins.metrics()
    unknown = sorted(set(named) - {*metric_names(), *added})
    if unknown:
        known = ", ".join([*metric_names(), *added])
        raise UsageError("; ".join([f"--metrics {unknown[0]!r} is none of {known}", *problems]))
    return [added.get(name, name) for name in named]


def say(results: Results, notes: Iterable[str] = ()) -> None:
    """The table, and what was not run."""
    clear = "\r\x1b[K" if _watched() else ""
    click.echo(clear, nl=False, err=True)
    click.echo(results.table())
    for note in (*results.not_run, *notes):
        click.echo(shown(f"not run: {note}"), err=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """A record as a file of JSON, its folder made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def write_report(path: Path, title: str, results: Results, baselines: Sequence[str]) -> None:
    """The page of an evaluation: its table, its plot, and sliders from a baseline to the last look."""
    from restorekit.evaluation import machine

    parts = [section("", results, baselines)]
    write_page(path, title, parts, {**facts_of(results), **machine()})


def write_page(
    path: Path, title: str, sections: Sequence[Section], facts: Mapping[str, str]
) -> None:
    """A page of results as a file, its folder made as needed."""
    from restorekit.report import page

    lead = (
        "Means over the pictures with half their 95 % intervals. Drag across a picture to compare; "
        "the crops follow the pointer."
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(title, lead, sections, facts), encoding="utf-8")
    click.echo(f"wrote {path}", err=True)


def section(
    heading: str, results: Results, baselines: Sequence[str], truth: str = "truth"
) -> Section:
    """The results of one evaluation as a part of a page; truth: its name among the pictures."""
    from restorekit.report import Figure, Section

    own = [name for name in results.values if name not in baselines]
    looks = [name for name in own if name in LOOKS] or own
    left, right = [*baselines, truth][0], looks[-1]
    figures = [Figure(case, shown, left, right, truth) for case, shown in results.pictures.items()]
    return Section(heading, results.rows(), trade_off(results), figures)


def trade_off(results: Results) -> str:
    """The perception-distortion plot (Blau and Michaeli 2018); "" without PSNR and LPIPS."""
    from restorekit import report

    distortion = next((m for m in results.metrics if m.startswith("psnr")), None)
    perception = next((m for m in results.metrics if m.startswith("lpips")), None)
    if distortion is None or perception is None:
        return ""
    points = [
        report.Point(
            name,
            results.mean(name, distortion),
            results.mean(name, perception),
            _curve(name),
        )
        for name in _along_curves(results.values)
    ]
    return report.plot(
        points, f"{distortion}, dB (more is better)", f"{perception} (less is better)"
    )


def _curve(method: str) -> str:
    """What a method varies, with others: the fidelity, from look to look, or a look's steps."""
    if method.endswith(" steps"):
        return method.partition(",")[0]
    return "fidelity" if method in LOOKS or method.startswith("fidelity ") else ""


def _along_curves(methods: Iterable[str]) -> list[str]:
    """Methods ordered so that a curve's points follow each other: by fidelity, by steps."""

    def key(name: str) -> float:
        ends = {"sharp": 0.0, "faithful": 1.0}
        word = name.removeprefix("fidelity ").rpartition(", ")[2].removesuffix(" steps")
        try:
            return ends[name] if name in ends else float(word)
        except ValueError:
            return 0.0

    return sorted(methods, key=key)


def facts_of(results: Results) -> dict[str, str]:
    """What was scored, a line each."""
    flat: dict[str, str] = {}
    for name, value in results.about.items():
        pairs = value.items() if isinstance(value, Mapping) else ()
        flat[name] = ", ".join(f"{k} {v}" for k, v in pairs if v is not None) or str(value)
    return flat


def tell(case: str, method: str) -> None:
    """Name what is at work on a terminal's line."""
    click.echo(f"\r\x1b[K{case}: {method}", nl=False, err=True) if _watched() else None


def _watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
