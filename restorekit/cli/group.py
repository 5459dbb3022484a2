"""The top of the command line: built-in commands and one for every installed task, loaded when used."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import click

from restorekit.cli.paths import Place

BUILT_IN = {
    "compare": ("restorekit.cli.compare", "Compare two folders of results"),
    "demo": ("restorekit.cli.demo", "Upscale bundled photographs and show before and after"),
    "doctor": ("restorekit.cli.doctor", "Show devices and versions, and try each device"),
    "evaluate": ("restorekit.cli.evaluate", "Score a task on a folder of clean pictures"),
    "models": ("restorekit.cli.models", "List, show and verify weights"),
    "plugins": ("restorekit.cli.plugins", "List, show, check and make plugins"),
    "schedules": ("restorekit.cli.schedules", "Draw the noise schedules of the engine"),
    "train": ("restorekit.cli.train", "Train a task's weights"),
}


TELLING = ("doctor", "plugins")  # which say themselves what cannot be used


class Commands(click.Group):
    """Built-in commands and tasks by name; nothing is imported before it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Every name, tasks first."""
        from restorekit import plugins

        return [*sorted(set(plugins.tasks()) - set(BUILT_IN)), *sorted(BUILT_IN)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, importing what it needs; UsageError for a plain file that was named
        as a plugin and cannot be used."""
        if cmd_name not in TELLING:
            _check_files()
        if cmd_name in BUILT_IN:
            module = importlib.import_module(BUILT_IN[cmd_name][0])
            return module.command
        from restorekit import plugins

        if cmd_name not in plugins.tasks():
            return None
        from restorekit.cli.task import task_command

        return task_command(plugins.load(cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Two lists, from names and summaries that are known without importing."""
        from restorekit import plugins

        tasks = {name: found for name, found in plugins.tasks().items() if name not in BUILT_IN}
        rows = [(name, found[0].summary) for name, found in sorted(tasks.items())]
        if rows:
            with formatter.section("Tasks"):
                formatter.write_dl(rows)
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[1]) for name, entry in sorted(BUILT_IN.items())])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--no-plugins",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda _context, _parameter, given: _own_alone() if given else None,
    help="Use restorekit's own tasks alone.",
)
@click.option(
    "--plugin",
    type=Place(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=lambda _context, _parameter, given: _with_files(given),
    help="Use this Python file as a plugin too, for this run; its name is the command.",
)
@click.version_option(package_name="restorekit", message="%(prog)s %(version)s")
def cli() -> None:
    """Restore photographs: files or folders in, files out. No picture leaves this machine."""


def _with_files(paths: Sequence[Path]) -> None:
    from restorekit import listing

    for path in paths:
        listing.add_file(path)


def _check_files() -> None:
    import os

    from restorekit.listing import FILES

    if not os.environ.get(FILES):  # looking for plugins takes a while
        return
    from restorekit import plugins
    from restorekit.errors import PluginError, UsageError

    for listing in plugins.listings():
        if listing.is_file:
            try:
                plugins.check(listing)
            except PluginError as error:
                raise UsageError(str(error)) from error


def _own_alone() -> None:
    import os

    from restorekit import plugins

    os.environ["RESTOREKIT_PLUGINS"] = ""
    plugins.listings.cache_clear()
