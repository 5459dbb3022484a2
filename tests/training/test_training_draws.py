"""A batch's options are drawn as the recipe says; what is wrong is told of before the first batch."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_kit import NETWORK, corpus, recipe, trainer

from restorekit.errors import UsageError
from restorekit.task import Degradation, Option, Task
from restorekit.training import draws
from restorekit.training import recipe as recipes
from restorekit.training.recipe import Draw

TASK = Task(
    "derain",
    "Take rain out",
    options=(Option("reach", int, 2, "How far.", minimum=0, maximum=8),),
    degradations=(
        Degradation("streaks", "", (Option("level", int, 3, "How many.", minimum=0),)),
        Degradation("haze", "", (Option("level", float, 0.5, "How thick.", maximum=1),)),
    ),
)


def drawn(options: Mapping[str, Any], count: int = 1) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    draw = Draw(1.0, options)
    return [draws.options_of(draw, TASK, lambda: draws.uniform(generator)) for _ in range(count)]


def test_of_a_range_a_whole_option_is_given_whole_numbers_all_as_often() -> None:
    reaches = Counter(made["reach"] for made in drawn({"reach": [2, 5]}, 400))
    assert set(reaches) == {2, 3, 4, 5}
    assert all(type(value) is int for value in reaches)
    assert min(reaches.values()) > 100 - 4 * 75**0.5  # four standard errors


def test_an_option_is_of_the_kind_that_its_degradation_says() -> None:
    assert drawn({"level": [2, 2]}) == [{"level": 2}]
    (made,) = drawn({"degradation": "haze", "level": [0, 1]})
    assert 0 < made["level"] < 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reach": [2, 9]}, "--reach 9 is out of range"),
        ({"reach": [-1, 2]}, "--reach -1 is out of range"),
        ({"degradation": "haze", "level": [0.0, 1.5]}, "--level 1.5 is out of range"),
        ({"degradation": "snow"}, "no degradation 'snow'"),
        ({"lvel": 3}, "no option 'lvel'"),
    ],
)
def test_what_the_task_does_not_take_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        draws.check(Draw(1.0, options), TASK)


def test_a_rare_draw_that_is_wrong_is_told_of_before_any_batch() -> None:
    with pytest.raises(UsageError, match="no option 'nosie'"):
        trainer(recipe(draws=(Draw(1.0, {"scale": 4.0}), Draw(1e-9, {"nosie": 0.1}))))


def test_a_network_for_another_condition_is_one_sentence() -> None:
    made = trainer(recipe(network=replace(NETWORK, concat=4)))
    with pytest.raises(UsageError, match=r"upscale has 3 \+ 3 channels .* takes 3 \+ 4"):
        made.step(corpus())


def wrong_draw(**changes: Any) -> dict[str, Any]:
    return {"draws": [{"weight": 1.0, "options": {}, **changes}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (wrong_draw(options={"scale": [2.0, 3.0, 4.0]}), r"scale is \[2.0, 3.0, 4.0\]; give one value"),
        (wrong_draw(options={"scale": ["a", "b"]}), "scale is"),
        (wrong_draw(options={"scale": [4.0, 2.0]}), r"\[low, high\]"),
        (wrong_draw(options=3), "options is 3; give a table"),
        (wrong_draw(weight=0.0), "weights"),
        (wrong_draw(weight=-1.0), "none below 0"),
        (wrong_draw(weight=float("nan")), "weights"),
        ({"relative_above": -0.1}, "relative_above -0.1: give a number of 0 or more"),
        ({"crop": 0}, "crop 0 is too small"),
        ({"network": {"factor": 0}}, "factor"),
        ({"network": {"widths": [], "blocks": []}}, "level"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_followed_is_refused(change: dict[str, Any], words: str) -> None:
    record = {
        "task": "upscale",
        "iterations": 3,
        "crop": 64,
        "network": {},
        **wrong_draw(),
        **change,
    }
    with pytest.raises(UsageError, match=rf"^mine\.toml: .*{words}"):
        recipes.from_dict(record, "mine.toml")


def test_the_documented_recipe_is_one() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"
    _, _, rest = page.read_text(encoding="utf-8").partition('```toml\ntask = "dejpeg"')
    text, _, _ = rest.partition("```")
    made = recipes.from_dict(tomllib.loads(f'task = "dejpeg"{text}'), "plugins.md")
    assert made.draws[0].options == {"jpeg_quality": [5, 70]}
