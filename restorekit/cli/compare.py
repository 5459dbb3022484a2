"""`restorekit compare A B`: two folders of results against each other, or both against a reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from restorekit.cli.paths import PLACE
from restorekit.cli.scores import (
    METRICS,
    SHOWN,
    metric_list,
    say,
    section,
    tell,
    write_json,
    write_page,
)
from restorekit.errors import UsageError
from restorekit.images.failures import shown

if TYPE_CHECKING:
    from restorekit.evaluation import Case, Results
    from restorekit.metrics import Metric


@click.command(name="compare")
@click.argument("a", type=PLACE)
@click.argument("b", type=PLACE)
@click.option("--reference", type=PLACE, help="The truth; both are scored against it.")
@click.option("--metrics", help=f"Comma-separated.  [default: {','.join(METRICS)}]")
@click.option("--json", "json_out", type=PLACE, help="Write the scores here.")
@click.option("--report", type=PLACE, help="Write a page with sliders here.")
def command(
    a: Path,
    b: Path,
    reference: Path | None,
    metrics: str | None,
    json_out: Path | None,
    report: Path | None,
) -> int:
    """Compare A with B, two folders of pictures matched by name, or two files.

    Without --reference: how far B is from A, picture by picture. With it: the scores of both, and
    their difference with its 95 % interval over the pictures.
    """
    from restorekit import evaluation

    named = metric_list(metrics, METRICS)
    _check_needs(named)
    folders = _names(a, b)
    if reference is not None:
        folders["reference"] = reference
    matched, notes = _matched(folders)
    first, second = list(folders)[:2]
    scored = [second] if reference is None else [first, second]
    results = evaluation.evaluate(
        _cases(matched, truth=first if reference is None else "reference"),
        {name: _reading(name) for name in scored},
        named,
        keep=SHOWN if report else 0,
        about={"a": shown(a), "b": shown(b), "reference": shown(reference) if reference else None},
        tell=tell,
    )
    paired = {} if reference is None else _paired(results, first, second)
    say(results, notes)
    click.echo()
    if reference is None:
        click.echo(evaluation.as_text(_per_picture(results, second)))
        click.echo(_equal(matched, first, second))
    else:
        click.echo(evaluation.as_text(_paired_rows(paired, first, second)))
    if json_out:
        write_json(json_out, {**results.to_json(), "paired": paired})
    if report:
        truth = "truth" if reference else first
        renamed = {
            case: {truth if name == "truth" else name: image for name, image in pictures.items()}
            for case, pictures in results.pictures.items()
        }
        part = section("", replace(results, pictures=renamed), [first], truth)
        write_page(report, f"{first} and {second}", [part], evaluation.machine())
    return 0


def _check_needs(metrics: Iterable[str | Metric]) -> None:
    """UsageError for a metric of what two folders of results do not tell: a source, or a mask."""
    from restorekit.metrics.protocol import NEEDED, protocol_for

    for name in (metric for metric in metrics if isinstance(metric, str)):
        needs = protocol_for(name).needs
        if needs in ("source", "hole"):
            raise UsageError(
                f"--metrics {name} needs {NEEDED[needs]}; `restorekit evaluate` has it"
            )


def _names(a: Path, b: Path) -> dict[str, Path]:
    """What the two are called: by their last names, or A and B where these are the same."""
    names = [shown(place.resolve().name) for place in (a, b)]
    if len({*names, "reference", "truth", ""}) < 5:
        names = ["A", "B"]
    return dict(zip(names, (a, b), strict=True))


def _matched(folders: Mapping[str, Path]) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """(files by picture, then by folder; notes on pictures that some folder has not)."""
    if all(place.is_file() for place in folders.values()):
        name = shown(next(iter(folders.values())).stem)
        return {name: dict(folders)}, []
    found = {name: _pictures(place) for name, place in folders.items()}
    common = sorted(set.intersection(*(set(files) for files in found.values())))
    if not common:
        places = " and ".join(str(place) for place in folders.values())
        raise UsageError(f"{places} have no picture of one name")
    notes = [
        f"{folders[name] / str(picture)}: not in every folder"
        for name, files in found.items()
        for picture in sorted(set(files) - set(common))
    ]
    return {p: {name: files[p] for name, files in found.items()} for p in common}, notes


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their path without its ending."""
    from restorekit.images.formats import is_image_suffix

    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give two folders, or two files")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or not path.is_file() or not is_image_suffix(path):
            continue
        name = shown(inside.with_suffix("").as_posix())
        if name in found:
            raise UsageError(f"{found[name]} and {path} have one name; leave one of them out")
        found[name] = path
    if not found:
        raise UsageError(f"no pictures in {folder}")
    return found


def _cases(matched: Mapping[str, Mapping[str, Path]], truth: str) -> Iterator[Case]:
    from restorekit.evaluation import Case, as_rgb
    from restorekit.images import read

    for name, files in matched.items():
        pictures = {folder: read(path) for folder, path in files.items()}
        yield Case(name, pictures, as_rgb(pictures[truth]))


def _reading(name: str) -> Any:
    """The method that gives the picture of a folder."""
    from restorekit.evaluation import as_rgb

    return lambda case, size: as_rgb(case.inputs[name])  # noqa: ARG005 (sizes are as they are)


def _per_picture(results: Results, method: str) -> list[list[str]]:
    rows = [["", *results.metrics]]
    for number, case in enumerate(results.cases):
        values = (results.values[method][metric] for metric in results.metrics)
        cells = (f"{v[number]:.4g}" if len(v) == len(results.cases) else "" for v in values)
        rows.append([case, *cells])
    return rows


def _paired(results: Results, first: str, second: str) -> dict[str, dict[str, Any]]:
    """For each metric: the mean of second − first, its interval, and how often it is better."""
    from restorekit.evaluation.results import finite
    from restorekit.metrics import interval

    found = {}
    for metric in results.metrics:
        a, b = (np.array(results.values[name][metric]) for name in (first, second))
        with np.errstate(invalid="ignore"):
            apart = np.where(a == b, 0.0, b - a)  # 0 also where both are infinite
            mean = apart.mean() if len(apart) else np.nan
        better = apart > 0 if results.protocol(metric).higher_is_better else apart < 0
        found[metric] = {
            "mean": finite(mean),
            "interval_95": [finite(end) for end in interval(apart.tolist())],
            "better": int(better.sum()),
            "of": len(apart),
        }
    return found


def _paired_rows(
    paired: Mapping[str, Mapping[str, Any]], first: str, second: str
) -> list[list[str]]:
    rows = [["", f"{second} - {first}", "95 % interval", f"{second} better in"]]
    for metric, found in paired.items():
        mean, ends = found["mean"], found["interval_95"]
        spread = "" if None in ends else f"{ends[0]:+.4f} to {ends[1]:+.4f}"
        share = f"{found['better']} of {found['of']}"
        rows.append([metric, "" if mean is None else f"{mean:+.4f}", spread, share])
    return rows


def _equal(matched: Mapping[str, Mapping[str, Path]], first: str, second: str) -> str:
    """How many pictures are equal, value by value, at their own depth."""
    from restorekit.images import read

    def same(files: Mapping[str, Path]) -> bool:
        a, b = (read(files[name]) for name in (first, second))
        return all(_same(x, y) for x, y in ((a.color, b.color), (a.alpha, b.alpha)))

    equal: Iterable[bool] = [same(files) for files in matched.values()]
    return f"{sum(equal)} of {len(matched)} pictures are equal"


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is b is None or (a is not None and b is not None and np.array_equal(a, b))
