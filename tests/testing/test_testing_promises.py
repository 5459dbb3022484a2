"""check_task: a task that keeps its promises passes, and each way to break one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from outer_kit import Run, write_model
from plugin_makers import Installer

import restorekit
from restorekit.engine.loop import Engine
from restorekit.testing import Finding, check_task, examine, photograph
from restorekit.testing.examination import PROMISES, tried
from restorekit.testing.subject import subject

# A task whose network does nothing to speak of: all of its gain is made by its own hooks, by taking off
# the light that its degradation adds.
DIM = '''"""Take too much light off."""

import random

import numpy as np
import torch

import restorekit as rk

CALLS = []
TASK = rk.Task(
    "dim",
    "Take too much light off",
    (
        rk.Option("light", float, 0.2, "How much too light it is.", minimum=0.0, maximum=0.5),
        rk.Option("way", str, "flat", "How it lies.", choices=("flat", "steep")),
    ),
    model="tiny",
    looks=("faithful", "sharp"),
)


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_models():
    from pathlib import Path

    return {"tiny": Path(MODEL)}


@rk.hookimpl
def restorekit_prepare(inputs, options):
    image = inputs["image"]
    ways = {"flat": 1.0, "steep": 1.5}
    light = options["light"] * ways[options["way"]]
    return rk.Plan(tuple(image.shape[-2:]), {}, (image, light))


@rk.hookimpl
def restorekit_condition(plan, box):
    image, light = plan.state
    rows, columns = box.slices()
    source = image[..., rows, columns] - light
    return rk.Condition(source, source, {"scale": 1.0, "noise": 0.0})


@rk.hookimpl
def restorekit_degrade(clean, options, seed):
    draw = torch.Generator().manual_seed(seed)
    noise = 0.01 * torch.randn(clean.shape, generator=draw)
    return {"image": (clean + options["light"] + noise).clamp(-1, 1)}
'''

Dim = Callable[..., dict[str, Finding]]


@pytest.fixture
def dim(install: Installer, tmp_path: Path) -> Dim:
    """Installs the task with a piece of its code replaced; its findings by promise."""
    # Small changes of x̂0, so that the network neither helps nor harms.
    model = write_model(tmp_path / "dim.safetensors", task="dim", deviation=0.001)

    def made(before: str = "", after: str = "", only: str = "") -> dict[str, Finding]:
        assert before in DIM
        install("dim", f"{DIM.replace(before, after)}\n\nMODEL = {str(model)!r}\n")
        if only:
            return {p.name: tried(p, subject("dim")) for p in PROMISES if p.name == only}
        return {finding.promise: finding for finding in examine("dim")}

    return made


def test_a_task_that_keeps_them_all(dim: Dim) -> None:
    findings = dim()
    broken = [str(finding) for finding in findings.values() if finding.kept is False]
    assert broken == []
    not_tried = {name for name, finding in findings.items() if finding.kept is None}
    assert not_tried <= {"corrections", "known pixels", "gpu"}
    assert list(findings) == ["loads", *(promise.name for promise in PROMISES)]
    check_task("dim")


BREAKS: dict[str, tuple[str, str, str, str]] = {
    # what is wrong: (the code, what is put in its place, the promise, what is said of it)
    "no help": ('"How it lies."', '""', "declaration", "option way has no help"),
    "a hook without its mark": (
        "@rk.hookimpl\ndef restorekit_degrade",
        "def restorekit_finish(x0):\n    return 0 * x0\n\n\n@rk.hookimpl\ndef restorekit_degrade",
        "declaration",
        "restorekit_finish lacks @restorekit.hookimpl and is never called",
    ),
    "an option unused": (
        'ways[options["way"]]',
        "1.0",
        "options read",
        "no hook has read the option ['way']",
    ),
    "an option that fails": (
        '"steep": 1.5',
        '"steeper": 1.5',
        "options",
        "with way='steep': plugin dim (rk-dim 1.2.3) fails in restorekit_prepare: KeyError",
    ),
    "a window by itself": (
        "    source = image[..., rows, columns] - light\n",
        "    part = image[..., rows, columns]\n    source = part - light + 0.01 * part.mean()\n",
        "windows",
        "the source of window (0, 0, 1, 1) is not the whole's crop",
    ),
    "a window by itself, for one choice": (
        "    source = image[..., rows, columns] - light\n",
        "    part = image[..., rows, columns]\n"
        "    source = part - light + (light > 0.2) * part.mean()\n",
        "windows",
        "with way='steep', the source of window (0, 0, 1, 1) is not the whole's crop",
    ),
    "a condition that changes": (
        '{"scale": 1.0, "noise": 0.0})',
        '{"scale": 1.0, "noise": float(len(CALLS)), **(CALLS.append(1) or {})})',
        "windows",
        "the set of numbers",
    ),
    "a correction of its window": (
        "@rk.hookimpl\ndef restorekit_degrade",
        "@rk.hookimpl\ndef restorekit_correct(x0_hat):\n    return x0_hat - 0.1 * x0_hat.mean()\n\n\n"
        "@rk.hookimpl\ndef restorekit_degrade",
        "corrections",
        "restorekit_correct differs by",
    ),
    "a correction of the first step's window": (
        "@rk.hookimpl\ndef restorekit_degrade",
        "@rk.hookimpl\ndef restorekit_correct(x0_hat, t):\n"
        "    return x0_hat if t < 0.9 else x0_hat - 0.1 * x0_hat.mean()\n\n\n"
        "@rk.hookimpl\ndef restorekit_degrade",
        "corrections",
        "restorekit_correct differs by",
    ),
    "a degradation without its seed": (
        "torch.Generator().manual_seed(seed)",
        "torch.Generator().manual_seed(len(CALLS) + seed * len(CALLS.append(1) or '1'))",
        "degradation",
        "is not decided by its seed",
    ),
    "a degradation from the global generator": (
        "torch.randn(clean.shape, generator=draw)",
        "torch.randn(clean.shape)",
        "degradation",
        "uses torch's global random generator",
    ),
    "a degradation from numpy's generator": (
        "torch.randn(clean.shape, generator=draw)",
        "float(np.random.rand()) * torch.randn(clean.shape, generator=draw)",
        "degradation",
        "uses numpy's global random generator",
    ),
    "a degradation that mixes its batch": (
        "clean + options",
        "clean * (1 + clean[-1].mean()) + options",
        "degradation",
        "an image of a batch depends on another one's pixels",
    ),
    "a degradation that writes": (
        'return {"image": (clean',
        'clean[0, 0, 0, 0] = 0\n    return {"image": (clean',
        "degradation",
        "writes into the clean images",
    ),
    "a degradation out of range": (
        ".clamp(-1, 1)}",
        " * 255}",
        "degradation",
        "the range is [−1, 1]",
    ),
    "a degradation of another input": (
        'return {"image":',
        'return {"depth": clean, "image":',
        "degradation",
        "makes the input ['depth'], which the task does not take",
    ),
    "randomness in a hook": (
        "    image = inputs",
        "    random.random()\n    image = inputs",
        "randomness",
        "uses the global generator of module random",
    ),
    "small pictures refused": (
        "    ways =",
        "    assert min(image.shape[-2:]) > 4, 'too small'\n    ways =",
        "sizes",
        "fails in restorekit_prepare: AssertionError: too small",
    ),
    "a picture changed": (
        "    ways =",
        "    image.numpy()[:] = 0\n    ways =",
        "plausible",
        "does not look like the picture",
    ),
    "worse than nothing": ('"flat": 1.0', '"flat": -1.0', "gain", "doing nothing is nearer"),
    "memory of the picture before": (
        "light = options",
        "CALLS.append(1)\n    light = 0.001 * len(CALLS) + options",
        "determinism",
        "after another picture the result differs",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_promise_is_named_with_what_was_seen(dim: Dim, name: str) -> None:
    before, after, promise, words = BREAKS[name]
    finding = dim(before, after, promise)[promise]
    assert finding.kept is False, str(finding)
    assert words in finding.seen
    assert finding.read.startswith("Plugins, “")
    assert "BROKEN" in str(finding)
    assert finding.says in str(finding)


def test_an_image_that_may_be_left_out_is_left_out(dim: Dim) -> None:
    model = '    model="tiny",\n'
    _, _, rest = DIM.partition(model)
    needing = rest.replace('inputs["image"]', 'inputs["image"] + 0 * inputs["hint"]')
    needing = needing.replace('return {"image"', 'return {"hint": clean, "image"')
    hint = '    (rk.Input("hint", "A hint."),),\n'
    finding = dim(model + rest, hint + model + needing, "options")["options"]
    assert finding.kept is False, str(finding)
    assert "without hint: plugin dim (rk-dim 1.2.3) fails in restorekit_prepare" in finding.seen


def test_a_generator_that_an_earlier_call_has_seeded_is_seen(dim: Dim) -> None:
    """The same seed and draws leave it as they found it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.randn(1)
        seeding = "    torch.manual_seed(0)\n    torch.randn(1)\n    image = inputs"
        finding = dim("    image = inputs", seeding, "randomness")["randomness"]
    assert finding.kept is False, str(finding)
    assert "uses torch's global random generator" in finding.seen


