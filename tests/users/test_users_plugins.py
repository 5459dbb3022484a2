"""J: what authors of plugins and those who install them rely on."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, save, write_model
from plugin_makers import Installer, hook, task_code

import restorekit
from restorekit import hookspecs, plugins
from restorekit.images import read

HOOKS_1 = {
    "restorekit_task": (),
    "restorekit_prepare": ("inputs", "options"),
    "restorekit_condition": ("plan", "box"),
    "restorekit_correct": ("plan", "box", "x0_hat", "t"),
    "restorekit_finish": ("plan", "box", "x0"),
    "restorekit_degrade": ("clean", "options", "seed"),
    "restorekit_step": ("event",),
    "restorekit_models": (),
    "restorekit_metrics": (),
    "restorekit_samplers": (),
}
"""The hooks of specification 1 and their arguments, as plugins of 2026 are written for them."""
ADDONS = "restorekit.addons"


@pytest.mark.user("J1")
def test_what_a_plugin_of_specification_1_uses_is_still_there() -> None:
    """Hooks and arguments are added, never taken away or renamed, as long as this passes."""
    for name, arguments in HOOKS_1.items():
        present = inspect.signature(getattr(hookspecs, name)).parameters
        assert set(arguments) <= set(present), name


@pytest.mark.user("J1")
def test_a_plugin_of_today_runs_and_one_of_tomorrow_is_told_so(
    install: Installer, run: Run, tmp_path: Path
) -> None:
    """A plugin says which specification it was written for; both numbers are in the sentence."""
    later = restorekit.SPEC_VERSION + 1
    code = task_code("tint")
    for version in range(1, restorekit.SPEC_VERSION + 1):
        install("tint", code.replace('model="tiny"', f'model="tiny", spec={version}'))
        assert plugins.load("tint").task.spec == version
    label = install("later", task_code("later").replace('model="tiny"', f"spec={later}"))
    ran = run("later", save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 1
    assert label in ran.err
    assert f"specification {later}" in ran.err
    assert f"has {restorekit.SPEC_VERSION}" in ran.err


WRONG = {
    "an argument that no such hook has": (
        hook("restorekit_finish", "plan, windows, x0", "return x0"),
        ["restorekit_finish(plan, windows, x0)", "'windows'", "the hook is restorekit_finish(plan"],
    ),
    "an argument with a default value": (
        hook("restorekit_finish", "plan, x0, box=None", "return x0"),
        ["'box'", "the hook is restorekit_finish(plan", "x0"],
    ),
    "a name that no hook has": (
        hook("restorekit_finnish", "plan, x0", "return x0"),
        ["restorekit_finnish"],
    ),
}


@pytest.mark.user("J4")
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_signature_is_shown_at_registration(
    install: Installer, run: Run, tmp_path: Path, case: str
) -> None:
    code, words = WRONG[case]
    label = install("tint", task_code("tint") + code)
    ran = run("tint", save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 1
    assert not (tmp_path / "out").exists()
    for word in (label, *words):
        assert word in ran.err, ran.err
    assert len(ran.err.splitlines()) == 1


WRAPPER = """
import restorekit as rk


@rk.hookimpl(wrapper=True)
def restorekit_finish(plan):
    window = yield
    return window * {factor} + {offset}
