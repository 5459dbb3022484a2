"""`restorekit evaluate` for a stranger's task: its options, its degradations, its further inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, noise, save, write_model
from plugin_makers import Installer

from restorekit.metrics import psnr

DERAIN = '''"""Take rain out."""

import restorekit as rk

TASK = rk.Task(
    "derain",
    "Take rain out",
    (rk.Option("amount", float, 0.5, "How much.", minimum=0, maximum=1),),
    model="derain",
    degradations=(
        rk.Degradation("drizzle", "A little."),
        rk.Degradation("storm", "More.", (rk.Option("levels", float, 10.0, "Of 255."),)),
    ),
    COMPANIONS
)


@rk.hookimpl
def restorekit_task():
    return TASK


@rk.hookimpl
def restorekit_prepare(inputs, options):
    return rk.Plan(tuple(inputs["image"].shape[-2:]), {}, (inputs, options))


@rk.hookimpl
def restorekit_condition(plan, box):
    inputs, options = plan.state
    rows, columns = box.slices()
    image = inputs["image"][..., rows, columns]
    return rk.Condition(image, concat=image, numbers={"scale": 0.0, "noise": 0.0})


@rk.hookimpl
def restorekit_finish(plan, box, x0):
    inputs, options = plan.state
    rows, columns = box.slices()
    wet = (inputs["mask"][..., rows, columns] > 0) if "mask" in inputs else 1
    return inputs["image"][..., rows, columns] - 2 * options["amount"] / 255 * wet


@rk.hookimpl
def restorekit_degrade(clean, options, seed):
    rain = 2 * options.get("levels", 1.0) / 255
    if "mask" not in TASK.inputs:
        return {"image": clean + rain}
    mask = clean[:, :1] * 0 - 1
    mask[..., 10:20, 10:20] = 1
    return {"image": clean + rain * (mask > 0), "mask": mask}
'''


@pytest.fixture
def derain(install: Installer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`restorekit evaluate derain` on three dim pictures; the weights do nothing that is seen."""
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    for number in range(3):
        save(tmp_path / "clean" / f"p{number}.png", noise(32, 40, seed=number) // 2)
    model = write_model(tmp_path / "derain.safetensors", task="derain")

    def call(*arguments: object, companions: str = "") -> tuple[Any, dict[str, Any]]:
        install("derain", DERAIN.replace("COMPANIONS", companions))
        target = tmp_path / "scores.json"
        given = ["--data", tmp_path / "clean", "--model", model, "--json", target]
        ran = run("evaluate", "derain", *given, *arguments)
        return ran, json.loads(target.read_text()) if ran.code == 0 else {}

    return call


def mean(scores: dict[str, Any], method: str, metric: str = "psnr") -> float:
    return scores["methods"][method][metric]["mean"]


def test_its_degradations_and_options_are_those_of_the_command(derain: Any) -> None:
    ran, scores = derain("--against", "input", "--metrics", "psnr,smape")
    assert ran.code == 0, ran.err
    assert scores["degradation"] == {"degradation": "drizzle"}
    assert mean(scores, "input") == pytest.approx(20 * np.log10(255), abs=1e-3)
    assert scores["protocols"][0]["border"] == 0
    storm = ("--degradation", "storm", "--degrade", "levels=20", "--amount", "0")
    ran, scores = derain(*storm, "--against", "input", "--metrics", "psnr-y,psnr")
    assert ran.code == 0, ran.err
    assert scores["degradation"] == {"degradation": "storm", "levels": 20.0}
    assert scores["options"] == {"amount": 0.0}
    assert mean(scores, "input") == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)
    assert mean(scores, "faithful") == mean(scores, "input")


def test_its_help_lists_them(install: Installer, run: Run) -> None:
    install("derain", DERAIN.replace("COMPANIONS", ""))
    ran = run("evaluate", "derain", "--help")
    assert ran.code == 0
    for word in ("--amount", "drizzle", "storm (levels=10.0)"):
        assert word in " ".join(ran.out.split())


