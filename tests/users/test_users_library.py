"""F, K, L, M: any processor, figures that can be made again, cards of weights, one form of call."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import REPOSITORY, Run, noise, save
from PIL import Image
from task_kit import blot

import restorekit
from restorekit import device as devices
from restorekit import plugins
from restorekit.jobs.settings import COMMON_OPTIONS
from restorekit.models import store

TASKS = sorted(plugins.tasks())
MODELS, _ = plugins.models()
SHIPPED = sorted(name for name in TASKS if name in MODELS)


@pytest.mark.user("F1")
@pytest.mark.parametrize("name", ["upscale", "denoise"])
def test_the_processor_alone_is_enough_and_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whether there is nothing else, or something else that a person does not want."""
    photo = save(tmp_path / "a.png", noise(40, 50))
    ran = run(name, photo, "-o", tmp_path / "one.png", "--device", "cpu")
    assert ran.code == 0
    assert ran.err.splitlines()[-1].endswith(" on cpu")
    monkeypatch.setattr(devices, "available", lambda kind: kind == "cpu")
    ran = run(name, photo, "-o", tmp_path / "two.png")
    assert ran.err.splitlines()[-1].endswith(" on cpu")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.user("F2")
@pytest.mark.user("M1")
@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
@pytest.mark.parametrize("name", ["upscale", "denoise"])
def test_another_device_gives_the_processor_s_picture(
    run: Run, tmp_path: Path, name: str, kind: str
) -> None:
    if not devices.available(kind):
        pytest.skip(f"there is no {kind} device here")
    photo = save(tmp_path / "a.png", noise(90, 110))
    results = {}
    for device in (kind, "cpu", kind):
        out = tmp_path / device / "a.png"
        ran = run(name, photo, "-o", out, "--device", device, "--overwrite")
        assert ran.code == 0, ran.err
        assert ran.err.splitlines()[-1].endswith(f" on {device}")
        with Image.open(out) as image:
            pixels = np.asarray(image).astype(int)
        np.testing.assert_array_equal(results.setdefault(device, pixels), pixels)
    difference = np.abs(results[kind] - results["cpu"])
    assert np.quantile(difference, 0.999) <= 2
    assert difference.max() <= 8


