"""A fresh restorekit under Python's own audit (PEP 578): what it reaches for, whoever asks.

Sockets and other programs are refused, files opened for writing are listed. An audit sees what C code
of the standard library does too, which replacing functions would not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WATCHER = """
import json, os, sys

seen = {"sockets": [], "programs": [], "written": []}

def audit(name, args):
    if name.startswith("socket.") and name != "socket.gethostname":
        seen["sockets"].append(name)
        raise OSError("this test runs without a network")
    if name in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork"):
        seen["programs"].append(str(args[1] if name == "subprocess.Popen" else args[0]))
    if name == "open" and isinstance(args[0], (str, bytes)):
        mode, flags = args[1] or "", args[2] or 0
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen["written"].append(os.path.abspath(os.fsdecode(args[0])))
    if name in ("os.mkdir", "os.rename", "os.link", "os.symlink"):
        if isinstance(args[0], (str, bytes)):
            made = args[0] if name == "os.mkdir" else args[1]
            seen["written"].append(os.path.abspath(os.fsdecode(made)))

sys.addaudithook(audit)
for absent in {absent!r}:
    sys.modules[absent] = None  # importing it fails
"""

COMMAND = """
from restorekit.cli import main
sys.argv = ["restorekit", *{arguments!r}]
try:
    main()
except SystemExit as left:
    seen["code"] = left.code or 0
"""

REPORT = """
seen["imported"] = sorted({name.partition(".")[0] for name in sys.modules if sys.modules[name]})
with open(os.dup(1), "w") as out:
    out.write("\\n@@" + json.dumps(seen))
"""


@dataclass(frozen=True)
class Watched:
    """What a process did: exit code, sockets asked for, programs started, files written, modules."""

    code: int
    said: str
    sockets: list[str]
    programs: list[str]
    written: list[Path]
    imported: set[str]


def command(*arguments: object, **how: object) -> Watched:
    """`restorekit` with these arguments, watched."""
    return python(COMMAND.format(arguments=[str(a) for a in arguments]), **how)  # type: ignore


def python(
    code: str, *, home: Path, here: Path | None = None, absent: tuple[str, ...] = ()
) -> Watched:
    """Some code in a fresh interpreter, watched, with `home` as every home and cache folder.

    here: the current folder, home by default. absent: packages that cannot be imported.
    """
    homes = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TORCH_HOME", "HF_HOME")
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {**os.environ, **quiet, **{name: str(home) for name in homes}}
    watcher = WATCHER.replace("{absent!r}", repr(absent))
    ran = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", watcher + code + REPORT],
        cwd=here or home,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )
    said, mark, record = ran.stdout.rpartition("\n@@")
    assert mark, ran.stdout + ran.stderr
    seen = json.loads(record)
    return Watched(
        seen.get("code", 0),
        said + ran.stderr,
        seen["sockets"],
        seen["programs"],
        [Path(path) for path in seen["written"]],
        set(seen["imported"]),
    )
