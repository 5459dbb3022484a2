"""A task's command, generated from its declaration."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from restorekit.api import split_options
from restorekit.cli.paths import PLACE, Place
from restorekit.errors import DeviceError, ModelError, UsageError
from restorekit.images.failures import shown
from restorekit.jobs.settings import COMMON_OPTIONS, Settings
from restorekit.plugins import LoadedTask
from restorekit.task import Option, Task

if TYPE_CHECKING:
    from restorekit.jobs.restorer import Restorer

FORMATS = ("keep", "png", "jpg", "webp", "tiff", "gif", "avif", "jp2")


def task_command(loaded: LoadedTask) -> click.Command:
    """`restorekit <task> PHOTOS... -o OUT` with the task's options and those every task has."""
    task = loaded.task
    own = [click_option(option) for option in task.options]
    common = [click_option(option) for option in COMMON_OPTIONS if _offered(option, loaded)]
    companions = [
        click.Option(
            [f"--{c.name}"],
            type=Place(),
            metavar="FILE|FOLDER",
            required=c.required,
            help=c.help,
        )
        for c in task.companions
    ]
    files: list[click.Parameter] = [
        click.Argument(["photos"], nargs=-1, required=True, type=PLACE),
        click.Option(
            ["-o", "--out"],
            required=True,
            type=Place(),
            help="Folder for the results (or a file, for one file); the tree is mirrored.",
        ),
        click.Option(
            ["--format"],
            type=click.Choice(FORMATS),
            default="keep",
            show_default=True,
            help="Format of the results.",
        ),
        click.Option(
            ["--quality"],
            type=click.IntRange(1, 100),
            help="Of formats with loss; makes WebP lossy.",
        ),
        click.Option(
            ["--strip"], is_flag=True, help="Leave metadata out; the colour profile stays."
        ),
        click.Option(
            ["--provenance/--no-provenance"],
            default=True,
            help="Say in a result's XMP what was done to it.  [default: provenance]",
        ),
        click.Option(
            ["--samples"],
            type=click.IntRange(1, 99),
            default=1,
            help="Results of each picture by so many seeds, NAME-1 and so on, and a sheet of them; in 4 "
            "steps unless --steps says otherwise. Needs --look sharp, or --fidelity below 1.",
        ),
        click.Option(["--suffix"], default="", help="Put between a result's name and its ending."),
        click.Option(["--overwrite"], is_flag=True, help="Replace results that are there already."),
        click.Option(
            ["--max-pixels"],
            type=click.IntRange(min=1),
            help="Refuse larger pictures; by default those above 500 million.",
        ),
        click.Option(
            ["--shard"],
            default="1/1",
            metavar="I/N",
            help="Do the I-th of N parts; the parts need nothing of each other.",
        ),
        click.Option(["--plan"], is_flag=True, help="Print what would be done, and do nothing."),
        click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but errors."),
    ]

    offered = [flag for flag in files[2:] if flag.name != "samples" or "sharp" in task.looks]

    def callback(**values: Any) -> int:
        return restore_folder(loaded, values)

    return click.Command(
        task.name,
        callback=callback,
        params=[*files[:2], *companions, *own, *common, *offered],
        help=f"{task.summary}: files or folders in, OUT out.",
        epilog=_epilog(task),
    )


def _epilog(task: Task) -> str:
    """What makes the results, and where it is said of what that was made."""
    if not task.model:
        return ""
    return (
        "Results are made by a trained network on this machine; its card says by which licence and "
        f"from which pictures: restorekit models show {task.model}"
    )


def _offered(option: Option, loaded: LoadedTask) -> bool:
    return option.name not in ("look", "fidelity") or len(loaded.task.looks) > 1


def click_option(option: Option) -> click.Option:
    """An option as a flag. Values are checked by the option itself, so words are the same everywhere."""
    flag = "--" + option.name.replace("_", "-")
    if option.kind is bool:
        both = f"{flag}/--no{flag[1:]}"
        return click.Option(
            [both, option.name], default=option.default, show_default=True, help=option.help
        )
    metavar = {float: "NUMBER", int: "N", "size": "WxH", "area": "PIXELS"}.get(option.kind, "TEXT")
    return click.Option(
        [flag, option.name],
        type=click.UNPROCESSED,
        default=option.default,
        show_default=option.default is not None,
        metavar="|".join(option.choices) or metavar,
        help=option.help,
    )


