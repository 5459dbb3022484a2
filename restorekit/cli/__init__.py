"""The command line. `restorekit --help` imports no torch, no cv2 and no plugin."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; errors meant for people become one line and an exit code.

    0: all done. 1: something failed. 2: the command was wrong. 130: stopped. With RESTOREKIT_DEBUG=1
    the traceback is shown too.
    """
    import io
    import os
    import signal
    from contextlib import suppress

    import click

    from restorekit.cli.group import cli
    from restorekit.errors import RestoreError, UsageError

    if isinstance(sys.stdout, io.TextIOWrapper):  # an arrow in another encoding than UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as cleanly as Ctrl-C
    try:
        sys.exit(cli.main(standalone_mode=False, prog_name="restorekit") or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    except (RestoreError, OSError) as error:
        if os.environ.get("RESTOREKIT_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        click.echo(f"restorekit: {_sentence(error)}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def _sentence(error: Exception) -> str:
    from restorekit.images.failures import shown

    if isinstance(error, OSError) and error.filename is not None:
        return shown(f"{error.filename}: {error.strerror}")
    return shown(str(error))
