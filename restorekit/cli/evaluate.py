"""`restorekit evaluate TASK`: scores on a folder of pictures whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.cli.paths import PLACE
from restorekit.cli.scores import (
    METRICS,
    SHOWN,
    metric_list,
    say,
    tell,
    words,
    write_json,
    write_report,
)
from restorekit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from restorekit.evaluation import Case, Method
    from restorekit.plugins import LoadedTask
    from restorekit.task import Option

HOLE_METRICS = ("psnr-hole", "seam")


class Tasks(click.Group):
    """A command for every installed task, made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the tasks."""
        from restorekit import plugins

        return sorted(plugins.tasks())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002
        """The command of a task; PluginError where it cannot be used."""
        from restorekit import plugins

        return task_evaluation(plugins.load(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The tasks' names alone, which are known without importing them."""
        with formatter.section("Tasks"):
            formatter.write_text(", ".join(self.list_commands(ctx)))


@click.command(cls=Tasks, name="evaluate", subcommand_metavar="TASK --data DIR [OPTIONS]...")
def command() -> None:
    """Score TASK on clean pictures: degrade them (or take --inputs), restore, compare.

    `restorekit evaluate <task> --help` lists the options, the task's own among them.
    """


OWN: list[click.Parameter] = [
    click.Option(
        ["--data", "truths"],
        type=PLACE,
        required=True,
        help="Folder of clean pictures.",
    ),
    click.Option(
        ["--inputs"],
        multiple=True,
        metavar="[NAME=]DIR",
        help="Folder of degraded pictures with the same names; else they are made from the clean "
        "ones. Again for each further input, as mask=DIR.",
    ),
    click.Option(
        ["--degradation"], help="One of the task's ways to degrade; its first by default."
    ),
    click.Option(
        ["--degrade"], multiple=True, metavar="NAME=VALUE", help="An option of the degradation."
    ),
    click.Option(["--looks"], default="", help="Comma-separated; by default all the model has."),
    click.Option(["--fidelity"], default="", help="Also these, between the looks, as 0.25,0.5."),
    click.Option(["--steps"], default="", help="Also each look in so many steps, as 1,2,4."),
    click.Option(["--against"], help="Baselines, comma-separated; by default the task's usual."),
    click.Option(["--metrics"], help="Comma-separated; by default those that fit the task."),
    click.Option(["--model"], help="Name or file of the weights."),
    click.Option(
        ["--device"], default="auto", show_default=True, help="auto, cuda, mps, xpu or cpu."
    ),
    click.Option(["--json", "json_out"], type=PLACE, help="Write the scores here."),
    click.Option(["--report"], type=PLACE, help="Write a page with sliders here."),
]


def task_evaluation(loaded: LoadedTask) -> click.Command:
    """`restorekit evaluate <task>`, with the task's options before the evaluation's own."""
    from restorekit.cli.task import click_option

    own = loaded.task.options

    def callback(**values: Any) -> int:
        task_options = {option.name: values.pop(option.name) for option in own}
        return evaluate_task(loaded, task_options, **values)

    return click.Command(
        loaded.task.name,
        callback=callback,
        params=[OWN[0], *(click_option(option) for option in own), *OWN[1:]],
        help=f"Score {loaded.task.name} on clean pictures. Degradations: {_listed(loaded)}",
    )


def _listed(loaded: LoadedTask) -> str:
    """The task's degradations with their options, as the help shows them."""

    def options(given: Iterable[Option]) -> str:
        listed = ", ".join(f"{option.name}={option.default}" for option in given)
        return f" ({listed})" if listed else ""

    return "; ".join(d.name + options(d.options) for d in loaded.task.degradations) + "."


def evaluate_task(
    loaded: LoadedTask,
    task_options: Mapping[str, Any],
    *,
    truths: Path,
    inputs: Sequence[str],
    degradation: str | None,
    degrade: Sequence[str],
    looks: str,
    fidelity: str,
    steps: str,
    against: str | None,
    metrics: str | None,
    model: str | None,
    device: str,
    json_out: Path | None,
    report: Path | None,
) -> int:
    """Score, print, write; the exit code."""
    from restorekit import evaluation

    options = loaded.task.check_options(task_options)
    named = metric_list(metrics, _usual_metrics(loaded))
    common = {"model": model, "device": device}
    settings = sweep(words(looks) or loaded.task.looks, words(fidelity), words(steps))
    own = {name: {**common, **chosen} for name, chosen in settings.items()}
    about: dict[str, Any] = {
        "task": loaded.task.name,
        "options": dict(options),
        "weights": weights(loaded, model),
    }
    cases: Iterable[Case]
    if inputs:
        if degradation is not None or degrade:
            raise UsageError(
                "--degradation and --degrade make the inputs, which --inputs gives; leave one out"
            )
        cases = evaluation.given_cases(truths, input_folders(loaded, inputs))
    else:
        how = loaded.task.check_degradation(degradation, _pairs(degrade))
        about["degradation"] = how
        multiple = options.get("scale") or 1.0
        read = evaluation.truths_in(truths, int(multiple) if multiple == int(multiple) else 1)
        cases = evaluation.degraded_cases(read, loaded.hooks, {**options, **how})
    first, cases = _begun(cases)
    scale = options.get("scale") or (1.0 if _fits(first) else None)
    resizes = "scale" in options or scale is None
    baselines, notes = baseline_list(against, loaded, resizes)
    methods: dict[str, Method] = {name: evaluation.BASELINES[name] for name in baselines}
    methods |= {name: restoring(loaded, options, chosen) for name, chosen in own.items()}
    results = evaluation.evaluate(
        cases,
        methods,
        named,
        scale=scale,
        keep=SHOWN if report else 0,
        about=about,
        tell=tell,
    )
    say(results, notes)
    if json_out:
        write_json(json_out, results.to_json())
    if report:
        write_report(report, f"restorekit {loaded.task.name}", results, baselines)
    return 0


