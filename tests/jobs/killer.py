"""Runs of a folder, killed at random moments and finished: python killer.py IN WHOLE OUT KILLS -- TASK…

A process of its own, so that children can be forked from one that has loaded everything and computed
nothing. Prints one JSON record for each kill.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import restorekit.jobs.run  # noqa: F401 (loaded once, for every child)
from restorekit.cli import main

MANIFEST = "restorekit-manifest.jsonl"


def start(arguments: list[str], log: Path) -> int:
    """The process id of `restorekit` with these arguments, its messages in a file."""
    pid = os.fork()
    if pid:
        return pid
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.argv = ["restorekit", *arguments]
        code = 1
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def visible(folder: Path) -> dict[str, bytes]:
    """Every file a person sees but the manifest."""
    files = [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []
    names = {p.relative_to(folder).as_posix(): p for p in files}
    seen = {}
    for name, path in names.items():
        if not any(part.startswith(".") for part in name.split("/")) and path.name != MANIFEST:
            seen[name] = path.read_bytes()
    return seen


def killed(arguments: list[str], out: Path, whole: dict[str, bytes], after: float) -> dict:
    """What a run that is killed so many seconds after its start leaves, and what finishing it makes."""
    shutil.rmtree(out, ignore_errors=True)
    log = out.with_name("log")
    pid, deadline, partial = start(arguments, log), time.monotonic() + after, []
    while time.monotonic() < deadline:
        partial += [n for n, data in visible(out).items() if data != whole[n]]
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    left = visible(out)
    partial += [name for name, data in left.items() if data != whole[name]]
    _, status = os.waitpid(start(arguments, log), 0)
    summary = re.search(r"(\d+) found = (\d+) done \+ (\d+) skipped", log.read_text())
    hidden = [p.name for p in out.rglob("*") if p.name.startswith(".")]
    return {
        "after": after,
        "left": len(left),
        "partial": partial,
        "code": os.waitstatus_to_exitcode(status),
        "counts": [int(n) for n in summary.groups()] if summary else [],
        "same": visible(out) == whole,
        "hidden": hidden,
    }


def kill_many(photos: str, whole: Path, out: Path, kills: int, task: list[str]) -> None:
    """Kill and finish as often as asked, at moments spread over the length of a whole run."""
    begun = time.monotonic()
    _, status = os.waitpid(start([*task, photos, "-o", str(whole)], whole.with_name("log")), 0)
    length = time.monotonic() - begun
    assert status == 0, whole.with_name("log").read_text()
    moments = random.Random(0)
    for _ in range(kills):
        after = moments.uniform(0, length)
        found = killed([*task, photos, "-o", str(out)], out, visible(whole), after)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    photos, whole, out, kills, _, *task = sys.argv[1:]
    kill_many(photos, Path(whole), Path(out), int(kills), task)
