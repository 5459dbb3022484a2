"""`restorekit train`, and the recipes that the documentation gives."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from outer_kit import REPOSITORY, Run, noise, save
from training_kit import need_lpips

from restorekit.models import store
from restorekit.models.find import find
from restorekit.training import export, recipe, start
from restorekit.training.stopping import asked

RECIPES = REPOSITORY / "docs" / "examples" / "training"


def test_train_tells_what_is_wrong(run: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("task = 'upscale'\n[[[")
    common = ["--data", tmp_path, "-o", tmp_path / "out", "--config"]
    for arguments, word in (
        ([*common, recipe], "recipe.toml"),
        ([*common, tmp_path / "nowhere.toml"], "nowhere.toml"),
        ([*common, recipe, "--time-limit", "soon"], "--time-limit"),
        ([*common, recipe, "--threads", "0"], "--threads"),
        ([*common, recipe, "--export", tmp_path], "--export"),
        (
            [*common, recipe, "--export", tmp_path / "no" / "m.safetensors"],
            "a folder that is there",
        ),
        ([*common, recipe, "--export", tmp_path / "out" / "checkpoint.safetensors"], "--export"),
        (["--data", tmp_path, "--config", recipe, "-o", recipe], "is a file; give a folder"),
    ):
        ran = run("train", "upscale", *arguments)
        assert ran.code in (1, 2)
        assert word in ran.err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(5):
        save(tmp_path / "photos" / f"p{number}.png", noise(200, 210, seed=number))
    return tmp_path / "photos"


@pytest.fixture
def train(run: Run, photos: Path, tmp_path: Path) -> Callable[..., str]:
    """What one iteration by a documented recipe says, in a folder of the recipe's name."""

    def call(name: str, *arguments: object) -> str:
        common = ("--data", photos, "--config", RECIPES / f"{name}.toml", "-o", tmp_path / name)
        ran = run("train", "upscale", *common, "--time-limit", "0.01", *arguments)
        assert ran.code == 0, ran.err
        return ran.err

    return call


def test_the_documented_recipe_trains_the_shipped_weights_on(
    train: Callable[..., str], tmp_path: Path
) -> None:
    assert "stopped at iteration 1; go on with --resume" in train(
        "faithful", "--start-from", "upscale"
    )
    begun = start.read(tmp_path / "faithful" / "checkpoint.safetensors")
    assert begun.network == store.load(find("upscale")).config
    assert "stopped at iteration 2" in train(
        "faithful", "--resume"
    )  # its network is the checkpoint's