"""


@pytest.mark.user("J5")
@pytest.mark.parametrize("first", ["halve", "raise"])
def test_the_order_of_addons_is_their_names_and_not_their_installation_s(
    install: Installer, run: Run, model: Path, first: str
) -> None:
    """Add-ons that do not commute: the result tells who was first."""
    addons = {"halve": (0.5, 0.0), "raise": (1.0, 0.25)}
    plain = restorekit.upscale(noise(), scale=2, model=str(model)).astype(float) / 127.5 - 1
    for name in (first, *(other for other in addons if other != first)):
        factor, offset = addons[name]
        install(name, WRAPPER.format(factor=factor, offset=offset), group=ADDONS)
    result = restorekit.upscale(noise(), scale=2, model=str(model)).astype(float) / 127.5 - 1
    # "halve" comes first in the list and is nearest to the task.
    assert np.abs(result - (0.5 * plain + 0.25)).max() <= 2 / 127.5
    listed = [line.split()[0] for line in run("plugins").out.splitlines()]
    assert listed.index("halve") < listed.index("raise")


@pytest.mark.user("J8")
def test_one_task_runs_without_importing_another_s_plugin(
    install: Installer, run: Run, upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And an add-on, which takes part in every task, is kept out by its name."""
    install("slow", "raise RuntimeError('imported')\n")
    label = install("noisy", "raise RuntimeError('imported')\n", group=ADDONS)
    photo = save(tmp_path / "a.png")
    ran = upscale(photo, "-o", tmp_path / "one")
    assert ran.code == 0
    assert "slow" not in ran.err
    assert label in ran.err
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", "noisy")
    install.forget()
    ran = upscale(photo, "-o", tmp_path / "two")
    assert ran.code == 0
    assert "imported" not in ran.err


@pytest.mark.user("J8")
def test_only_some_plugins_or_none_but_restorekit_s_own(
    install: Installer, run: Run, upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("tint", "raise RuntimeError('imported')\n")
    install("noisy", "raise RuntimeError('imported')\n", group=ADDONS)
    install("upscale", task_code("upscale"), distribution="rk-rival")
    photo = save(tmp_path / "a.png")
    assert upscale(photo, "-o", tmp_path / "out").code == 1  # two plugins want the command
    monkeypatch.setenv("RESTOREKIT_PLUGINS", "tint")
    install.forget()
    listed = [line.split()[0] for line in run("plugins").out.splitlines()]
    assert listed == ["denoise", "denoise-render", "inpaint", "tint", "upscale"]
    assert upscale(photo, "-o", tmp_path / "out").code == 0
    monkeypatch.delenv("RESTOREKIT_PLUGINS")
    install.forget()
    ran = run("--no-plugins", "plugins")
    assert ran.code == 0, ran.out
    assert [line.split()[0] for line in ran.out.splitlines()] == [
        "denoise",
        "denoise-render",
        "inpaint",
        "upscale",
    ]


@pytest.mark.user("J10")
def test_a_result_names_the_plugin_its_version_and_the_weights(
    install: Installer, run: Run, tmp_path: Path
) -> None:
    """In the file itself, and in the run's manifest with the add-ons that took part."""
    label = install("tint", task_code("tint"), version="4.5.6")
    addon = install("halve", WRAPPER.format(factor=0.5, offset=0), group=ADDONS, version="7.8")
    weights = write_model(tmp_path / "tint.safetensors", task="tint")
    save(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    assert run("tint", tmp_path / "in", "-o", out, "--model", weights).code == 0
    from restorekit.models import store

    digest = store.read_card(weights).tensors_sha256
    xmp = (read(out / "a.png").metadata.xmp or b"").decode()
    assert label == "tint (rk-tint 4.5.6)"
    for words in (f"plugin={label}", "task=tint", f"model=tiny ({digest})"):
        assert words in xmp
    (line,) = (out / "restorekit-manifest.jsonl").read_text(encoding="utf-8").splitlines()[-1:]
    told = json.dumps(json.loads(line))
    for words in (label, addon, digest):
        assert words in told


@pytest.mark.user("J11")
def test_one_plain_file_and_one_line_make_a_plugin(
    install: Installer, run: Run, tmp_path: Path
) -> None:
    """No build and no installation: a module on the path, and a folder that says its entry point."""
    for made in install.folder.iterdir():
        made.unlink()
    (install.folder / "rk_test_plain.py").write_text(task_code("plain"), encoding="utf-8")
    record = install.folder / "plain-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Name: plain\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[restorekit.tasks]\nplain = rk_test_plain\n")
    install.forget()
    weights = write_model(tmp_path / "plain.safetensors", task="plain")
    photo = save(tmp_path / "a.png")
    ran = run("plain", photo, "-o", tmp_path / "out.png", "--model", weights)
    assert ran.code == 0, ran.err
    assert re.search(r"^plain +task +plain 1 +ok$", run("plugins").out, re.MULTILINE)
