"""Companions, degradations, areas, stages: declared or answered wrongly, it is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import noise, one_sentence, write_model
from plugin_makers import Installer

import restorekit as rk
from restorekit import plugins
from restorekit.contract import wrong_answer
from restorekit.errors import PluginError, UsageError
from restorekit.images import Picture, from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings

IMAGE = torch.zeros(1, 3, 20, 30)


def wrong(answer: Any, **inputs: Any) -> str:
    arguments = {"inputs": {"image": IMAGE, **inputs}, "options": {}}
    return wrong_answer("restorekit_prepare", answer, arguments)


def plan(*areas: Any, place: Any = (0, 0), size: tuple[int, int] = (20, 30)) -> rk.Plan:
    return rk.Plan(size, areas=areas, place=place)


RIGHT = [
    rk.Plan((20, 30)),
    rk.Plan((1, 9)),
    rk.Plan(np.array([20, 30])),  # type: ignore[arg-type]
    plan(),
    plan((0, 0, 20, 30)),
    plan((19, 29, 1, 1), (0, 0, 1, 30)),
    plan((0, 0, 40, 30), place=(20, 0), size=(40, 30)),
    rk.Stage({"image": IMAGE[..., :10, :15]}, {}),
    rk.Plan((20, 30), {"noise": 0.5, "field": "top", "lines": 3, "mended": True}),
    rk.Plan((20, 30), {"noise": np.float64(0.5)}),
]


@pytest.mark.parametrize("answer", RIGHT, ids=[str(i) for i in range(len(RIGHT))])
def test_right_plans(answer: Any) -> None:
    assert wrong(answer) == ""


AREAS: list[tuple[rk.Plan, str]] = [
    (plan((0, 0, 21, 30)), "which is not inside (20, 30)"),
    (plan((0, 1, 20, 30)), "which is not inside (20, 30)"),
    (plan((-1, 0, 5, 5)), "which is not inside (20, 30)"),
    (plan((0, 0, 0, 5)), "which is not inside (20, 30)"),
    (plan((3, 3, 5, -5)), "which is not inside (20, 30)"),
    (plan((0, 0, 5)), "not four whole numbers (top, left, height, width)"),
    (plan((0, 0, 5, 5.5)), "not four whole numbers"),
    (plan(7), "not four whole numbers"),
    (plan("abcd"), "not four whole numbers"),
    (rk.Plan((20, 30), areas=3), "gives a int as areas"),  # type: ignore[arg-type]
    (rk.Plan((20, 30), place=(1, 0)), "places the picture at (1, 0), which is not inside"),
    (plan(place=(1, 0)), "places the picture at (1, 0), which is not inside the size (20, 30)"),
    (plan(place=(0, -1), size=(40, 40)), "places the picture at (0, -1)"),
    (plan(place=(0,)), "not two whole numbers (top, left)"),
    (plan(place=None), "not two whole numbers (top, left)"),
    (plan(place=(0.5, 0), size=(40, 40)), "not two whole numbers (top, left)"),
    (plan(size=(19, 30)), "places the picture at (0, 0), which is not inside the size (19, 30)"),
]


@pytest.mark.parametrize(("answer", "words"), AREAS, ids=[str(i) for i in range(len(AREAS))])
def test_wrong_areas(answer: rk.Plan, words: str) -> None:
    assert words in wrong(answer)


NOTES: list[tuple[Any, str]] = [
    ([1, 2], "gives a list as note, not facts by name"),
    (None, "gives nothing as note"),
    ({3: "three"}, "notes a fact by the name 3, not by a word"),
    (
        {"mean": np.float32(3)},
        "notes a float32 as 'mean', not Python's own str, float, int or bool",
    ),
    ({"mean": IMAGE.mean()}, "notes a Tensor as 'mean'"),
    ({"lines": np.int64(3)}, "notes a int64 as 'lines'"),
    ({"lines": (1, 2)}, "notes a tuple as 'lines'"),
]


@pytest.mark.parametrize(("note", "words"), NOTES, ids=[str(i) for i in range(len(NOTES))])
def test_wrong_notes(note: Any, words: str) -> None:
    assert words in wrong(rk.Plan((20, 30), note))


@pytest.mark.parametrize("cell", [-1, 2.0, None, "2", True])
def test_wrong_cells(cell: Any) -> None:
    assert f"plans cells of {cell!r}" in wrong(rk.Plan((20, 30), cell=cell))
    assert not wrong(rk.Plan((20, 30), cell=np.int64(3)))  # type: ignore[arg-type]


CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"t_start": 0.3, "numbers": {"a": 1, "b": np.float32(2), "c": torch.ones(1)}}, ""),
    ({"cell": 3}, "has cells of 3 of its own; its plan says which"),
    ({"t_start": 2.0}, "starts at the time 2.0, not above 0 and at most 1"),
    ({"t_start": 0.0}, "starts at the time 0.0"),
    ({"t_start": float("nan")}, "starts at the time nan"),
    ({"t_start": None}, "starts at the time None"),
    ({"numbers": {"foo": "hello"}}, "gives a str as the number 'foo'"),
    ({"numbers": {"foo": float("nan")}}, "gives nan as the number 'foo', which is not finite"),
]


@pytest.mark.parametrize(
    ("given", "words"), CONDITIONS, ids=[str(i) for i in range(len(CONDITIONS))]
)
def test_times_and_numbers_of_conditions(given: dict[str, Any], words: str) -> None:
    answer = rk.Condition(IMAGE, **given)
    found = wrong_answer("restorekit_condition", answer, {"box": rk.Box(0, 0, 20, 30)})
    assert found.startswith(words)
    assert bool(found) == bool(words)


SMALL = IMAGE[..., :10, :15]
STAGES: list[tuple[rk.Stage, str]] = [
    (rk.Stage({}, {}), "without inputs['image']"),
    (rk.Stage(None, {}), "without inputs['image']"),  # type: ignore[arg-type]
    (rk.Stage({"image": SMALL}, None), "gives nothing as the options"),  # type: ignore[arg-type]
    (rk.Stage({"image": np.zeros((1, 3, 5, 5))}, {}), "not a tensor"),
    (rk.Stage({"image": None}, {}), "gives nothing as a stage's picture"),
    (rk.Stage({"image": SMALL}, {}, rk), "gives a module as the task of a stage, not its name"),  # type: ignore[arg-type]
    (rk.Stage({"image": SMALL[0]}, {}), "as a stage's picture, not a tensor (N, C, H, W)"),
    (rk.Stage({"image": SMALL.double()}, {}), "torch.float64"),
    (rk.Stage({"image": SMALL / 0}, {}), "not finite"),
]


@pytest.mark.parametrize(("answer", "words"), STAGES, ids=[str(i) for i in range(len(STAGES))])
def test_wrong_stages(answer: rk.Stage, words: str) -> None:
    assert words in wrong(answer)


def test_companions_are_inputs_and_their_words_options() -> None:
    task = rk.Task(
        "t",
        "T",
        (rk.Option("grow", int, 0, ""),),
        (rk.Input("mask", "", words="alpha|#[0-9]+"), rk.Input("depth", "", required=True)),
    )
    assert task.inputs == ("image", "mask", "depth")
    assert task.check_options({"grow": 2}) == {"grow": 2, "mask": None}
    assert task.check_options({"mask": "#12"}) == {"grow": 0, "mask": "#12"}
    with pytest.raises(UsageError, match=r"--mask 'beta' is none of its words"):
        task.check_options({"mask": "beta"})
    with pytest.raises(UsageError, match=r"t has no option 'depth'; it has grow"):
        task.check_options({"depth": "near"})
    mask, depth = task.companions
    assert mask.is_word("alpha")
    assert not any(mask.is_word(v) for v in ("alphabet", " alpha", "", "#", None, 3, b"alpha"))
    assert not depth.is_word("")


@pytest.mark.parametrize("name", ["image", "out", "grow", "not-a-name", "class", "look"])
def test_names_of_companions_that_are_taken(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        rk.Task("t", "T", (rk.Option("grow", int, 0, ""),), (rk.Input(name, ""),))
    assert repr(name) in str(raised.value)


def test_degradations_have_options_of_their_own() -> None:
    level = rk.Option("level", float, 1.0, "", minimum=0)
    task = rk.Task("t", "T", degradations=(rk.Degradation("a", "", (level,)), rk.Degradation("b")))
    assert task.check_degradation(None, {}) == {"degradation": "a", "level": 1.0}
    assert task.check_degradation("a", {"level": "2"}) == {"degradation": "a", "level": 2.0}
    assert task.check_degradation("b", {}) == {"degradation": "b"}
    for name, given, words in (
        ("c", {}, "t has no degradation 'c'; it has a, b"),
        ("b", {"level": 1}, "degradation b of t has no option 'level'; it has none"),
        ("a", {"level": -1}, "--level -1 is out of range"),
    ):
        with pytest.raises(UsageError) as raised:
            task.check_degradation(name, given)
        assert words in str(raised.value)


@pytest.mark.parametrize("name", ["scale", "mask", "degradation"])
def test_options_of_a_degradation_that_are_taken(name: str) -> None:
    own = rk.Degradation("a", "", (rk.Option(name, int, 0, ""),))
    with pytest.raises(UsageError, match=f"'{name}' of degradation a is taken already"):
        rk.Task(
            "t",
            "T",
            (rk.Option("scale", int, 2, ""),),
            (rk.Input("mask", ""),),
            degradations=(own,),
        )


def test_a_task_without_degradations() -> None:
    with pytest.raises(UsageError, match="t has no degradations"):
        rk.Task("t", "T", degradations=())


GUIDED = '''"""A task with a companion."""

import torch
import restorekit as rk

hookimpl = rk.hookimpl
SEEN = []


@hookimpl
def restorekit_task():
    depth = rk.Input("depth", "How far it is.", required=True, words="near|far")
    return rk.Task(name="guided", summary="A task for tests", companions=(depth,), model="tiny"{more})


@hookimpl
def restorekit_prepare(inputs, options):
    SEEN.append((sorted(inputs), options))
    image = inputs["image"]
    {body}


@hookimpl
def restorekit_condition(plan, box):
    rows, columns = box.slices()
    source = plan.state[..., rows, columns]
    return rk.Condition(source, source, {{"scale": 1.0, "noise": 0.0}})
'''
WHOLE = "return rk.Plan(tuple(image.shape[-2:]), {}, image)"

Build = Callable[..., Restorer]


@pytest.fixture
def guided(install: Installer, tmp_path: Path) -> Build:
    """A Restorer of the task above, its prepare and its declaration given."""
    model = write_model(tmp_path / "tiny.safetensors", task="guided")

    def build(body: str = WHOLE, more: str = "", **options: Any) -> Restorer:
        install("guided", GUIDED.format(body=body, more=more))
        loaded = plugins.load("guided")
        common = Settings.of(loaded.task, {"model": str(model), "device": "cpu"})
        return Restorer(loaded, options, common)

    return build


def seen(made: Restorer) -> list[Any]:
    implementations = made.hooks.restorekit_prepare.get_hookimpls()
    return implementations[-1].plugin.SEEN


def picture(height: int = 16, width: int = 24) -> Picture:
    return from_array(noise(height, width))


def test_a_companion_reaches_the_task(guided: Build) -> None:
    made = guided()
    made(picture(), companions={"depth": picture(4, 5)})
    assert seen(made) == [(["depth", "image"], {"depth": None})]


def test_a_word_reaches_the_task_as_an_option(guided: Build) -> None:
    made = guided(depth="far")
    made(picture())
    assert seen(made) == [(["image"], {"depth": "far"})]


def test_companions_that_are_missing_or_strange(guided: Build) -> None:
    made = guided()
    with pytest.raises(UsageError, match=r"guided needs --depth: How far it is\."):
        made(picture())
    with pytest.raises(UsageError, match="guided takes no image 'mask'"):
        made(picture(), companions={"depth": picture(), "mask": picture()})


def test_alpha_is_given_to_exact_tasks_alone(guided: Build) -> None:
    clear = from_array(noise(16, 24, 4))
    made = guided(depth="far")
    made(clear)
    assert [names for names, _ in seen(made)] == [["image"], ["image"]]  # colours, then alpha
    exact = guided(depth="far", more=", exact=True")
    result = exact(clear)
    assert [names for names, _ in seen(exact)] == [["alpha", "image"]]
    np.testing.assert_array_equal(result.alpha, clear.alpha)


@pytest.mark.parametrize("more", ["exact", "linear"])
@pytest.mark.parametrize("size", [(32, 24), (8, 12), (40, 9)])
def test_transparency_is_resized_with_a_picture_that_is(
    guided: Build, more: str, size: tuple[int, int]
) -> None:
    image = noise(16, 24, 4)
    image[:8, :, 3], image[8:, :, 3] = 128, np.where(np.arange(24) < 12, 0, 255)
    made = guided(
        f"return rk.Plan({size}, {{}}, rk.resample(image, {size}))", f", {more}=True", depth="far"
    )
    alpha = made(from_array(image)).alpha
    assert alpha is not None
    assert alpha.shape == size
    height, width = size
    assert np.all(alpha[: height // 8] == np.float32(128 / 255))
    assert np.all(alpha[-height // 8 :, : width // 4] == 0)
    assert np.all(alpha[-height // 8 :, -width // 4 :] == 1)
    assert 0 <= alpha.min() <= alpha.max() <= 1


def test_transparency_lies_where_the_picture_does(guided: Build) -> None:
    body = "return rk.Plan((20, 30), {}, rk.resample(image, (20, 30)), place=(4, 6))"
    clear = from_array(noise(16, 24, 4))
    alpha = guided(body, ", exact=True", depth="far")(clear).alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha[4:, 6:], clear.alpha)
    assert alpha[:4].min() == alpha[:, :6].min() == 1


def test_wrong_answers_name_the_plugin(guided: Build) -> None:
    for body, words in (
        ("return rk.Plan((16, 24), areas=((0, 0, 99, 1),))", "plans the area (0, 0, 99, 1)"),
        ("return rk.Plan((16, 24), areas=(5,))", "plans the area 5"),
        ("return rk.Stage(inputs, options)", "stage after stage without end"),
        (
            "return rk.Plan((16, 24), {}, image) if options['depth'] == 'near' else "
            "rk.Stage({'image': image}, {**options, 'depth': 'near'})",
            "asks for a stage of a picture that has been through one",
        ),
    ):
        with pytest.raises(PluginError) as raised:
            guided(body, depth="far")(picture())
        one_sentence(str(raised.value), "guided (rk-guided 1.2.3)", "restorekit_prepare", words)


def test_a_condition_is_one_pictures(guided: Build) -> None:
    with pytest.raises(PluginError, match="its condition has 2 images for one picture"):
        guided("return rk.Plan((16, 24), {}, image.repeat(2, 1, 1, 1))", depth="far")(picture())


STAGED = """if "stage" not in inputs and image.shape[-1] > 6:
        half = image[..., ::2, ::2].contiguous()
        return rk.Stage({"image": half}, {**options, "depth": "near"})
    assert "stage" not in inputs or inputs["stage"].shape[-1] == -(-image.shape[-1] // 2)
    return rk.Plan(tuple(image.shape[-2:]), {}, image)"""


def test_stages_run_one_after_another_the_smallest_first(guided: Build) -> None:
    made = guided(STAGED, depth="far")
    made(picture(16, 24))
    assert [(names, options["depth"]) for names, options in seen(made)] == [
        (["image"], "far"),
        (["image"], "near"),
        (["image"], "near"),
        (["image", "stage"], "near"),
        (["image", "stage"], "far"),
    ]


AREA = """state = torch.full((1, 3, 70, 80), 0.5)
    return rk.Plan((70, 80), {}, state, areas=((2, 3, 4, 5),), place=(30, 12))"""


def test_outside_of_its_areas_the_result_is_the_picture(guided: Build) -> None:
    """A little around an area, to the engine's grid, is restored with it."""
    made, image = guided(AREA, depth="far"), noise(16, 24)
    result = made(from_array(image)).color
    expected = np.zeros((70, 80, 3), np.uint8)
    expected[30:46, 12:36] = image
    around = made.engine.multiple
    restored = np.zeros((70, 80), bool)
    restored[:around, :around] = True
    np.testing.assert_array_equal(result[~restored], expected[~restored])
    assert np.any(result[2:6, 3:8] != expected[2:6, 3:8])


def test_no_area_is_no_work(guided: Build) -> None:
    made, image = guided("return rk.Plan((16, 24), areas=())", depth="far"), noise(16, 24)
    np.testing.assert_array_equal(made(from_array(image)).color, image)
