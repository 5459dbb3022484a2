"""`restorekit plugins`: what is installed, and whether it can be used."""

from __future__ import annotations

import click

from restorekit.errors import RestoreError


@click.command(name="plugins")
def command() -> int:
    """List installed plugins; each is loaded, and one that cannot be used is named with the reason."""
    from restorekit import plugins

    failed = 0
    for listing in plugins.listings():
        try:
            plugins.check(listing)
            state = "ok"
        except RestoreError as error:
            failed += 1
            state = f"cannot be used: {error}"
        kind = "task" if listing.group == plugins.TASKS else "add-on"
        click.echo(f"{listing.name:16} {kind:7} {listing.distribution} {listing.version}  {state}")
    return int(failed > 0)
