"""Broken plugins: each is named with its version and the reason, and none harms the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from outer_kit import Run, save, tree, write_model
from plugin_makers import CONDITION, HEADER, PREPARE, Installer, hook, task_code

import restorekit
from restorekit import plugins

WRONG_TASK = HEADER.replace("return rk.Task(", "return dict(")
LOADING: dict[str, tuple[str, str]] = {
    "import": (
        "import a_module_nobody_has\n",
        "ModuleNotFoundError: No module named 'a_module_nobody_has'",
    ),
    "syntax": ("def f(:\n", "SyntaxError"),
    "exit": ("import sys\nsys.exit('go away')\n", "SystemExit: go away"),
    "raises": ("raise RuntimeError('first line\\nsecond line')\n", "RuntimeError: first line"),
    "silent": ("raise ValueError\n", "cannot be loaded: ValueError"),
    "argument": (
        task_code("argument") + hook("restorekit_finish", "plan, windows, x0", "return x0"),
        "windows",
    ),
    "default": (
        task_code("default") + hook("restorekit_finish", "plan, x0, box=None", "return x0"),
        "argument 'box' of restorekit_finish has a default value",
    ),
    "misspelt": (
        task_code("misspelt") + hook("restorekit_finnish", "plan, x0", "return x0"),
        "there is no hook restorekit_finnish; did its author mean restorekit_finish?",
    ),
    "no-task": (HEADER.split("@hookimpl")[0] + PREPARE, "restorekit_task returns NoneType"),
    "wrong-task": (WRONG_TASK.format(name="wrong-task"), "restorekit_task returns dict"),
    "task-raises": (
        'import restorekit as rk\n\n\n@rk.hookimpl\ndef restorekit_task():\n    {}["x"]\n',
        "fails in restorekit_task: KeyError: 'x'",
    ),
    "task-exits": (
        "import restorekit as rk\n\n\n@rk.hookimpl\ndef restorekit_task():\n    raise SystemExit(3)\n",
        "fails in restorekit_task: SystemExit: 3",
    ),
    "other-name": (task_code("another"), "its task is named 'another'"),
    "newer": (
        task_code("newer").replace('model="tiny"', 'model="tiny", spec=99'),
        "specification 99",
    ),
    "bad-spec": (task_code("bad-spec").replace('model="tiny"', 'spec="2"'), "spec is '2'"),
    "no-prepare": (task_code("no-prepare", prepare=""), "has no restorekit_prepare"),
    "no-condition": (task_code("no-condition", condition=""), "has no restorekit_condition"),
    "reserved": (
        task_code("reserved").replace(
            'model="tiny"', 'options=(rk.Option("seed", int, 0, "Mine."),)'
        ),
        "option name 'seed'",
    ),
    "bad-default": (
        task_code("bad-default").replace(
            'model="tiny"', 'options=(rk.Option("a", float, 3.0, "A.", maximum=2.0),)'
        ),
        "--a 3 is out of range",
    ),
    "bad-looks": (task_code("bad-looks").replace('model="tiny"', 'looks=("pretty",)'), "'pretty'"),
    "doctor": (task_code("doctor"), "restorekit's own"),
    "start-from": (task_code("start-from"), "the Python name restorekit.start_from"),
    "images": (task_code("images"), "the Python name restorekit.images"),
}


@pytest.mark.user("J2")
@pytest.mark.user("J4")
@pytest.mark.parametrize("name", LOADING)
def test_a_plugin_that_cannot_be_used_is_named_with_the_reason(
    install: Installer, run: Run, name: str
) -> None:
    code, reason = LOADING[name]
    label = install(name, code)
    ran = run("plugins")
    assert ran.code == 1
    line = next(line for line in ran.out.splitlines() if line.startswith(f"{name} "))
    assert label in line, line
    assert reason in line, line
    assert re.search(r"^upscale +task .* ok$", ran.out, re.MULTILINE)
    with pytest.raises(restorekit.PluginError, match=re.escape(label)):
        plugins.load(name)
    assert plugins.load("upscale").problems == ()
    assert run("--help").code == 0
    if name != "doctor":
        called = run(name, "--help")
        assert called.code == 1
        assert reason in called.err


@pytest.mark.user("J2")
def test_all_of_them_at_once_leave_the_others_alone(
    install: Installer, run: Run, upscale: Run, tmp_path: Path
) -> None:
    for name, (code, _) in LOADING.items():
        install(name, code)
    ran = run("plugins")
    assert ran.code == 1
    assert ran.out.count("cannot be used") == len(LOADING)
    photo = save(tmp_path / "a.png")
    assert upscale(photo, "-o", tmp_path / "out").code == 0
    assert upscale(photo, "-o", tmp_path / "two", "--model", "upscale").code == 0
    assert run("models", "list").code == 0
    assert "note: plugin import" in run("models", "list").err


def test_a_target_that_is_not_there_is_named(install: Installer, run: Run) -> None:
    label = install("lost", task_code("lost"), target="rk_nowhere_at_all:plugin")
    assert f"plugin {label} cannot be loaded: ModuleNotFoundError" in run("plugins").out
    label = install("gone", task_code("gone"), target="restorekit_upscale:nothing_there")
    assert f"plugin {label} cannot be loaded: AttributeError" in run("plugins").out


@pytest.mark.user("J5")
def test_two_plugins_for_one_command_are_both_named(
    install: Installer, run: Run, upscale: Run, tmp_path: Path
) -> None:
    one = install("tint", task_code("tint"), distribution="rk-one")
    two = install("tint", task_code("tint"), distribution="rk-two", version="4.0")
    ran = run("tint", "--help")
    assert ran.code == 1
    assert f"{one} and {two} both want the command 'tint'" in ran.err
    ran = run("plugins")
    assert ran.code == 1
    assert ran.out.count("both want the command") == 2
    assert run("--help").out.count("tint ") == 1
    assert upscale(save(tmp_path / "a.png"), "-o", tmp_path / "out").code == 0


def test_a_newer_copy_behind_an_older_one_on_the_path_is_not_listed(
    install: Installer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("tint", task_code("tint"), version="1.0")
    behind = tmp_path / "behind"
    behind.mkdir()
    import sys

    monkeypatch.setattr(sys, "path", [*sys.path, str(behind)])
    Installer(behind, install.forget)("tint", task_code("tint"), version="2.0")
    found = [x for x in plugins.listings() if x.name == "tint"]
    assert [x.version for x in found] == ["1.0"]


@pytest.mark.user("J2")
@pytest.mark.parametrize("metadata", ["no METADATA", "garbage", "no version", "binary"])
def test_damaged_metadata_hides_nobody(install: Installer, run: Run, metadata: str) -> None:
    install("tint", task_code("tint"))
    info = next(install.folder.glob("rk_tint*.dist-info"))
    if metadata == "no METADATA":
        (info / "METADATA").unlink()
    elif metadata == "no version":
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rk-tint\n")
    elif metadata == "binary":
        (info / "entry_points.txt").write_bytes(b"\xff\xfe\x00[restorekit.tasks]\n")
    else:
        (info / "entry_points.txt").write_text("[restorekit.tasks]\nno equals sign here\n")
    install.forget()
    assert "upscale" in run("--help").out
    assert re.search(r"^upscale +task .* ok$", run("plugins").out, re.MULTILINE)


# While a run is going on.

FINISH = ("restorekit_finish", "plan, box, x0")
RUNNING: dict[str, tuple[str, str]] = {
    "prepare-raises": (
        task_code("tint", prepare=hook("restorekit_prepare", "inputs", "return inputs['img']")),
        "fails in restorekit_prepare: KeyError: 'img'",
    ),
    "prepare-nothing": (
        task_code("tint", prepare=hook("restorekit_prepare", "inputs", "pass")),
        "restorekit_prepare returns nothing, not a restorekit.Plan",
    ),
    "prepare-size": (
        task_code(
            "tint", prepare=hook("restorekit_prepare", "inputs", "return rk.Plan((4.5, 'x'))")
        ),
        "restorekit_prepare plans the size (4.5, 'x')",
    ),
    "prepare-empty": (
        task_code("tint", prepare=hook("restorekit_prepare", "inputs", "return rk.Plan((0, 5))")),
        "both sides must be at least 1",
    ),
    "prepare-jump": (
        task_code(
            "tint", prepare=hook("restorekit_prepare", "inputs", "return rk.Plan((4,5),jump=(0,5))")
        ),
        "plans the jump (0, 5), not two whole numbers (steps, times) above 0",
    ),
    "condition-raises": (
        task_code("tint", condition=hook("restorekit_condition", "plan", "return 1 / 0")),
        "fails in restorekit_condition: ZeroDivisionError: division by zero",
    ),
    "condition-exits": (
        task_code("tint", condition=hook("restorekit_condition", "plan", "raise SystemExit")),
        "fails in restorekit_condition: SystemExit",
    ),
    "condition-type": (
        task_code("tint", condition=hook("restorekit_condition", "plan", "return plan.state")),
        "restorekit_condition returns a Tensor, not a restorekit.Condition",
    ),
    "condition-shape": (
        task_code(
            "tint",
            condition=hook("restorekit_condition", "plan", "return rk.Condition(plan.state)"),
        ),
        "restorekit_condition gives source of shape (1, 3, 16, 24), not (N, C, 32, 48)",
    ),
    "condition-concat": (
        task_code("tint", condition=CONDITION.replace("source, source", "source, source.numpy()")),
        "gives a ndarray as concat, not a tensor",
    ),
    "condition-channels": (
        task_code("tint", condition=CONDITION.replace("source, source", "source, source[:, :1]")),
        "its condition has 3 + 1 channels and model tiny takes 3 + 3",
    ),
    "condition-dtype": (
        task_code("tint", condition=CONDITION.replace("box)\n", "box).double()\n", 1)),
        "gives source as torch.float64",
    ),
    "condition-nan": (
        task_code("tint", condition=CONDITION.replace("box)\n", "box) / 0\n", 1)),
        "gives source with values that are not finite",
    ),
    "condition-numbers": (
        task_code("tint", condition=CONDITION.replace(', "noise": 0.0', "")),
        "lacks the number 'noise', which model tiny takes",
    ),
    "correct-raises": (
        task_code("tint", hook("restorekit_correct", "x0_hat", "raise TypeError('no')")),
        "fails in restorekit_correct: TypeError: no",
    ),
    "correct-shape": (
        task_code("tint", hook("restorekit_correct", "x0_hat", "return x0_hat[..., 1:]")),
        "restorekit_correct gives an image of shape",
    ),
    "correct-nothing": (  # pluggy would take the default
        task_code("tint", hook("restorekit_correct", "x0_hat", "x0_hat * 2")),
        "restorekit_correct gives nothing as an image, not a tensor",
    ),
    "finish-nothing": (
        task_code("tint", hook(*FINISH, "x0 * 2")),
        "restorekit_finish gives nothing as an image, not a tensor",
    ),
    "finish-raises": (
        task_code("tint", hook(*FINISH, "assert False, 'cannot happen'")),
        "fails in restorekit_finish: AssertionError: cannot happen",
    ),
    "finish-type": (
        task_code("tint", hook(*FINISH, "return x0.numpy()")),
        "restorekit_finish gives a ndarray as an image, not a tensor",
    ),
    "finish-shape": (
        task_code("tint", hook(*FINISH, "return x0[:, :1]")),
        "restorekit_finish gives an image of shape (1, 1, 32, 48), not (1, 3, 32, 48)",
    ),
    "finish-dtype": (
        task_code("tint", hook(*FINISH, "return x0.half()")),
        "restorekit_finish gives an image as torch.float16",
    ),
    "finish-nan": (
        task_code("tint", hook(*FINISH, "return x0 * float('nan')")),
        "restorekit_finish gives an image with values that are not finite",
    ),
    "step-raises": (
        task_code("tint", hook("restorekit_step", "event", "raise OSError(5, 'no log')")),
        "fails in restorekit_step: OSError: [Errno 5] no log",
    ),
}


@pytest.mark.user("J2")
@pytest.mark.user("M3")
@pytest.mark.parametrize("name", RUNNING)
def test_what_goes_wrong_in_a_hook_is_one_sentence(
    install: Installer, run: Run, tmp_path: Path, name: str
) -> None:
    code, reason = RUNNING[name]
    label = install("tint", code)
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    photo = save(tmp_path / "photo.png")
    ran = run("tint", photo, "-o", tmp_path / "out", "--model", model)
    assert ran.code == 1
    failed = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1, ran.err
    for word in ("photo.png", f"plugin {label}", reason):
        assert word in failed[0]
    assert tree(tmp_path / "out") == {}
    with pytest.raises(restorekit.PluginError, match=re.escape(reason)) as raised:
        restorekit.tint(save_array(), model=str(model))
    assert raised.value.plugin == "tint"


def save_array():
    from outer_kit import noise

    return noise()


def test_a_plugin_that_works_works(install: Installer, run: Run, tmp_path: Path) -> None:
    install("tint", task_code("tint", hook(*FINISH, "return -x0")))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    photo = save(tmp_path / "photo.png")
    assert run("tint", photo, "-o", tmp_path / "out", "--model", model).code == 0
    assert "tint" in run("--help").out
    assert "A task for tests" in run("--help").out
    import numpy as np

    plain = restorekit.tint(save_array(), model=str(model), strength=0.5)
    assert plain.shape == (32, 48, 3)
    assert plain.dtype == np.uint8
    assert "tint" in dir(restorekit)


def test_a_usage_error_of_a_plugin_keeps_its_own_words(
    install: Installer, run: Run, tmp_path: Path
) -> None:
    body = "raise rk.UsageError('a picture needs two sides')"
    install("tint", task_code("tint", prepare=hook("restorekit_prepare", "inputs", body)))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    ran = run("tint", save(tmp_path / "photo.png"), "-o", tmp_path / "out", "--model", model)
    assert ran.code == 1
    assert "photo.png: a picture needs two sides" in ran.err


def test_out_of_memory_in_a_hook_is_not_the_plugin_s_fault(
    install: Installer, tmp_path: Path
) -> None:
    body = "if not seen:\n        seen.append(1)\n        raise MemoryError\n    return x0"
    install("tint", task_code("tint", "\n\nseen = []\n", hook(*FINISH, body)))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    assert restorekit.tint(save_array(), model=str(model)).shape == (32, 48, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return None", "restorekit_degrade is missing or returns nothing"),
        ("return {}", "restorekit_degrade returns a dict, not images by name"),
        ("return {'image': clean[0]}", "as 'image', not images (1, C, H, W)"),
        ("raise ValueError('no')", "fails in restorekit_degrade: ValueError: no"),
        ("", "restorekit_degrade is missing"),
    ],
)
def test_evaluation_names_a_plugin_that_cannot_degrade(
    install: Installer, run: Run, tmp_path: Path, body: str, reason: str
) -> None:
    degrade = hook("restorekit_degrade", "clean", body) if body else ""
    label = install("tint", task_code("tint", degrade))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    save(tmp_path / "in" / "photo.png")
    ran = run("evaluate", "tint", "--data", tmp_path / "in", "--model", model)
    assert ran.code == 1
    assert label in ran.err
    assert reason in ran.err


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 5", "restorekit_models returns a int, not files by name"),
        ("return {'tiny': 'tiny.safetensors'}", "not a pathlib.Path"),
        ("raise SystemExit(1)", "fails in restorekit_models: SystemExit: 1"),
    ],
)
def test_models_of_a_broken_plugin_are_noted(
    install: Installer, run: Run, body: str, reason: str
) -> None:
    label = install("tint", task_code("tint", hook("restorekit_models", "", body)))
    ran = run("models", "list")
    assert ran.code == 0
    assert re.search(r"^upscale +upscale", ran.out, re.MULTILINE)
    assert label in ran.err
    assert reason in ran.err


def test_a_run_imports_no_other_task_s_plugin(
    install: Installer, upscale: Run, tmp_path: Path
) -> None:
    import sys

    marker = tmp_path / "imported"
    install("noisy", f"open({str(marker)!r}, 'w').close()\n" + task_code("noisy"))
    ran = upscale(save(tmp_path / "a.png"), "-o", tmp_path / "out", "--model", "upscale")
    assert ran.code == 0
    assert not marker.exists()
    assert not any(name.startswith("rk_test_") for name in sys.modules)