def test_usual_baselines_are_those_of_denoising(derain: Any) -> None:
    ran, scores = derain("--metrics", "psnr")
    assert ran.code == 0, ran.err
    assert next(iter(scores["methods"])) == "input"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--degradation", "hail"], "'hail'"),
        (["--degrade", "levels=3"], "'levels'"),
        (["--degradation", "storm", "--degrade", "levels=much"], "--levels"),
        (["--amount", "2"], "--amount"),
        (["--inputs", "mask=somewhere"], "somewhere"),
        (["--inputs", "one", "--inputs", "two"], "one and two"),
        (["--inputs", "one", "--degradation", "storm"], "--degradation"),
        (["--inputs", "one", "--degrade", "levels=3"], "--degrade"),
        (["--metrics", "psnr-hole"], "mask"),
    ],
)
def test_wrong_words_are_told(derain: Any, given: list[str], word: str) -> None:
    ran, _ = derain(*given)
    assert ran.code == 2
    assert word in ran.err
    assert len(ran.err.strip().splitlines()) == 1


MASKED = 'companions=(rk.Input("mask", "Where it rains."),),'


def test_a_mask_reaches_the_task_and_its_own_metrics(derain: Any) -> None:
    given = ("--degradation", "storm", "--amount", "1", "--against", "input")
    ran, scores = derain(*given, companions=MASKED)
    assert ran.code == 0, ran.err
    assert {"psnr-hole", "seam"} <= set(scores["methods"]["faithful"])
    assert mean(scores, "input", "psnr-hole") == pytest.approx(20 * np.log10(25.5), abs=1e-3)
    assert mean(scores, "faithful", "psnr-hole") == pytest.approx(20 * np.log10(255 / 9), abs=1e-3)
    assert mean(scores, "input", "seam") > 1.2


def test_masks_come_from_a_folder_too(derain: Any, tmp_path: Path) -> None:
    mask = np.zeros((32, 40), np.uint8)
    mask[5:15, 5:15] = 255
    for number in range(3):
        name = f"p{number}.png"
        wet = noise(32, 40, seed=number) // 2
        wet[mask > 0] += 1
        save(tmp_path / "wet" / name, wet)
        save(tmp_path / "masks" / name, mask)
    folders = ["--inputs", tmp_path / "wet", "--inputs", f"mask={tmp_path / 'masks'}"]
    given = (*folders, "--amount", "1", "--against", "input", "--metrics", "psnr,psnr-hole")
    ran, scores = derain(*given, companions=MASKED)
    assert ran.code == 0, ran.err
    assert mean(scores, "faithful", "psnr-hole") is None  # equal: infinite
    wet = noise(32, 40) // 2
    expected = [psnr(wet + np.uint8(1) * (mask > 0)[..., None].astype(np.uint8), wet)] * 3
    assert mean(scores, "input") == pytest.approx(np.mean(expected), abs=1e-3)


ENLARGE = '''"""Twice as high."""

import restorekit as rk


@rk.hookimpl
def restorekit_task():
    return rk.Task("enlarge", "Twice as high", model="enlarge")


@rk.hookimpl
def restorekit_prepare(inputs):
    image = inputs["image"]
    return rk.Plan((2 * image.shape[-2], image.shape[-1]), state=image)


@rk.hookimpl
def restorekit_condition(plan, box):
    large = rk.resample(plan.state, plan.size, box)
    return rk.Condition(large, large, {"scale": 0.0, "noise": 0.0})


@rk.hookimpl
def restorekit_degrade(clean):
    return {"image": rk.reduce(clean, (clean.shape[-2] // 2, clean.shape[-1]))}
'''


def test_a_task_that_resizes_by_itself_needs_no_scale(
    install: Installer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path / "nowhere"))
    for number, height in enumerate((32, 33)):  # an odd height is a pixel more than is given back
        save(tmp_path / "clean" / f"p{number}.png", noise(height, 40, seed=number))
    model = write_model(tmp_path / "enlarge.safetensors", task="enlarge")
    install("enlarge", ENLARGE)
    given = ["--data", tmp_path / "clean", "--model", model, "--json", tmp_path / "scores.json"]
    ran = run("evaluate", "enlarge", *given, "--metrics", "psnr")
    assert ran.code == 0, ran.err
    methods = json.loads((tmp_path / "scores.json").read_text())["methods"]
    assert list(methods) == ["bicubic", "lanczos", "faithful"]
    assert len(methods["faithful"]["psnr"]["values"]) == 2
    ran = run("evaluate", "enlarge", *given, "--inputs", tmp_path / "clean", "--metrics", "psnr")
    assert ran.code == 2
    assert "p0: faithful gives 40 x 64 and the truth is 40 x 32" in ran.err
