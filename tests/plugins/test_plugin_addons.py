"""Add-ons: they wrap hooks and observe steps, for every task, and a broken one is left out by name."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, python, save, write_model
from plugin_makers import Installer, hook, task_code

import restorekit
from restorekit import plugins
from restorekit.errors import PluginError
from restorekit.models.card import Look

ADDONS = "restorekit.addons"
BUNDLED = sorted(plugins.tasks())
HEAD = "import restorekit as rk\n\nhookimpl = rk.hookimpl\nseen = []\n"
WRAPPER = "hookimpl(wrapper=True)"
DARKER = HEAD + hook(
    "restorekit_finish",
    "plan",
    "window = yield\n    return (window - 1) / 2",
    WRAPPER,
)
OBSERVER = HEAD + hook(
    "restorekit_step",
    "event",
    "seen.append((event.step, event.steps, event.t, tuple(event.box), tuple(event.x0_hat.shape)))",
)


def test_an_addon_wraps_a_hook(install: Installer, model: Path) -> None:
    options = {"scale": 2, "model": str(model)}
    plain = restorekit.upscale(noise(), **options)
    install("darker", DARKER, group=ADDONS)
    darker = restorekit.upscale(noise(), **options)
    assert abs(darker.astype(float) - plain / 2).max() <= 1


def test_an_addon_observes_steps(install: Installer, model: Path) -> None:
    install("watch", OBSERVER, group=ADDONS, module="rk_test_watch")
    options = {"scale": 2, "model": str(model), "look": "sharp", "steps": 3}
    made = restorekit.upscale(noise(), **options)
    seen = sys.modules["rk_test_watch"].seen
    assert [event[:2] for event in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [event[2] for event in seen] == pytest.approx([1, 2 / 3, 1 / 3])
    assert all(event[3] == (0, 0, *made.shape[:2]) for event in seen)


def test_observing_changes_nothing(install: Installer, model: Path) -> None:
    options = {"scale": 2, "model": str(model), "look": "sharp", "steps": 2}
    plain = restorekit.upscale(noise(), **options)
    install("watch", OBSERVER, group=ADDONS)
    np.testing.assert_array_equal(restorekit.upscale(noise(), **options), plain)


def test_an_addon_corrects_every_step(install: Installer, model: Path) -> None:
    code = HEAD + hook(
        "restorekit_correct", "x0_hat", "x0_hat = yield\n    return x0_hat * 0", WRAPPER
    )
    install("grey", code, group=ADDONS)
    result = restorekit.upscale(noise(), scale=2, model=str(model))
    assert np.all(result == 128)


def test_an_addon_brings_a_model(install: Installer, model: Path) -> None:
    plain = restorekit.upscale(noise(), scale=2, model=str(model))
    code = hook("restorekit_models", "", f"return {{'mine': Path({str(model)!r})}}")
    install("weights", f"from pathlib import Path\n{HEAD}{code}", group=ADDONS)
    np.testing.assert_array_equal(restorekit.upscale(noise(), scale=2, model="mine"), plain)


def test_an_addon_brings_a_sampler(install: Installer, tmp_path: Path) -> None:
    def made(sampler: str) -> str:
        looks = {"faithful": Look({"look": 0.0}, 0.0, 3, sampler), "sharp": Look({"look": 1.0})}
        return str(write_model(tmp_path / f"{sampler}.safetensors", looks=looks))

    plain, other = (restorekit.upscale(noise(), scale=2, model=made(n)) for n in ("ddim", "heun"))
    assert np.any(plain != other)
    code = hook("restorekit_samplers", "", "return {'ddim': rk.SAMPLERS['heun']}")
    install("sampling", HEAD + code, group=ADDONS)
    np.testing.assert_array_equal(restorekit.upscale(noise(), scale=2, model=made("ddim")), other)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "return [rk.SAMPLERS['heun']]",
            "restorekit_samplers returns a list, not samplers by name",
        ),
        ("return {'mine': 'heun'}", "restorekit_samplers gives a str as the sampler 'mine', not a"),
    ],
)
def test_samplers_that_are_none_name_the_plugin(
    install: Installer, model: Path, body: str, reason: str
) -> None:
    install("sampling", HEAD + hook("restorekit_samplers", "", body), group=ADDONS)
    with pytest.raises(PluginError, match=re.escape(reason)):
        restorekit.upscale(noise(), scale=2, model=str(model))


def test_a_plugin_for_an_older_contract_goes_on_working(install: Installer) -> None:
    install("tint", task_code("tint").replace('model="tiny"', 'model="tiny", spec=0'))
    assert plugins.load("tint").task.spec == 0


@pytest.mark.user("J2")
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_module_nobody_has\n", "ModuleNotFoundError"),
        (HEAD + hook("restorekit_wrong", "plan", "pass"), "restorekit_wrong"),
        (OBSERVER + hook("restorekit_wrong", "plan", "pass"), "restorekit_wrong"),
        (OBSERVER + hook("restorekit_finish", "image", "pass"), "image"),
        (HEAD + hook("restorekit_step", "event=None", "pass"), "default value"),
    ],
)
def test_a_broken_addon_is_left_out_whole_and_noted(
    install: Installer,
    run: Run,
    upscale: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    reason: str,
) -> None:
    label = install("bad", code, group=ADDONS, module="rk_test_bad")
    good = install("good", OBSERVER, group=ADDONS, module="rk_test_good")
    photo = save(tmp_path / "a.png")
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    notes = [line for line in ran.err.splitlines() if "plugin" in line]
    assert len(notes) == 1
    assert label in notes[0]
    assert reason in notes[0]
    assert len(sys.modules["rk_test_good"].seen) == 1
    assert not getattr(sys.modules.get("rk_test_bad"), "seen", [])
    listed = run("plugins")
    assert listed.code == 1
    assert f"plugin {label}" in listed.out
    assert good not in listed.out
    assert listed.out.count("ok\n") == 1 + len(BUNDLED)
    monkeypatch.setenv("RESTOREKIT_STRICT", "1")
    install.forget()
    ran = upscale(photo, "-o", tmp_path / "strict")
    assert ran.code == 1
    assert label in ran.err
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize(
    ("hook_text", "reason"),
    [
        (
            hook("restorekit_finish", "plan", "window = yield\n    raise KeyError('x')", WRAPPER),
            "fails in restorekit_finish: KeyError: 'x'",
        ),
        (
            hook("restorekit_finish", "plan", "raise KeyError('x')\n    yield", WRAPPER),
            "fails in restorekit_finish: KeyError: 'x'",
        ),
        (hook("restorekit_step", "event", "event.missing()"), "fails in restorekit_step: Attrib"),
    ],
)
def test_an_addon_that_raises_is_named_not_the_task(
    install: Installer, model: Path, hook_text: str, reason: str
) -> None:
    label = install("bad", HEAD + hook_text, group=ADDONS)
    with pytest.raises(restorekit.PluginError) as raised:
        restorekit.upscale(noise(), scale=2, model=str(model))
    assert f"plugin {label} {reason}" in str(raised.value)


def test_a_task_that_raises_is_named_not_the_addon(install: Installer, tmp_path: Path) -> None:
    install("darker", DARKER, group=ADDONS)
    body = "raise KeyError('mine')"
    label = install("tint", task_code("tint", hook("restorekit_finish", "x0", body)))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    with pytest.raises(restorekit.PluginError) as raised:
        restorekit.tint(noise(), model=str(model))
    assert f"plugin {label} fails in restorekit_finish: KeyError: 'mine'" in str(raised.value)


def test_a_wrong_answer_names_all_who_may_have_given_it(install: Installer, model: Path) -> None:
    code = HEAD + hook("restorekit_finish", "plan", "yield\n    return 5", WRAPPER)
    label = install("bad", code, group=ADDONS)
    with pytest.raises(restorekit.PluginError) as raised:
        restorekit.upscale(noise(), scale=2, model=str(model))
    assert "plugin upscale (restorekit" in str(raised.value)
    assert f"or {label}: restorekit_finish gives a int" in str(raised.value)


def test_a_task_and_an_addon_may_share_a_name_and_a_distribution(
    install: Installer, run: Run
) -> None:
    both = "[restorekit.tasks]\ntint = rk_test_both\n[restorekit.addons]\ntint = rk_test_side\n"
    (install.folder / "rk_test_side.py").write_text(OBSERVER)
    install("tint", task_code("tint"), module="rk_test_both", entry_points=both)
    assert run("plugins").code == 0
    assert plugins.load("tint").problems == ()


@pytest.mark.user("J8")
def test_plugins_can_be_disabled(
    install: Installer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("tint", "raise RuntimeError('must not be imported')\n")
    install("bad", "raise RuntimeError('must not be imported')\n", group=ADDONS)
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", "tint, bad")
    install.forget()
    assert run("plugins").code == 0
    assert "tint" not in run("--help").out
    ran = run("tint", "--help")
    assert ran.code == 2
    assert "tint" in ran.err
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", ",".join(["tint", "bad", *BUNDLED]))
    install.forget()
    assert run("plugins").out == ""
    with pytest.raises(restorekit.PluginError, match="installed tasks: none"):
        plugins.load("upscale")
    with pytest.raises(AttributeError, match="upscale"):
        restorekit.upscale  # noqa: B018
    assert "Commands:" in run("--help").out


@pytest.mark.user("J3")
def test_help_with_fifty_plugins_imports_none_of_them(install: Installer) -> None:
    for number in range(50):
        name = f"task{number:02}"
        code = '"""Does nothing, slowly."""\n\nimport time\n\ntime.sleep(5)\n'
        install(name, code, group=ADDONS if number % 5 == 0 else "restorekit.tasks")
    code = (
        "import sys, time; sys.argv = ['restorekit', '--help']; started = time.perf_counter()\n"
        "from restorekit.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('took', time.perf_counter() - started)\n"
        "    print([n for n in sys.modules if n.startswith('rk_test_')], 'torch' in sys.modules)\n"
    )
    ran = python(code, PYTHONPATH=f"{install.folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    assert re.search(r"task49 +Does nothing, slowly", ran.stdout), ran.stdout
    assert "[] False" in ran.stdout
    took = float(ran.stdout.split("took ")[1].split()[0])
    assert took < 4, took  # one import alone would sleep for 5


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ('"""The first line.\n\nMore."""\n', "The first line"),
        ("x = 1\n", ""),
        ("def f(:\n", ""),
        ("\0", ""),
    ],
)
def test_a_summary_is_read_as_text(install: Installer, run: Run, code: str, shown: str) -> None:
    install("tint", code)
    line = next(line for line in run("--help").out.splitlines() if line.startswith("  tint"))
    assert line.split(maxsplit=1)[1:] == ([shown] if shown else [])


def test_an_option_of_every_kind_becomes_a_flag_and_a_keyword(
    install: Installer, run: Run, tmp_path: Path
) -> None:
    options = """(
        rk.Option("much", float, 0.5, "How much.", minimum=0, maximum=1),
        rk.Option("times", int, 2, "How often."),
        rk.Option("way", str, "up", "Which way.", choices=("up", "down")),
        rk.Option("edges", bool, True, "Edges too."),
        rk.Option("area", "size", None, "An area."),
    )"""
    prepare = hook(
        "restorekit_prepare",
        "inputs, options",
        "print(sorted(options.items()))\n    image = inputs['image']\n"
        "    return rk.Plan(tuple(image.shape[-2:]), {}, image)",
    )
    code = task_code("tint", prepare=prepare)
    install("tint", code.replace('model="tiny"', f"options={options}"))
    model = write_model(tmp_path / "tint.safetensors", task="tint")
    photo = save(tmp_path / "a.png")
    listed = run("tint", "--help").out
    for word in ("--much", "--times", "--way", "up|down", "--edges", "--no-edges", "--area"):
        assert word in listed
    common = [photo, "-o", tmp_path / "out", "--model", model, "--overwrite"]
    given = ["--much", "1", "--times", "3", "--way", "down", "--no-edges", "--area", "3x4"]
    ran = run("tint", *common, *given)
    assert ran.code == 0, ran.err
    expected = [("area", (3, 4)), ("edges", False), ("much", 1.0), ("times", 3), ("way", "down")]
    assert ran.out.strip() == str(expected)
    ran = run("tint", *common)
    assert ran.out.strip().startswith("[('area', None), ('edges', True), ('much', 0.5)")
    assert run("tint", *common, "--way", "left").code == 2
    ran = run("tint", photo, "-o", tmp_path / "two")
    assert ran.code == 2  # a task that brings no weights
    assert "name them with --model" in ran.err
    with pytest.raises(restorekit.UsageError, match="edges"):
        restorekit.tint(noise(), edges="yes", model=str(model))
