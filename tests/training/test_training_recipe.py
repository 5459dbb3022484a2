"""Recipes: what they may say, and that what cannot be followed is told of before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from training_kit import recipe

from restorekit.errors import UsageError
from restorekit.training import recipe as recipes

PLAIN: dict[str, Any] = {
    "task": "upscale",
    "iterations": 3,
    "draws": [{"weight": 1.0, "options": {"scale": 4.0}}],
    "crop": 64,
    "network": {"widths": [16, 24], "blocks": [1, 1], "numbers": ["scale", "noise", "look"]},
}


def test_a_recipe_is_read_from_toml(tmp_path: Path) -> None:
    text = """
        task = "upscale"
        iterations = 12
        path = "resshift"
        path_parameters = { kappa = 1.0 }
        [network]
        widths = [8, 16, 32]
        blocks = [1, 1, 2]
        numbers = ["scale", "look"]
        [perceptual]
        lpips = 0.3
        widths = [4, 8, 16]
        [[draws]]
        weight = 2
        options = { scale = [1.0, 4.0] }
    """
    path = tmp_path / "r.toml"
    path.write_text(text)
    made = recipes.read(path)
    assert (made.iterations, made.path, made.path_parameters) == (12, "resshift", {"kappa": 1.0})
    assert (made.network.widths, made.network.numbers) == ((8, 16, 32), ("scale", "look"))
    assert made.perceptual is not None
    assert (made.perceptual.lpips, made.perceptual.widths) == (0.3, (4, 8, 16))
    assert made.draws == (recipes.Draw(2, {"scale": [1.0, 4.0]}),)
    assert made.crop == recipes.Recipe.crop


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"itterations": 5}, ["itterations"]),
        ({"task": None}, ["task"]),
        ({"iterations": "many"}, ["iterations", "'many'", "whole number"]),
        ({"iterations": True}, ["iterations"]),
        ({"iterations": 0}, ["iteration"]),
        ({"learning_rate": "fast"}, ["learning_rate", "'fast'"]),
        ({"crop": 65}, ["crop 65", "8"]),
        ({"draws": [{"weight": 1.0, "options": {}, "crop": 36}]}, ["crop 36", "8"]),
        ({"draws": [{"weight": 1.0, "options": {}, "crop": 128}]}, ["crop 128", "larger", "64"]),
        ({"draws": [{"weight": 1.0, "options": {}, "crop": -8}]}, ["crop -8"]),
        ({"crop": 40, "perceptual": {"spectrum": 0.1}}, ["crop 40", "spectrum", "48"]),
        ({"network": {"factor": 4, "further": [2, 2]}}, ["cells of 4, 2, 2", "the same"]),
        ({"path": "vpp"}, ["path", "'vpp'", "flow_from_source"]),
        ({"path_parameters": {"sgima": 0.1}}, ["path_parameters", "sgima"]),
        ({"network": {"widht": [8]}}, ["network", "widht", "widths"]),
        ({"network": None}, ["'network' is missing"]),
        ({"network": {**PLAIN["network"], "embedding": -3}}, ["embedding"]),
        ({"network": {**PLAIN["network"], "norm_groups": -1}}, ["from 0"]),
        ({"network": {**PLAIN["network"], "attention": [5]}}, ["attention on level 5 of 2"]),
        ({"network": {"widths": [8], "blocks": [1]}, "perceptual": {}}, ['"look"']),
        ({"network": {"widths": [8]}}, ["1 widths", "2 block"]),
        ({"network": {"widths": ["a", 8]}}, ["network", "widths"]),
        ({"network": 3}, ["network", "3"]),
        ({"draws": []}, ["draw"]),
        ({"draws": [{"weigth": 1.0, "options": {}}]}, ["draws", "weigth"]),
        ({"draws": [{"weight": 1.0}]}, ["draws: the entry 'options' is missing"]),
        ({"draws": [{"options": {}}]}, ["draws: the entry 'weight' is missing"]),
        (
            {"draws": [{"weight": 1.0, "options": {}, "crop": 24}], "perceptual": {}},
            ["crop 24", "28"],
        ),
        ({"perceptual": {"lpip": 1.0}}, ["perceptual", "lpip"]),
        ({"perceptual": {"ramp": "long"}}, ["perceptual", "ramp"]),
        ({"perceptual": {"widths": [8, 16]}}, ["widths [8, 16]", "three"]),
        ({"perceptual": {"widths": [0, 8, 8]}}, ["three numbers from 1 up"]),
        ({"perceptual": {"learning_rate": -1.0}}, ["learning_rate -1"]),
        ({"perceptual": {"pixel": -3.0}}, ["pixel -3"]),
        ({"path_parameters": {"sigma": "a"}}, ["path_parameters"]),
        ({"seed": 4 * 10**18}, ["seed 4000000000000000000"]),
        ({"power": 0}, ["power 0"]),
        ({"clip": 0.0}, ["clip 0"]),
        ({"deviation": 0.0}, ["deviation 0: give a number above 0"]),
        ({"learning_rate": -1.0}, ["learning_rate -1: give a number of 0 or more"]),
        ({"matrix_learning_rate": float("nan")}, ["matrix_learning_rate nan"]),
        ({"deviation": -1.0}, ["deviation -1"]),
        ({"warmup": -2}, ["warmup -2"]),
        ({"average": 1.0}, ["average 1: give a number from 0 to below 1"]),
    ],
)
def test_a_wrong_recipe_names_its_source_and_the_key(change: dict, words: list[str]) -> None:
    record = {key: value for key, value in {**PLAIN, **change}.items() if value is not None}
    with pytest.raises(UsageError) as told:
        recipes.from_dict(record, "mine.toml")
    assert str(told.value).startswith("mine.toml: ")
    for word in words:
        assert word in str(told.value)


def test_a_recipe_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    with pytest.raises(UsageError, match=r"bad\.toml cannot be read"):
        recipes.read(path)
    path.write_text("task = \n")
    with pytest.raises(UsageError, match=r"bad\.toml cannot be read as a recipe.*line 1"):
        recipes.read(path)


def test_a_picture_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(UsageError, match=r"photo\.png cannot be read as a recipe"):
        recipes.read(path)


def test_a_share_of_all_wants_a_rank() -> None:
    with pytest.raises(UsageError, match=r"give network\.rank"):
        recipe(perceptual=recipes.Perceptual(share=1.0))


def test_a_look_has_a_share() -> None:
    with pytest.raises(UsageError, match="share 0: give a number above 0"):
        recipes.Perceptual(share=0.0)


@pytest.mark.parametrize("share", [0.05, 0.9])
def test_both_looks_have_items_of_a_batch(share: float) -> None:
    with pytest.raises(UsageError, match="leaves one of the looks without an item"):
        recipe(batch=4, perceptual=recipes.Perceptual(share=share))


def test_a_recipe_survives_json() -> None:
    import dataclasses

    made = recipe(perceptual=recipes.Perceptual(widths=(1, 2, 3)))
    record = json.loads(json.dumps(dataclasses.asdict(made)))
    assert recipes.from_dict(record, "it") == made


def test_the_shipped_recipes_are_recipes() -> None:
    folder = Path(__file__).resolve().parents[2] / "plugins" / "upscale" / "recipes"
    found = [recipes.read(path) for path in sorted(folder.glob("*.toml"))]
    assert found
    for made in found:
        assert made.task == "upscale"
        assert made.network.radius <= 192
