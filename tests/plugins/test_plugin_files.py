"""Plain files as plugins of one run: `--plugin FILE` and RESTOREKIT_PLUGIN_FILES."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, one_sentence, pixels_of, save, tree, write_model
from plugin_makers import Installer, hook, task_code

import restorekit
from restorekit import plugins
from restorekit.images import read

pytestmark = pytest.mark.user("J11")
DARKER = hook(
    "restorekit_finish", "plan", "x0 = yield\n    return (x0 - 1) / 2", "hookimpl(wrapper=True)"
)


@pytest.fixture(autouse=True)
def one_run(monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]) -> Iterator[None]:
    """What a run names is forgotten after the test."""
    monkeypatch.setenv("RESTOREKIT_PLUGIN_FILES", "")
    fresh_plugins()
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def tint(tmp_path: Path) -> Path:
    """A task in one file."""
    return written(tmp_path / "tint.py", task_code("tint"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tint.safetensors", task="tint")


def written(path: Path, code: str) -> Path:
    path.write_text(code, encoding="utf-8")
    return path


def test_a_file_is_a_command_for_one_run_and_leaves_nothing(
    run: Run, tint: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = save(tmp_path / "a.png")
    before = set(tree(tmp_path))
    ran = run("--plugin", tint, "tint", photo, "-o", tmp_path / "out", "--model", weights)
    assert ran.code == 0, ran.err
    assert pixels_of(tmp_path / "out" / "a.png").shape == (32, 48, 3)
    assert set(tree(tmp_path)) - before == {"out/a.png"}  # no compiled module beside it
    xmp = (read(tmp_path / "out" / "a.png").metadata.xmp or b"").decode()
    assert re.search(r"plugin=tint \(tint\.py [0-9a-f]{8}\)", xmp)
    monkeypatch.setenv("RESTOREKIT_PLUGIN_FILES", "")
    plugins.listings.cache_clear()
    assert run("tint", photo, "-o", tmp_path / "out", "--model", weights).code == 2


def test_it_is_listed_told_of_and_called_as_any_other(
    run: Run, tint: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(r"^  tint +A task for tests$", run("--plugin", tint, "--help").out, re.M)
    assert re.search(r"^tint +task +tint\.py [0-9a-f]{8} +ok$", run("plugins").out, re.M)
    assert f"{tint}" in run("plugins", "info", "tint").out
    result = restorekit.tint(noise(), model=str(weights))
    assert result.shape == (32, 48, 3)
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", "tint")
    plugins.listings.cache_clear()
    assert "tint" not in plugins.tasks()


def test_help_does_not_run_the_file(run: Run, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    file = written(tmp_path / "tint.py", f"open({str(marker)!r}, 'w')\n{task_code('tint')}")
    assert "tint" in run("--plugin", file, "--help").out
    assert not marker.exists()


def test_another_version_of_it_makes_results_anew(
    run: Run, tint: Path, weights: Path, tmp_path: Path
) -> None:
    photo = save(tmp_path / "in" / "a.png").parent
    given = ("--plugin", tint, "tint", photo, "-o", tmp_path / "out", "--model", weights)
    assert "1 done" in run(*given).err
    assert "1 skipped" in run(*given).err
    written(tint, task_code("tint") + "\n# changed\n")
    assert "1 done" in run(*given).err


def test_a_file_without_a_task_is_an_addon(
    run: Run, upscale: Run, model: Path, tmp_path: Path
) -> None:
    file = written(
        tmp_path / "my_night.py", f"import restorekit as rk\nhookimpl = rk.hookimpl\n{DARKER}"
    )
    photo = save(tmp_path / "a.png")
    out = tmp_path / "out"
    assert upscale(photo, "-o", tmp_path / "plain").code == 0
    ran = run("--plugin", file, "upscale", photo, "-o", out, "--scale", 2, "--model", model)
    assert ran.code == 0, ran.err
    half = pixels_of(tmp_path / "plain" / "a.png") / 2
    assert np.abs(pixels_of(out / "a.png") - half).max() <= 1
    assert re.search(r"^my-night +add-on +my_night\.py", run("plugins").out, re.M)


BROKEN = {
    "imports nothing there": ("import a_module_nobody_has\n", "ModuleNotFoundError"),
    "no Python": ("def restorekit_task(:\n", "SyntaxError"),
    "exits": ("import sys\nsys.exit(3)\ndef restorekit_task(): ...\n", "SystemExit: 3"),
    "another name": (task_code("other"), "its task is named 'other', its file 'tint'; name them"),
    "a wrong argument": (
        task_code("tint") + hook("restorekit_finish", "plan, x", "return x"),
        "has the argument 'x'",
    ),
    "a later contract": (
        task_code("tint").replace('model="tiny"', "spec=99"),
        "written for hook specification 99",
    ),
    "empty": ("", "restorekit_task returns NoneType"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_and_nothing_is_done_without_it(
    run: Run, upscale: Run, tmp_path: Path, case: str
) -> None:
    code, reason = BROKEN[case]
    file = written(tmp_path / "tint.py", code)
    photo = save(tmp_path / "a.png")
    ran = run("--plugin", file, "plugins")
    assert ran.code == 1
    (line,) = [line for line in ran.out.splitlines() if "cannot be used" in line]
    assert reason in line
    assert "(add-on of tint.py" in line or "(tint.py" in line
    for task in (upscale, partial(run, "tint")):
        ran = task(photo, "-o", tmp_path / "out")
        assert ran.code == 2
        one_sentence(ran.err, reason)
        assert not (tmp_path / "out").exists()


def test_a_file_and_a_distribution_of_one_name_contradict_each_other(
    install: Installer, run: Run, tint: Path, tmp_path: Path
) -> None:
    label = install("tint", task_code("tint"))
    ran = run("--plugin", tint, "tint", save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 2
    one_sentence(ran.err, label, "tint (tint.py ", "both want the command 'tint'", "rename")


def test_a_file_that_is_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("--plugin", tmp_path / "nowhere.py", "plugins")
    assert ran.code == 2
    one_sentence(ran.err, "nowhere.py", "does not exist")
    monkeypatch.setenv("RESTOREKIT_PLUGIN_FILES", os.pathsep.join(["", "nowhere.py"]))
    plugins.listings.cache_clear()
    ran = run("plugins")
    assert ran.code == 1
    assert "nowhere" in ran.out
    assert "FileNotFoundError" in ran.out


def test_another_process_has_it_too(
    run: Run, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from outer_kit import python

    written(tmp_path / "tint.py", task_code("tint"))
    monkeypatch.chdir(tmp_path)
    run("--plugin", "tint.py", "--help")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code = "from restorekit import plugins\nprint(plugins.load('tint').listing)"
    ran = python(code, RESTOREKIT_PLUGIN_FILES=os.environ["RESTOREKIT_PLUGIN_FILES"])
    assert ran.stdout.startswith("tint (tint.py "), ran.stderr