def restore_folder(loaded: LoadedTask, values: dict[str, Any]) -> int:
    """Scan, plan, restore, report; the exit code."""
    photos, place = values.pop("photos"), values.pop("out")
    out = Path(place)
    kind, suffix, part = values.pop("format"), values.pop("suffix"), values.pop("shard")
    only_plan, quiet = values.pop("plan"), values.pop("quiet")
    samples = values.pop("samples", 1)
    given = {
        name: values.pop(name)
        for name in ("overwrite", "quality", "max_pixels", "strip", "provenance")
    }
    saving = {name: value for name, value in given.items() if value is not None}
    named = {c.name: values.pop(c.name) for c in loaded.task.companions}
    words = {c.name: named.pop(c.name) for c in loaded.task.companions if c.is_word(named[c.name])}
    beside = {name: Path(path) for name, path in named.items() if path is not None}
    loaded.task.check_given(_given())
    own, common = split_options(loaded.task, values | words)
    options = loaded.task.check_options(own)
    settings = Settings.of(loaded.task, common)

    from restorekit.jobs import alternatives, companions, scan

    companions.check(beside)

    shard = scan.Shard.of(part)
    found = scan.scan(photos, out, bool(suffix) and samples == 1, beside.values())
    scan.check_out(photos, place)
    runs = [
        (each, to, scan.targets(found, to, kind, ending, loaded.task.exact))
        for each, to, ending in alternatives.runs(settings, out, suffix, samples)
    ]
    for _, _, planned in runs:
        companions.check_kept(planned, beside)

    from restorekit.jobs import run as jobs  # torch is needed from here on

    saved, report = jobs.Saving(**saving), jobs.Report(0)
    first = restorer(loaded, options, runs[0][0])
    say = (lambda _: None) if quiet else (lambda text: click.echo(shown(text), err=True))
    for note in (*loaded.problems, *found.notes):
        say(f"note: {note}")
    if only_plan:
        for failure in found.missed:
            click.echo(shown(f"failed: {failure}"), err=True)
        codes = [
            show_plan(jobs.Stages.of(first.seeded(each.seed), planned, to, saved, shard, beside))
            for each, to, planned in runs
        ]
        return max(*codes, int(bool(found.missed)))
    started = time.monotonic()
    count = samples * sum(shard.holds(source) for source in found.sources)
    with Progress(count, quiet) as progress:
        for each, to, planned in runs:
            jobs.run(
                first.seeded(each.seed),
                planned,
                to,
                saved,
                shard=shard,
                beside=beside,
                tell=progress.after(report.found),
                report=report,
            )
            if report.stopped:
                break
    report.found = count
    if samples > 1:
        alternatives.sheets(report, samples)
    report.found += len(found.missed)
    report.failed += found.missed
    for note in report.notes:
        say(f"note: {note}")
    for failure in report.failed:
        click.echo(shown(f"failed: {failure}"), err=True)
    for text in report.tracebacks:
        click.echo(text, err=True)
    seconds = time.monotonic() - started
    say(f"{report.summary()} in {clock(seconds)} on {first.device}")
    return report.exit_code


def restorer(loaded: LoadedTask, options: Mapping[str, Any], settings: Settings) -> Restorer:
    """A Restorer; UsageError where the device or the model that was named is not here, or is none."""
    from restorekit.jobs.restorer import Restorer

    try:
        return Restorer(loaded, options, settings)
    except (DeviceError, ModelError) as error:
        raise UsageError(str(error)) from error


def _given() -> list[str]:
    """The options that stand on the command line."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    return [name for name in context.params if context.get_parameter_source(name) != default]


def show_plan(stages: Any) -> int:
    """Print what a run would do; 1 where some file would fail."""
    from restorekit.jobs import plan

    found = []
    for forecast in plan.forecasts(stages):
        click.echo(shown(str(forecast)))
        found.append(forecast)
    totals = plan.totals(stages.restorer, found, stages.out)
    for line in totals.lines(stages.restorer.device):
        click.echo(line)
    return int(totals.failed > 0)


class Progress:
    """A bar on standard error: files done, pictures a second, time left. Silent where nobody looks."""

    def __init__(self, count: int, quiet: bool = False) -> None:
        self.count, self.started, self.last = count, time.monotonic(), 0.0
        self.stream = sys.stderr  # None where a service has closed it
        self.shown = not quiet and self.stream is not None and self.stream.isatty()

    def __enter__(self) -> Progress:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        if self.shown:
            self.stream.write("\r\x1b[K")

    def after(self, done: int) -> Callable[[Any], None]:
        """`show` for a run that comes after others, of so many files together."""
        return lambda step: self.show(replace(step, number=step.number + done))

    def show(self, step: Any) -> None:
        """Draw the line anew, at most ten times a second."""
        now = time.monotonic()
        if not self.shown or (now - self.last < 0.1 and step.share < 1):
            return
        self.last = now
        done = step.number - 1 + step.share
        elapsed = now - self.started
        rate = (done - step.skipped) / elapsed if elapsed > 0 else 0.0  # skipping is no work
        left = clock((self.count - done) / rate) if rate > 0 else "?"
        filled = round(20 * done / self.count)
        bar = "█" * filled + "·" * (20 - filled)
        name = shown(step.path.name)
        text = f"{bar} {step.number}/{self.count}  {rate:.2f} images/s  {left} left  {name}"
        self.stream.write(f"\r\x1b[K{text[: max(20, _columns() - 1)]}")
        self.stream.flush()


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def clock(seconds: float) -> str:
    """Seconds as a person reads them: 4.2 s, 3:07, 1:02:45."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
