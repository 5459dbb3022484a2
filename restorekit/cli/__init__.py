"""The command line. `restorekit --help` imports no torch, no cv2 and no plugin."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; errors meant for people become one line and an exit code.

    0: all done. 1: something failed. 2: the command was wrong. 130: stopped.
    """
    import click

    from restorekit.cli.group import cli
    from restorekit.errors import RestoreError, UsageError

    try:
        sys.exit(cli.main(standalone_mode=False, prog_name="restorekit") or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except RestoreError as error:
        click.echo(f"restorekit: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.exit(1)
