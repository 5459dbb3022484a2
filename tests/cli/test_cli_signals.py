"""The command as a process: signals, closed streams, and shells that speak no Unicode."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from outer_kit import noise, pixels_of, save, tree


@pytest.mark.user("C1")
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_whole_files_only(tmp_path: Path, model: Path, number: int) -> None:
    for name in range(40):
        save(tmp_path / "in" / f"{name:02}.png", noise(120, 160, seed=name))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "restorekit", "upscale", str(tmp_path / "in"), "-o", str(out)]
    process = subprocess.Popen(
        [*command, "--model", str(model), "--scale", "4"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(1000):
        if out.exists() and any(not p.name.startswith(".") for p in out.iterdir()):
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    found, done, left = numbers(last)
    assert found == done + left == 40
    names = tree(out)
    assert len(names) == done
    for name in names:
        assert pixels_of(out / name).shape == (480, 640, 3)


def numbers(summary: str) -> tuple[int, int, int]:
    """(found, done, left) of a summary without skipped and failed files."""
    words = summary.split()
    at = {word: int(words[i - 1]) for i, word in enumerate(words) if words[i - 1].isdigit()}
    assert at["skipped"] == at["failed"] == 0
    return at["found"], at["done"], at["left"]


@pytest.mark.slow
def test_closed_streams_and_a_shell_without_unicode(tmp_path: Path, model: Path) -> None:
    """As a service or cron runs it."""
    save(tmp_path / "in" / "ü日.png")
    arguments = [
        "upscale",
        str(tmp_path / "in"),
        "-o",
        str(tmp_path / "out"),
        "--model",
        str(model),
    ]
    code = (
        "import sys\nsys.stdout = sys.stderr = None\n"
        f"sys.argv = ['restorekit', *{arguments!r}]\nfrom restorekit.cli import main\nmain()\n"
    )
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **plain, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    assert list(tree(tmp_path / "out")) == ["ü日.png"]


@pytest.mark.parametrize("what", ["--plan", "--help"])
def test_a_stream_of_another_encoding_is_no_failure(tmp_path: Path, what: str) -> None:
    save(tmp_path / "ü.png")
    plan = ["upscale", str(tmp_path / "ü.png"), "-o", str(tmp_path / "out"), what]
    ran = subprocess.run(
        [sys.executable, "-m", "restorekit"]
        + (plan if what == "--plan" else ["schedules", "plot", what]),
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"\\u" in ran.stdout
