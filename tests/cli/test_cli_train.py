"""`restorekit train`, and the recipes that the documentation gives."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from outer_kit import REPOSITORY, Run, noise, save

from restorekit.models import store
from restorekit.models.find import find
from restorekit.training import recipe, start

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


def test_the_documented_recipes_train_the_shipped_weights_on(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One iteration of each, as the page says it; the sharp phase leaves the faithful look as it was."""
    folder = Path(os.environ.get("RESTOREKIT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "weights" / "lin_squeeze.safetensors").is_file():
        pytest.skip(f"no LPIPS weights in {folder / 'weights'}: set RESTOREKIT_DATA")
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(folder / "weights"))
    shipped = store.load(find("upscale"))
    runs, mine = tmp_path / "runs", tmp_path / "mine.safetensors"

    def train(name: str, *arguments: object) -> None:
        common = ("--data", photos, "--config", RECIPES / f"{name}.toml", "-o", runs / name)
        ran = run("train", "upscale", *common, "--time-limit", "0.01", *arguments)
        assert ran.code == 0, ran.err
        assert "go on with --resume" in ran.err

    train("faithful", "--start-from", "upscale")
    checkpoint = runs / "faithful" / "checkpoint.safetensors"
    begun = start.read(checkpoint)
    assert begun.network == shipped.config
    train("sharp", "--start-from", checkpoint, "--export", mine)
    made = store.load(mine)
    assert set(made.card.looks) == {"faithful", "sharp"}
    before = len(shipped.card.training["phases"])
    assert len(made.card.training["phases"]) == before + 2
    for name, value in begun.weights.items():
        if not name.endswith((".narrow", ".widen")):
            assert torch.equal(made.tensors[name], value.half()), name
    train("faithful", "--resume")  # the network is the checkpoint's: the recipe does not say it


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
