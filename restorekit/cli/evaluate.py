"""`restorekit evaluate TASK`: scores on a folder of pictures whose truth is known."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from restorekit.errors import UsageError

METRICS = "psnr-y,psnr,ssim-y,lpips"


@click.command(name="evaluate")
@click.argument("task")
@click.option(
    "--data",
    "truths",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of clean pictures.",
)
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="Folder of degraded pictures with the same names; else they are made from the clean ones.",
)
@click.option(
    "--degradation", default="clean", show_default=True, help="The task's way to degrade."
)
@click.option("--scale", type=float, default=4.0, show_default=True, help="For tasks with a scale.")
@click.option("--looks", default="", help="Comma-separated; by default all that the model has.")
@click.option(
    "--against", default="bicubic,lanczos", show_default=True, help="Baselines, comma-separated."
)
@click.option("--metrics", default=METRICS, show_default=True, help="Comma-separated.")
@click.option("--model", help="Name or file of the weights.")
@click.option("--device", default="auto", show_default=True, help="auto, cuda, mps, xpu or cpu.")
@click.option("--json", "json_out", type=click.Path(path_type=Path), help="Write the scores here.")
@click.option("--report", type=click.Path(path_type=Path), help="Write a page with sliders here.")
def command(
    task: str,
    truths: Path,
    inputs: Path | None,
    degradation: str,
    scale: float,
    looks: str,
    against: str,
    metrics: str,
    model: str | None,
    device: str,
    json_out: Path | None,
    report: Path | None,
) -> int:
    """Score TASK on clean pictures: degrade them (or take --inputs), restore, compare."""
    from restorekit import evaluation, plugins
    from restorekit.metrics import metric_names

    loaded = plugins.load(task)
    named = [m for m in metrics.split(",") if m]
    unknown = sorted(set(named) - set(metric_names()))
    if unknown:
        known = ", ".join(metric_names())
        raise UsageError(f"--metrics {unknown[0]!r} is none of {known}")
    baselines = [b for b in against.split(",") if b]
    wrong = sorted(set(baselines) - set(evaluation.BASELINES))
    if wrong:
        raise UsageError(f"--against {wrong[0]!r} is none of {', '.join(evaluation.BASELINES)}")
    if any(option.name == "scale" for option in loaded.task.options):
        options = loaded.task.check_options({"scale": scale})
    else:
        scale, options = 1.0, loaded.task.check_options({})
    methods = {name: evaluation.BASELINES[name] for name in baselines}
    common = {"model": model, "device": device}
    for look in looks.split(",") if looks else loaded.task.looks:
        methods[look] = restoring(loaded, options, {**common, "look": look})
    if inputs:
        cases = evaluation.given_cases(truths, inputs)
    else:
        read = ((p.stem, _truth(p, scale)) for p in evaluation.pictures_in(truths))
        how = {**options, "degradation": degradation}
        cases = evaluation.degraded_cases(read, loaded.hooks, how)
    results = evaluation.evaluate(
        cases, methods, named, scale=scale, keep=12 if report else 0, tell=_tell
    )
    click.echo(results.table())
    for note in results.not_run:
        click.echo(f"not run: {note}", err=True)
    if json_out:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(results.to_json(), indent=1) + "\n", encoding="utf-8")
    if report:
        write_report(report, f"restorekit {task}", results, baselines)
    return 0


def restoring(loaded: Any, options: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    """A method of `restorekit.evaluation` that restores with these options."""
    from restorekit.evaluation import as_rgb
    from restorekit.jobs.restorer import Restorer
    from restorekit.jobs.settings import Settings

    restorer = Restorer(loaded, options, Settings.of(loaded.task, common))
    return lambda picture, size: as_rgb(restorer(picture))  # noqa: ARG005 (the task decides the size)


def write_report(path: Path, title: str, results: Any, baselines: list[str]) -> None:
    """The page of an evaluation: its table, and sliders between a baseline and the last look."""
    from restorekit import report

    looks = [name for name in results.values if name not in baselines]
    before, after = (baselines or looks)[0], looks[-1]
    pairs = [
        report.Pair(case, shown[before], shown[after], (before, f"restorekit, {after}"))
        for case, shown in results.pictures.items()
    ]
    rows = [["", *results.metrics]]
    for method in results.values:
        rows.append([method, *(f"{results.mean(method, m):.3f}" for m in results.metrics)])
    lead = f"{len(results.cases)} pictures. Drag across a picture to compare."
    facts = results.to_json()["machine"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.page(title, lead, pairs, table=rows, facts=facts), encoding="utf-8")
    click.echo(f"wrote {path}", err=True)


def _truth(path: Path, scale: float) -> np.ndarray:
    """A clean picture, cut so that its sides are whole multiples of a whole scale."""
    from restorekit.evaluation import as_rgb
    from restorekit.images import read

    pixels = as_rgb(read(path))
    if scale != int(scale):
        return pixels
    height, width = (side // int(scale) * int(scale) for side in pixels.shape[:2])
    if min(height, width) == 0:
        raise UsageError(f"{path} is smaller than the scale, {scale:g}; leave it out of --data")
    return pixels[:height, :width]


def _tell(case: str, method: str) -> None:
    click.echo(f"\r\x1b[K{case}: {method}", nl=False, err=True) if _watched() else None


def _watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