def test_the_documented_sharp_phase_leaves_the_faithful_look_as_it_was(
    train: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_lpips(monkeypatch)
    checkpoint, mine = (
        tmp_path / "faithful" / "checkpoint.safetensors",
        tmp_path / "mine.safetensors",
    )
    train("faithful", "--start-from", "upscale")
    train("sharp", "--start-from", checkpoint, "--export", mine)
    made = store.load(mine)
    assert set(made.card.looks) == {"faithful", "sharp"}
    before = len(store.load(find("upscale")).card.training["phases"])
    assert len(made.card.training["phases"]) == before + 2
    for name, value in start.read(checkpoint).weights.items():
        if not name.endswith((".narrow", ".widen")):
            assert torch.equal(made.tensors[name], value.half()), name


def test_a_recipe_without_a_network_takes_the_one_it_starts_from(tmp_path: Path) -> None:
    known = start.read(find("upscale"))
    file = tmp_path / "short.toml"
    file.write_text("task = 'upscale'\niterations = 1\n[[draws]]\nweight = 1\noptions = {}\n")
    made = recipe.read(file, known.recipe)
    assert made.network == known.network
    assert (made.path, made.path_parameters) == ("flow_from_source", {"sigma": 0.1})
    assert made.deviation == known.recipe["deviation"]
    file.write_text(f"path = 'i2sb'\ndeviation = 0.5\n{file.read_text()}[network]\nwidths = [8, 8]\n"
                    "blocks = [1, 1]\n")  # fmt: skip
    other = recipe.read(file, known.recipe)
    assert (other.network.widths, other.deviation, other.path_parameters) == ((8, 8), 0.5, {})


def test_what_to_start_from_has_to_be_there(run: Run, photos: Path, tmp_path: Path) -> None:
    config = RECIPES / "faithful.toml"
    common = ["--data", photos, "--config", config, "-o", tmp_path / "out", "--start-from"]
    ran = run("train", "upscale", *common, "upscaler")
    assert ran.code == 1
    assert "no model or file 'upscaler'; installed models: denoise" in ran.err
    ran = run("train", "upscale", *common, config)
    assert ran.code == 1
    assert "faithful.toml" in ran.err
    assert not (tmp_path / "out").exists()


SMALL = """
task = "upscale"
iterations = {iterations}
crop = 48
batch = 2
{more}
[network]
{network}
numbers = ["scale", "look"]
[[draws]]
weight = 1.0
options = {{ scale = 3.0 }}
"""
CELLS = "factor = 3\nwidths = [8]\nblocks = [1]\nrank = 2"


def small(path: Path, iterations: int = 2, more: str = "", network: str = CELLS) -> Path:
    path.write_text(SMALL.format(iterations=iterations, more=more, network=network))
    return path


def test_a_run_ends_well_whatever_the_pictures_and_the_cells(run: Run, photos: Path) -> None:
    """Cells of 3, of which a square of 320 is no multiple; a held-back picture too small to validate;
    one smaller than the crops; a table of other columns beside the pictures."""
    folder, out = photos.parent, photos.parent / "run"
    save(photos / "p2c.png", noise(20, 20))
    save(photos / "p2b.png", noise(40, 90))
    (photos / "index.csv").write_text("name,author\np0.png,somebody\n")
    common = ("--data", photos, "--config", small(folder / "r.toml"), "-o", out)
    ran = run("train", "upscale", *common, "--export", folder / "m.safetensors")
    assert ran.code == 0, ran.err
    assert "1 are smaller than the crops and are left out" in ran.err
    assert "5 photographs to train on, 1 held back" in ran.err
    card = store.read_card(folder / "m.safetensors")
    assert card.data == ({"name": "photos", "pictures": 7},)
    assert list(card.looks) == ["faithful"]  # what a look adds is all zeros yet


def test_what_weights_were_made_by_stays_with_them(run: Run, photos: Path) -> None:
    """A sharp look of its own weights is kept by a faithful phase, as are the earlier pictures; and a
    resumed run is of the same path, deviation and phase."""
    folder = photos.parent
    first, model = folder / "first", folder / "m.safetensors"

    def train(config: Path, out: Path, *arguments: object) -> str:
        ran = run("train", "upscale", "--data", photos, "--config", config, "-o", out, *arguments)
        return f"{ran.code}: {ran.err}"

    assert train(small(folder / "r.toml"), first).startswith("0")
    begun = start.read(first / "checkpoint.safetensors")
    card = export.export(begun.path, model, name="x", licence="x", date="2026-12-01")
    tensors = {
        k: v + (0.1 if k.endswith(".widen") else 0) for k, v in store.load(model).tensors.items()
    }
    store.save(model, card, tensors)
    other = small(folder / "other.toml", more="deviation = 0.3")
    said = train(
        other, folder / "second", "--start-from", model, "--export", folder / "n.safetensors"
    )
    assert said.startswith("0")
    assert "the weights to begin with were made with another deviation" in said
    assert "n.safetensors: upscale, looks faithful, sharp" in said
    assert [record["name"] for record in store.read_card(folder / "n.safetensors").data] == [
        "photos"
    ]
    said = train(other, first, "--resume")
    assert said.startswith("1")
    assert "is of another network or recipe: deviation differ" in said
    longer = small(folder / "longer.toml", iterations=3)
    assert train(longer, first, "--resume").startswith("0")


def test_what_a_recipe_says_of_a_network_is_laid_over_what_it_starts_from(tmp_path: Path) -> None:
    known = start.read(find("upscale"))
    file = small(tmp_path / "r.toml", network=f"blocks = [{known.network.blocks[0] + 2}]")
    made = recipe.read(file, known.recipe).network
    assert (made.widths, made.rank, made.further) == (known.network.widths, 16, (2, 3))
    assert made.blocks == (known.network.blocks[0] + 2,)


def test_the_first_signal_ends_an_iteration_and_the_second_the_run() -> None:
    told: list[str] = []
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as the command line has it
    try:
        with asked(lambda: told.append("stopping")) as stop:
            assert not stop()
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop()
            assert told == ["stopping"]
            for number in (signal.SIGTERM, signal.SIGINT):  # a second one, of whichever kind
                with pytest.raises(KeyboardInterrupt):
                    os.kill(os.getpid(), number)
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_another_thread_no_signal_is_looked_for() -> None:
    found: list[bool] = []

    def look() -> None:
        with asked(lambda: None) as stop:
            found.append(stop())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [False]


def test_a_stopped_run_is_saved(run: Run, photos: Path) -> None:
    """A signal while a photograph is read: the run ends after its first iteration, and goes on later."""
    folder = photos.parent
    config = small(folder / "r.toml", iterations=500)

    def at_once(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    common = ("--data", photos, "--config", config, "-o", folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("restorekit.training.trainer.set_rates", at_once)
        ran = run("train", "upscale", *common)
    assert ran.code == 130
    assert "stopping after this iteration" in ran.err
    assert "stopped at iteration 1; go on with --resume" in ran.err
    ran = run("train", "upscale", *common, "--resume", "--time-limit", "0.01")
    assert "stopped at iteration 2" in ran.err