@pytest.mark.user("G1")
@pytest.mark.user("G2")
def test_no_kernel_for_the_card_says_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch says it of a card newer than its build; doctor goes on with the processor."""
    from restorekit.cli import doctor

    def no_kernel(kind: str, _: object) -> None:
        if kind == "xpu":
            raise RuntimeError("CUDA error: no kernel image is available for execution\nmore")

    monkeypatch.setattr(devices, "available", lambda kind: kind in ("xpu", "cpu"))
    monkeypatch.setattr(devices, "choose", lambda kind="auto": torch.device(kind))
    monkeypatch.setattr(devices, "precision", lambda _: torch.float32)
    monkeypatch.setattr(doctor, "_try", no_kernel)
    ran = run("doctor")
    assert ran.code == 1
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line[:4].strip()}
    assert "fails: CUDA error: no kernel image" in lines["xpu"]
    assert "a torch build for this card" in lines["xpu"]
    assert "--device" in lines["xpu"]
    assert "works" in lines["cpu"]


@pytest.fixture
def published() -> dict[str, Any]:
    """The committed results of the full benchmark."""
    path = REPOSITORY / "benchmarks" / "results" / "full.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.user("F3")
@pytest.mark.user("K4")
@pytest.mark.user("K8")
def test_figures_of_the_readme_are_those_of_the_benchmark(
    published: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word what the committed results say: quality, seconds a megapixel, the machine, the
    date and the command that makes them again."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    publish = importlib.import_module("publish")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    shown = readme.partition(publish.BEGIN)[2].partition(publish.END)[0]
    assert shown.strip() == publish.figures(published).strip()
    seconds = published["speed"]["against_rrdbnet"]["seconds"]
    measured = published["speed"]["measured"]
    machine = measured["machine"]
    name = machine["processor"].replace("(R)", "")
    for words in (f"{seconds:.2f} s", name, machine["torch"], measured["date"]):
        assert words in shown
    assert "benchmarks/run.py" in shown
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    ratios = page.partition(publish.BEGIN)[2].partition(publish.END)[0]
    assert ratios.strip() == publish.speeds(published).strip()


@pytest.mark.user("K4")
@pytest.mark.user("K6")
def test_results_say_which_data_weights_and_metric_they_are_of(published: dict[str, Any]) -> None:
    for name, record in published["quality"].items():
        assert len(record["data_sha256"]) == 64, name
        for protocol in record["protocols"]:
            assert protocol["implementation"], name
    assert {"python", "torch", "numpy"} <= set(published["machine"])


@pytest.mark.user("K3")
@pytest.mark.parametrize("name", ["niqe", "brisque", "musiq"])
def test_no_metric_is_offered_that_its_own_packages_disagree_on(
    run: Run, tmp_path: Path, name: str
) -> None:
    """Every metric compares with a truth, or with the input, and has stored values in its tests."""
    save(tmp_path / "in" / "a.png", noise(48, 64))
    ran = run("evaluate", "denoise", "--data", tmp_path / "in", "--metrics", name)
    assert ran.code == 2
    assert name in ran.err
    assert "psnr-y" in ran.err


@pytest.mark.user("L1")
@pytest.mark.user("L6")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_card_says_by_which_licence_from_what_and_how_it_was_made(run: Run, name: str) -> None:
    ran = run("models", "show", name)
    assert ran.code == 0
    card = json.loads(ran.out)
    assert card["licence"] in ("Apache-2.0", "CC0-1.0", "CC BY 4.0")
    assert card["data"]
    for source in card["data"]:
        assert source["name"]
        assert source["pictures"] > 0
        assert source.get("licence") or sum(source["licences"].values()) == source["pictures"]
        assert source.get("source") or source.get("sources"), source["name"]
        named = [source.get("licence", ""), *source.get("licences", {})]
        assert not [words for words in named if "nc" in words.lower().replace("-", " ").split()]
    assert card["training"]
    assert store.load(MODELS[name]).card.tensors_sha256 == card["tensors_sha256"]


@pytest.mark.user("L6")
@pytest.mark.parametrize("name", SHIPPED)
def test_help_says_that_a_network_makes_the_result_and_where_its_card_is(
    run: Run, name: str
) -> None:
    ran = run(name, "--help")
    assert "trained network" in " ".join(ran.out.split())
    assert f"restorekit models show {name}" in " ".join(ran.out.split())


@pytest.mark.user("L4")
def test_the_first_lines_of_the_readme_say_that_nothing_leaves() -> None:
    first = (REPOSITORY / "README.md").read_text(encoding="utf-8")[:400]
    assert "no picture leaves the machine" in first
    assert "no telemetry" in first


def called(name: str, image: Any, stand_in: Path, **options: Any) -> Any:
    """The Python call of a task, with a mask where it takes one."""
    companions = [companion.name for companion in plugins.load(name).task.companions]
    beside = {"mask": blot(40, 50, (9, 12, 8, 9))} if "mask" in companions else {}
    own = {} if name in MODELS else {"model": str(stand_in)}
    return getattr(restorekit, name)(image, **beside, **own, **options)


@pytest.mark.user("M5")
@pytest.mark.user("M4")
@pytest.mark.parametrize("name", ["upscale", "denoise", "inpaint"])
def test_every_task_has_one_form_of_call(name: str, inpaint_model: Path) -> None:
    """An image first, its options by name, those of every task alike; the same kind comes back."""
    signature = inspect.signature(getattr(restorekit, name)).parameters
    first, *others = signature.values()
    assert (first.name, first.default) == ("image", inspect.Parameter.empty)
    for option in COMMON_OPTIONS:
        assert signature[option.name].kind == inspect.Parameter.KEYWORD_ONLY
        assert signature[option.name].default == option.default
    assert all(parameter.default is not inspect.Parameter.empty for parameter in others)
    picture = noise(40, 50)
    kinds: dict[str, tuple[Any, Callable[[Any], np.ndarray]]] = {
        "numpy": (picture, np.asarray),
        "unit": (picture / 255, lambda x: np.rint(x * 255).astype(np.uint8)),
        "PIL": (Image.fromarray(picture), np.asarray),
        "tensor": (
            torch.from_numpy(picture).permute(2, 0, 1),
            lambda x: x.permute(1, 2, 0).numpy(),
        ),
    }
    results = {}
    for kind, (image, to_pixels) in kinds.items():
        result = called(name, image, inpaint_model)
        assert type(result) is type(image)
        results[kind] = to_pixels(result).astype(int)
    for result in results.values():
        assert np.abs(result - results["numpy"]).max() <= 1
    with pytest.raises(restorekit.UsageError, match="no option 'sigmas'"):
        called(name, picture, inpaint_model, sigmas=3)


@pytest.mark.user("M5")
def test_the_denoiser_finds_the_level_itself_and_says_it(run: Run, tmp_path: Path) -> None:
    """In units of 255; nobody has to know it beforehand, and no wrapper is needed."""
    flat = 120 + np.random.default_rng(0).normal(0, 12, (96, 96, 3))
    save(tmp_path / "in" / "a.png", np.clip(np.rint(flat), 0, 255).astype(np.uint8))
    assert run("denoise", tmp_path / "in", "-o", tmp_path / "out").code == 0
    lines = (tmp_path / "out" / "restorekit-manifest.jsonl").read_text(encoding="utf-8")
    facts = [json.loads(line).get("facts") for line in lines.splitlines()]
    assert [f["noise"] for f in facts if f] == [pytest.approx(12, rel=0.15)]


@pytest.mark.user("M6")
@pytest.mark.parametrize(
    "options", [{"strength": 0.5}, {"steps": 3}, {"model": "other"}], ids=lambda o: next(iter(o))
)
def test_each_option_of_denoising_changes_the_result(
    tmp_path: Path, denoise_model: Path, options: dict[str, Any]
) -> None:
    picture = noise(40, 50)
    if "model" in options:
        options = {"model": str(denoise_model)}
    assert np.any(restorekit.denoise(picture, **options) != restorekit.denoise(picture))


@pytest.mark.user("M3")
@pytest.mark.parametrize("debug", [False, True])
def test_the_cause_is_said_and_where_it_lies_when_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, debug: bool
) -> None:
    """A model that is no model: its name, what is wrong, no NoneType; a traceback on request alone."""
    (tmp_path / "weights.safetensors").write_bytes(b"no model")
    monkeypatch.setenv("RESTOREKIT_DEBUG", "1" if debug else "0")
    photo = save(tmp_path / "a.png")
    given = ["upscale", str(photo), "-o", str(tmp_path / "out"), "--model"]
    from restorekit.cli import main

    monkeypatch.setattr(sys, "argv", ["restorekit", *given, str(tmp_path / "weights.safetensors")])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert "weights.safetensors" in said
    assert "NoneType" not in said
    assert ("Traceback" in said) == debug
