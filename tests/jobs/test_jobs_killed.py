"""kill −9 at random moments: no half-written file is ever seen, and the same command finishes the run.

RESTOREKIT_KILLS=200 RESTOREKIT_PICTURES=50 asks for more of it, by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from outer_kit import noise, save

KILLS = int(os.environ.get("RESTOREKIT_KILLS", "10"))
PICTURES = int(os.environ.get("RESTOREKIT_PICTURES", "12"))


@pytest.mark.user("C2")
@pytest.mark.user("C5")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_killed_run_is_finished_by_the_same_command(tmp_path: Path, model: Path) -> None:
    for number in range(PICTURES):
        suffix = ("png", "jpg", "webp")[number % 3]
        folder = tmp_path / "in" / str(number % 2)
        save(folder / f"{number:02}.{suffix}", noise(60 + number, 80, seed=number))
    killer = Path(__file__).with_name("killer.py")
    task = ["upscale", "--scale", "2", "--model", str(model)]
    places = [str(tmp_path / name) for name in ("in", "whole", "out")]
    ran = subprocess.run(
        [sys.executable, str(killer), *places, str(KILLS), "--", *task],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60 + 30 * KILLS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(found) == KILLS
    for one in found:
        assert one["partial"] == [], one
        assert one["code"] == 0, one
        assert one["same"], one
        assert one["hidden"] == [], one
        # What was seen before the kill was whole and known, so it was not done again.
        assert one["counts"] == [PICTURES, PICTURES - one["left"], one["left"]], one
    assert any(0 < one["left"] < PICTURES for one in found)
