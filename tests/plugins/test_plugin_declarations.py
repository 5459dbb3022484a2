"""What a task declares wrongly is one sentence when it is declared, not a crash later."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from plugin_makers import Installer, hook, task_code

import restorekit as rk
from restorekit import plugins
from restorekit.cli.evaluate import task_evaluation
from restorekit.cli.task import task_command
from restorekit.errors import UsageError
from restorekit.task import RESERVED_OPTIONS

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: rk.Option("n", int, 1, "", choices=(1, 2)), "has the choices (1, 2)"),  # type: ignore[arg-type]
    (lambda: rk.Option("n", str, "a", "", choices="ab"), "has the choices 'ab'"),  # type: ignore[arg-type]
    (lambda: rk.Option("n", int, 1, "", choices=("1",)), "to an option of kind str"),
    (lambda: rk.Input("mask", "", words="(("), "has the words '((', no regular expression"),
    (lambda: rk.Task("t", "T", rk.Option("n", int, 1, "")), "its options are no tuple"),  # type: ignore[arg-type]
    (lambda: rk.Task("t", "T", looks="faithful"), "its looks are no tuple"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("declare", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_declaration_is_one_sentence(declare: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError) as raised:
        declare()
    assert words in str(raised.value)


@pytest.mark.parametrize("name", ["samples", "metrics", "data", "no_provenance", "no_grow"])
def test_an_option_cannot_be_a_flag_that_is_there(name: str) -> None:
    """Of every task's run or evaluation, or what switches another option off."""
    with pytest.raises(UsageError, match=f"'{name}' of task t is taken already"):
        rk.Task("t", "T", (rk.Option("grow", bool, True, ""), rk.Option(name, int, 0, "")))


def test_every_flag_of_a_task_s_commands_is_reserved() -> None:
    loaded = plugins.load("upscale")
    own = set(loaded.task.inputs) | {option.name for option in loaded.task.options}
    for command in (task_command(loaded), task_evaluation(loaded)):
        flags = {f for p in command.params for f in (*p.opts, *p.secondary_opts) if f[:2] == "--"}
        names = {flag[2:].replace("-", "_") for flag in flags} - own
        assert names <= RESERVED_OPTIONS


def test_lists_do_as_well_as_tuples() -> None:
    words = rk.Option("way", str, "a", "", choices=["a", "b"])  # type: ignore[arg-type]
    task = rk.Task("t", "T", [words, rk.Option("n", int, 0, "")], exclusive=[("way", "n")])  # type: ignore[arg-type]
    assert task.check_options({"way": "b"}) == {"way": "b", "n": 0}
    with pytest.raises(UsageError, match="--way and --n contradict each other"):
        task.check_given(["way", "n"])


def test_a_hook_of_a_later_version_may_be_marked_as_optional(install: Installer) -> None:
    later = hook("restorekit_later", "plan", "return plan", "rk.hookimpl(optionalhook=True)")
    install("early", task_code("early", later))
    assert plugins.load("early").task.name == "early"