def test_tiles_show_where_a_network_sees_far(dim: Dim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures are longer than what the smallest tile sees with its margins."""
    monkeypatch.setattr(Engine, "margin", property(lambda _: 160))
    correction = (
        "@rk.hookimpl\ndef restorekit_correct(x0_hat):\n    return x0_hat - x0_hat.mean()\n"
    )
    degrade = "@rk.hookimpl\ndef restorekit_degrade"
    finding = dim(degrade, f"{correction}\n\n{degrade}", "tiles")["tiles"]
    assert finding.kept is False, str(finding)
    assert "in the smallest tiles the result differs" in finding.seen


def test_a_task_without_a_degradation_cannot_say_what_it_is_worth(dim: Dim) -> None:
    head, _, _ = DIM.partition("@rk.hookimpl\ndef restorekit_degrade")
    code = DIM.removeprefix(head)
    assert dim(code, "", "degradation")["degradation"].kept is None
    assert "no restorekit_degrade" in dim(code, "", "gain")["gain"].seen
    assert dim(code, "", "sizes")["sizes"].kept


def test_a_task_that_cannot_be_loaded_has_one_finding(dim: Dim) -> None:
    found = dim("import random", "import a_module_nobody_has")
    assert list(found) == ["loads"]
    assert "No module named 'a_module_nobody_has'" in found["loads"].seen


def test_a_task_without_weights_has_one_finding(dim: Dim) -> None:
    found = dim('"tiny": Path', '"other": Path')
    assert list(found) == ["loads"]
    assert "no model or file 'tiny'" in found["loads"].seen


def test_check_task_lists_every_broken_promise(dim: Dim) -> None:
    dim('"flat": 1.0', '"flat": -1.0', "declaration")
    with pytest.raises(restorekit.PluginError) as raised:
        check_task("dim")
    assert "task dim breaks 1 of 17 promises" in str(raised.value)
    assert "gain" in str(raised.value)
    assert raised.value.plugin == "dim"


def test_the_command_shows_each_finding_and_its_code_is_the_verdict(
    dim: Dim, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(
        promise for promise in PROMISES if promise.name in ("declaration", "gain", "known pixels")
    )
    monkeypatch.setattr("restorekit.testing.examination.PROMISES", few)
    dim(only="declaration")
    ran = run("plugins", "check", "dim")
    assert ran.code == 0, ran.out
    assert [line.split()[0] for line in ran.out.splitlines()[:3]] == ["kept", "kept", "not"]
    assert ran.out.endswith("dim: all kept\n")
    dim('"flat": 1.0', '"flat": -1.0', "declaration")
    ran = run("plugins", "check", "dim")
    assert ran.code == 1
    assert "promise: it is better than doing nothing" in ran.out
    assert "read: Plugins, “restorekit_degrade”" in ran.out
    assert ran.out.endswith("dim: breaks 1 of 4 promises\n")
    assert run("plugins", "check", "nope").code == 1


def test_a_task_that_is_not_there() -> None:
    with pytest.raises(restorekit.PluginError, match="no installed plugin brings the task 'nope'"):
        check_task("nope")


def test_the_pictures_are_always_the_same_and_like_photographs() -> None:
    one, again, other = photograph(60, 80, 1), photograph(60, 80, 1), photograph(60, 80, 2)
    assert one.shape == (60, 80, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean() > 10
    steps = np.abs(np.diff(one.astype(float), axis=1)).max(2)  # flat mostly, and edges
    assert np.median(steps) < 10
    assert (steps > 40).mean() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["upscale", "denoise", "inpaint", "denoise-render"])
def test_the_shipped_tasks_keep_every_promise(name: str) -> None:
    check_task(name)
