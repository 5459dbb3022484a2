"""benchmarks/folders.py at tiny sizes: every part runs and writes its figures beside the others'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from outer_kit import REPOSITORY

SCRIPT = REPOSITORY / "benchmarks" / "folders.py"
PARTS = {
    "small": ["--least", "16", "--most", "16", "--batch", "2", "--runs", "1"],
    "memory": ["--count", "20"],
    "photos": ["--count", "2", "--width", "32", "--height", "24", "--runs", "1"],
    "large": ["--side", "40"],
}


@pytest.mark.slow
@pytest.mark.skipif(not SCRIPT.exists(), reason="no benchmarks beside the tests")
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted as Linux does")
def test_every_part_leaves_its_figures(tmp_path: Path) -> None:
    pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    out = tmp_path / "folders.json"
    for part, tiny in PARTS.items():
        ran = subprocess.run(
            [sys.executable, str(SCRIPT), part, *tiny, "--out", str(out)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    assert list(found) == list(PARTS)
    for part, record in found.items():
        assert record["command"].startswith(f"python benchmarks/folders.py {part} ")
        assert {"processor", "torch", "threads"} <= set(record["machine"])
        assert len(record["date"]) == 10
    assert found["small"]["16 pixels"]["equal"] == {"1": True, "2": True}
    assert list(found["memory"]["mebibytes"]) == [str(2 * n) for n in range(1, 11)]
    assert found["photos"]["ratio"] * found["photos"]["network_seconds"] == pytest.approx(
        found["photos"]["seconds"]
    )
    assert set(found["photos"]["stages"]) == {"read", "restore", "write"}
    assert found["large"]["result"] == [80, 80]
    assert any(line.startswith("memory: at most") for line in found["large"]["plan"])
