"""Models that plugins bring: whose name is whose, and weights that are not there."""

from __future__ import annotations

from pathlib import Path

from outer_kit import Run, save, write_model
from plugin_makers import Installer, hook, task_code

from restorekit import plugins
from restorekit.models.find import find


def test_two_plugins_with_one_model_name_do_not_take_it_from_each_other(
    install: Installer, tmp_path: Path, run: Run
) -> None:
    other = write_model(tmp_path / "other.safetensors", seed=5)
    code = task_code(
        "aaa", hook("restorekit_models", "", f"return {{'upscale': Path({str(other)!r})}}")
    )
    label = install("aaa", "from pathlib import Path\n" + code)
    own = find("upscale", plugins.load("upscale").hooks)
    assert own != other  # a task's own plugin is asked first
    assert find("upscale") == own  # and restorekit's, where nobody's task asks
    assert find("upscale", plugins.load("aaa").hooks) == other
    for command in (["list"], ["verify"]):
        told = run("models", *command).err
        assert f"{label}: its model 'upscale' has the name of one of upscale (restorekit" in told


def test_weights_that_are_not_where_the_plugin_says_are_told(
    install: Installer, tmp_path: Path, run: Run
) -> None:
    gone = f"return {{'tiny': Path({str(tmp_path / 'gone.safetensors')!r})}}"
    install(
        "aaa", "from pathlib import Path\n" + task_code("aaa", hook("restorekit_models", "", gone))
    )
    ran = run("aaa", save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 2
    assert "the plugin of model 'tiny' says it is in" in ran.err