def _begun(cases: Iterable[Case]) -> tuple[Case, Iterable[Case]]:
    """The first case, and all of them."""
    rest = iter(cases)
    first = next(rest)
    return first, itertools.chain([first], rest)


def _fits(case: Case) -> bool:
    """Whether the picture has its truth's size."""
    return (case.picture.height, case.picture.width) == case.truth.shape[:2]


def _pairs(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, several times, as a mapping."""
    for pair in given:
        if "=" not in pair:
            raise UsageError(f"--degrade {pair!r} is no NAME=VALUE, as sigma=25")
    return {name: value for name, _, value in (pair.partition("=") for pair in given)}


def _usual_metrics(loaded: LoadedTask) -> tuple[str, ...]:
    return METRICS + (HOLE_METRICS if "mask" in loaded.task.inputs else ())


def baseline_list(
    given: str | None, loaded: LoadedTask, resizes: bool
) -> tuple[list[str], list[str]]:
    """(baselines asked for, or the task's usual ones that can run; notes on those that cannot).

    Raises UsageError for one that is unknown, or asked for and not installed.
    """
    from restorekit.evaluation import BASELINES, missing_package, usual_baselines

    named = words(given) if given is not None else usual_baselines(loaded.task.inputs, resizes)
    wrong = sorted(set(named) - set(BASELINES))
    if wrong:
        raise UsageError(f"--against {wrong[0]!r} is none of {', '.join(BASELINES)}")
    lacking = {name: missing_package(name) for name in named if missing_package(name)}
    notes = [
        f"{name}: the package {package} is not installed; pip install "
        + ("bm3d" if package == "bm3d" else "'restorekit[benchmarks]'")
        for name, package in lacking.items()
    ]
    if notes and given is not None:
        raise UsageError(f"--against {notes[0]}")
    return [name for name in named if name not in lacking], notes


def sweep(
    looks: Sequence[str], fidelities: Sequence[str] = (), steps: Sequence[str] = ()
) -> dict[str, dict[str, str]]:
    """Settings by the name of the method: the looks, what lies between them, other steps."""
    found = {look: {"look": look} for look in looks}
    found |= {f"fidelity {value}": {"fidelity": value} for value in fidelities}
    found |= {
        f"{look}, {count} steps": {"look": look, "steps": count}
        for look in looks
        for count in steps
    }
    return found


def input_folders(loaded: LoadedTask, given: Sequence[str]) -> dict[str, Path]:
    """A folder for each input of the task, from --inputs; the first may come without its name.

    Raises UsageError where the first is missing, one has two folders, or a name is empty.
    """
    names = loaded.task.inputs
    found: dict[str, Path] = {}
    for text in given:
        name, sign, folder = text.partition("=")
        named = bool(sign) and name in names
        if sign and not named and name.isidentifier() and not Path(text).exists():
            raise UsageError(f"--inputs {text!r}: there is no input {name}; of {', '.join(names)}")
        key, place = (name, folder) if named else (names[0], text)
        if not place:
            raise UsageError(f"--inputs {text!r} names no folder; write {key}=DIR")
        if key in found:
            raise UsageError(
                f"--inputs has two folders of {key}, {found[key]} and {place}; the task takes one of "
                f"each: {', '.join(names)}"
            )
        found[key] = Path(place)
    if names[0] not in found:
        raise UsageError(f"--inputs lacks the pictures to restore: add {names[0]}=DIR")
    return {name: found[name] for name in names if name in found}


def weights(loaded: LoadedTask, model: str | None) -> dict[str, str]:
    """The name and the hash of the weights that are scored."""
    from restorekit.models import store
    from restorekit.models.find import find

    card = store.read_card(find(model or loaded.task.model, loaded.hooks))
    return {"name": card.name, "sha256": card.tensors_sha256}


def restoring(loaded: LoadedTask, options: Mapping[str, Any], common: Mapping[str, Any]) -> Method:
    """A method of `restorekit.evaluation` that restores with these options. Raises UsageError."""
    from restorekit.cli.task import restorer
    from restorekit.evaluation import as_rgb
    from restorekit.jobs.settings import Settings

    made = restorer(loaded, options, Settings.of(loaded.task, common))
    beside = loaded.task.inputs[1:]

    def method(case: Case, size: tuple[int, int]) -> np.ndarray:  # noqa: ARG001 (the task's choice)
        companions = {name: case.inputs[name] for name in beside if name in case.inputs}
        return as_rgb(made(case.picture, companions=companions))

    return method
