"""`restorekit plugins`: what is installed, whether it keeps the contract, and new ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from restorekit.cli.paths import PLACE
from restorekit.errors import PluginError, RestoreError, UsageError

if TYPE_CHECKING:
    from restorekit.plugins import Listing


@click.group(name="plugins", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> int:
    """List, show, check and make plugins; without a command, list them."""
    return 0 if context.invoked_subcommand else _list()


@command.command(name="list")
def list_plugins() -> int:
    """Every installed plugin; each is loaded, and one that cannot be used is named with the reason."""
    return _list()


def _list() -> int:
    from restorekit import plugins

    failed = 0
    for listing in plugins.listings():
        try:
            plugins.check(listing)
            state = "ok"
        except RestoreError as error:
            failed += 1
            state = f"cannot be used: {error}"
        click.echo(
            f"{listing.name:16} {listing.kind:7} {listing.distribution} {listing.version}  {state}"
        )
    return int(failed > 0)


@command.command(name="info")
@click.argument("name")
def info(name: str) -> None:
    """What the plugins called NAME declare and which hooks they have."""
    from restorekit import plugins

    for number, listing in enumerate(_named(name)):
        lines = {
            "plugin": f"{listing.name}, {listing.kind}",
            "from": f"{listing.distribution} {listing.version}, {listing.target}",
            "hooks": ", ".join(plugins.hooks_of(listing)),
        }
        if listing.group == plugins.TASKS:
            lines |= dict(_declared(listing))
        click.echo("\n" * (number > 0) + "\n".join(f"{k:12} {v}" for k, v in lines.items()))


def _declared(listing: Listing) -> Iterator[tuple[str, str]]:
    from restorekit import plugins

    task = plugins.load(listing.name).task
    yield "summary", task.summary
    yield "contract", f"version {task.spec}"
    yield "model", task.model or "none; --model names one"
    yield "looks", ", ".join(task.looks)
    yield "options", ", ".join(option.name for option in task.options) or "none"
    if task.companions:
        yield "inputs", ", ".join(task.inputs)
    yield "degradations", ", ".join(degradation.name for degradation in task.degradations)


@command.command(name="check")
@click.argument("name")
def check(name: str) -> int:
    """Hold the plugin NAME to the promises of the contract, on pictures made for it.

    Each broken promise is shown with what was seen and what to read. The exit code is 1 where one is
    broken.
    """
    from restorekit import plugins

    found = _named(name)
    if name not in plugins.tasks():
        for listing in found:
            plugins.check(listing)
            click.echo(
                f"kept       loads         {listing}: {', '.join(plugins.hooks_of(listing))}"
            )
        return 0

    from restorekit.testing import examine

    broken = total = 0
    for finding in examine(name):
        click.echo(str(finding))
        total += 1
        broken += finding.kept is False
    click.echo(f"{name}: breaks {broken} of {total} promises" if broken else f"{name}: all kept")
    return int(broken > 0)


def _named(name: str) -> list[Listing]:
    """The plugins of a name; PluginError where there is none."""
    from restorekit import plugins

    found = [listing for listing in plugins.listings() if listing.name == name]
    if not found:
        known = ", ".join(sorted({listing.name for listing in plugins.listings()})) or "none"
        raise PluginError(f"no installed plugin is called {name!r}; installed: {known}")
    return found


@command.command(name="new")
@click.argument("name")
@click.option(
    "-o",
    "--out",
    type=PLACE,
    help="Folder of the package; by default restorekit-NAME.",
)
def new(name: str, out: Path | None) -> None:
    """Write a package that adds the task NAME; it works as it stands, and is yours to change."""
    from restorekit import plugins
    from restorekit.scaffold import write_package

    if name in plugins.COMMANDS or name in plugins.tasks():
        raise UsageError(f"restorekit has the command {name!r} already; choose another name")
    call = name.replace("-", "_")
    if call.isidentifier() and plugins.is_taken_in_python(call):
        raise UsageError(f"restorekit.{call} means something else in Python; choose another name")
    folder = out or Path(f"restorekit-{name}")
    for path in write_package(name, folder):
        click.echo(f"{path}")
    click.echo(f"\nNext: pip install -e {folder}, then restorekit plugins check {name}", err=True)
