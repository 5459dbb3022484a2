"""Metrics of a third party: scored, recorded with who computes them, and named where they fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, one_sentence, save
from plugin_makers import Installer, hook

ADDONS = "restorekit.addons"
CODE = '''"""How far apart pictures are, in levels."""

import numpy as np

import restorekit as rk

hookimpl = rk.hookimpl


def apart(result, reference):
    assert result.dtype == reference.dtype == np.uint8
    return np.abs(result.astype(float) - reference).mean()


def contrast(result, reference):
    return result.std() / reference.std()
'''
BOTH = """return [
        rk.Metric("apart", apart, "Mean absolute error, 8 bit", unit="levels"),
        rk.Metric("contrast", contrast, "Contrast kept", higher_is_better=True),
    ]"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of one picture; the second's is three levels lighter."""
    pixels = np.clip(noise(), 10, 240)
    save(tmp_path / "a" / "x.png", pixels)
    save(tmp_path / "b" / "x.png", pixels + 3)
    return tmp_path / "a", tmp_path / "b"


def test_it_is_scored_and_recorded(
    install: Installer, run: Run, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    label = install("apart", CODE + hook("restorekit_metrics", "", BOTH), group=ADDONS)
    file = tmp_path / "scores.json"
    ran = run("compare", *folders, "--metrics", "psnr,apart,contrast", "--json", file)
    assert ran.code == 0, ran.err
    record = json.loads(file.read_text())
    scores = record["methods"]["b"]
    assert scores["apart"]["mean"] == 3.0
    assert scores["contrast"]["mean"] == pytest.approx(1, abs=1e-3)
    assert record["protocols"][1] == {
        "name": "apart",
        "label": "Mean absolute error, 8 bit",
        "unit": "levels",
        "higher_is_better": False,
        "implementation": label,
    }
    ran = run("compare", *folders, "--reference", folders[0], "--metrics", "apart", "--json", file)
    assert ran.code == 0, ran.err
    assert json.loads(file.read_text())["paired"]["apart"]["better"] == 0  # less is better


def test_a_task_is_scored_by_it(
    install: Installer, run: Run, folders: tuple[Path, Path], model: Path
) -> None:
    install("apart", CODE + hook("restorekit_metrics", "", BOTH), group=ADDONS)
    given = ("--metrics", "apart", "--against", "bicubic", "--looks", "faithful", "--scale", 2)
    ran = run("evaluate", "upscale", "--data", folders[0], *given, "--model", model)
    assert ran.code == 0, ran.err
    assert "apart" in ran.out.splitlines()[0]


def test_nobody_is_imported_where_no_name_is_new(
    install: Installer, run: Run, folders: tuple[Path, Path]
) -> None:
    install("bad", "raise RuntimeError('imported')\n", group=ADDONS)
    ran = run("compare", *folders, "--metrics", "psnr")
    assert ran.code == 0
    assert "imported" not in ran.err
    ran = run("compare", *folders, "--metrics", "nope")
    assert ran.code == 2
    one_sentence(ran.err, "--metrics 'nope' is none of psnr-y,", "RuntimeError: imported")


WRONG = {
    "raises": ("return [rk.Metric('apart', lambda a, b: 1 / 0, 'A')]", "metric apart fails: Zero"),
    "no number": ("return [rk.Metric('apart', lambda a, b: a, 'A')]", "metric apart fails: Type"),
    "no metric": ("return [apart]", "restorekit_metrics gives a function, not a restorekit.Metric"),
    "no list": ("return 5", "restorekit_metrics returns a int, not a list of metrics"),
    "a generator": (
        "yield rk.Metric('apart', apart)",
        "restorekit_metrics returns a generator, not a list of metrics",
    ),
    "taken": ("return [rk.Metric('psnr', apart, 'A')]", "gives the metric 'psnr', a name that is"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_goes_wrong_names_the_plugin(
    install: Installer, run: Run, folders: tuple[Path, Path], case: str
) -> None:
    body, reason = WRONG[case]
    label = install("bad", CODE + hook("restorekit_metrics", "", body), group=ADDONS)
    ran = run("compare", *folders, "--metrics", "apart")
    assert ran.code in (1, 2)
    one_sentence(ran.err, label, reason)


def test_two_of_one_name_are_refused(
    install: Installer, run: Run, folders: tuple[Path, Path]
) -> None:
    labels = [
        install(name, CODE + hook("restorekit_metrics", "", BOTH), group=ADDONS)
        for name in ("one", "two")
    ]
    ran = run("compare", *folders, "--metrics", "apart")
    assert ran.code == 1
    one_sentence(ran.err, *labels, "both add the metric 'apart'")
