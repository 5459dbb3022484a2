"""What help costs: no torch, no cv2, no plugin; and what a restoring command never imports."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import pytest
from outer_kit import Run, python, save

HEAVY = "{'torch', 'cv2', 'numpy', 'PIL', 'scipy', 'skimage', 'torchvision'}"
LOADED = "sorted({name.partition('.')[0] for name in sys.modules} & " + HEAVY + ")"

MAIN = """
import sys
sys.argv = ["restorekit", *{arguments!r}]
from restorekit.cli import main
try:
    main()
except SystemExit as left:
    print("code", left.code)
print("loaded", {loaded})
print("plugin", "restorekit_upscale" in sys.modules)
"""


@pytest.mark.user("J3")
@pytest.mark.parametrize(
    ("arguments", "plugin"),
    [
        (["--help"], False),
        ([], False),
        (["--version"], False),
        (["upscale", "--help"], True),
        (["train", "--help"], False),
        (["demo", "--help"], False),
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str], plugin: bool) -> None:
    ran = python(MAIN.format(arguments=arguments, loaded=LOADED))
    assert "loaded []" in ran.stdout, ran.stdout + ran.stderr
    assert f"plugin {plugin}" in ran.stdout
    assert ran.stdout.count("code 0") == 1 or not arguments


@pytest.mark.user("M2")
def test_importing_the_library_imports_nothing_heavy() -> None:
    code = f"import sys, restorekit; print({LOADED}, 'click' in sys.modules)"
    assert python(code).stdout.split() == ["[]", "False"]


@pytest.mark.user("A1")
def test_restoring_imports_neither_torchvision_nor_cv2(tmp_path: Path, model: Path) -> None:
    photo = save(tmp_path / "a.png")
    arguments = ["upscale", str(photo), "-o", str(tmp_path / "out"), "--model", str(model)]
    ran = python(MAIN.format(arguments=arguments, loaded=LOADED))
    assert "code 0" in ran.stdout, ran.stderr
    assert "loaded ['PIL', 'numpy', 'torch']" in ran.stdout


@pytest.mark.slow
@pytest.mark.user("J3")
def test_help_is_quick() -> None:
    """At most 0.2 s above an interpreter that imports click and pluggy."""

    def seconds(code: str) -> float:
        started = time.perf_counter()
        assert python(code).returncode == 0
        return time.perf_counter() - started

    helping = (
        "import sys; sys.argv = ['restorekit', '--help']; import restorekit.cli as c; c.main()"
    )
    bare, full = [], []
    for _ in range(7):  # side by side, since other programs may be busy
        bare.append(seconds("import click, pluggy"))
        full.append(seconds(helping))
    more = statistics.median(f - b for f, b in zip(full, bare, strict=True))
    assert more <= 0.2 or min(full) - min(bare) <= 0.2, (more, bare, full)


def test_help_lists_tasks_and_commands(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for word in ("upscale", "demo", "doctor", "evaluate", "models", "plugins", "train"):
        assert f"\n  {word} " in ran.out


@pytest.mark.user("M6")
def test_help_names_every_option_of_a_task(run: Run) -> None:
    from restorekit import plugins
    from restorekit.jobs.settings import COMMON_OPTIONS

    ran = run("upscale", "--help")
    for option in (*plugins.load("upscale").task.options, *COMMON_OPTIONS):
        assert f"--{option.name.replace('_', '-')}" in ran.out


def test_version_is_the_package_s(run: Run) -> None:
    import restorekit

    assert run("--version").out.strip() == f"restorekit {restorekit.__version__}"


def test_python_m_restorekit_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import runpy

    monkeypatch.setattr(sys, "argv", ["restorekit", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("restorekit", run_name="__main__")
    assert capsys.readouterr().out.startswith("restorekit ")
