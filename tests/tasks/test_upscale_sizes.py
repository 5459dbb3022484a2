"""The output's size as asked for, and scales above the network's largest by a cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import restorekit_upscale
import torch
from restorekit_upscale import TASK, planned_size

import restorekit as rk
from restorekit.engine.resample import resample
from restorekit.images import from_array
from restorekit.jobs.samples import to_tensor


def options(**given: Any) -> dict[str, Any]:
    return TASK.check_options(given)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"scale": 1.5}, (30, 75)),
        ({"scale": 1.01}, (20, 51)),  # 20.2 and 50.5: halves up
        ({"size": "7x9"}, (9, 7)),
        ({"long_edge": 120}, (48, 120)),
        ({"long_edge": 10}, (4, 10)),
        ({"scale": 4, "max_size": "1KP"}, (20, 50)),
        ({"scale": 4, "max_size": "16KP"}, (80, 200)),  # exactly as much: no limit
        ({"scale": 4, "max_size": "15999"}, (79, 199)),
        ({"long_edge": 400, "max_size": "0.004MP"}, (40, 100)),
        ({"max_size": 3}, (1, 2)),
    ],
)
def test_the_size_is_what_was_asked_for(given: dict[str, Any], size: tuple[int, int]) -> None:
    assert planned_size(20, 50, options(**given)) == size


@pytest.mark.parametrize("text", ["40 megapixels", "-3MP", "0", "nan", "", "MP", True])
def test_areas_that_are_none_are_refused(text: object) -> None:
    with pytest.raises(rk.errors.UsageError, match="no number of pixels"):
        options(max_size=text)


@pytest.mark.parametrize("rival", ["size", "long-edge"])
def test_contradicting_sizes_are_refused(upscale, photo: Path, tmp_path: Path, rival: str) -> None:
    value = "8x8" if rival == "size" else "8"
    ran = upscale(photo, "-o", tmp_path / "out", "--scale", "4", f"--{rival}", value)
    assert ran.code == 2
    assert f"--scale and --{rival} contradict each other" in ran.err
    assert upscale(photo, "-o", tmp_path / "out", f"--{rival}", value).code == 0


def test_the_python_call_refuses_them_too() -> None:
    with pytest.raises(rk.errors.UsageError, match="--scale and --size contradict"):
        rk.upscale(np.zeros((4, 4, 3), np.uint8), scale=4.0, size=(8, 8))


def test_a_cascade_is_its_stages_by_hand(restorer) -> None:
    """×8: ×4 and then ×2 of the float32 result."""

    def silent(*_: object) -> None:
        """Nobody is told of progress."""

    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    whole = restorer(scale=8.0)(from_array(image))
    first = restorer(scale=4.0)
    plan = first._plan({"image": to_tensor(image)}, first.options, silent)
    windows = list(first._windows(plan, silent))
    large = torch.empty(1, 3, 36, 48)
    for box, x0 in windows:
        large[..., *box.slices()] = x0
    second = restorer(scale=2.0)
    plan = second._plan({"image": large}, second.options, silent)
    made = torch.empty(1, 3, 72, 96)
    for box, x0 in second._windows(plan, silent):
        made[..., *box.slices()] = x0
    expected = ((made[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().clip(0, 255)
    assert whole.color.shape == (72, 96, 3)
    assert np.abs(whole.color.astype(float) - expected).max() <= 1


@pytest.mark.parametrize(("scale", "stage"), [(4.0, None), (4.5, 4.0), (16.0, 4.0)])
def test_stages_are_as_few_as_can_be(scale: float, stage: float | None) -> None:
    image = torch.zeros(1, 3, 8, 8)
    answer = restorekit_upscale.restorekit_prepare({"image": image}, options(scale=scale), {})
    if stage is None:
        assert isinstance(answer, rk.Plan)
        return
    assert isinstance(answer, rk.Stage)
    assert answer.options["scale"] == stage
    before = restorekit_upscale.restorekit_prepare(answer.inputs, answer.options, {})
    assert isinstance(before, rk.Plan)
    result = torch.ones(1, 3, *before.size)
    last = restorekit_upscale.restorekit_prepare(
        {"image": image, "stage": result}, options(scale=scale), {}
    )
    assert isinstance(last, rk.Plan)
    assert last.size == (round(8 * scale), round(8 * scale))
    window = rk.Box(3, 2, 4, 5)
    condition = restorekit_upscale.restorekit_condition(last, window)
    assert torch.equal(condition.source, resample(result, last.size, window))
    assert 0 <= condition.numbers["scale"] <= 2


def test_transparency_goes_through_a_cascade(restorer) -> None:
    image = np.random.default_rng(1).integers(0, 256, (6, 6, 4), np.uint8)
    image[..., 3] = np.arange(36).reshape(6, 6) * 7
    result = restorer(scale=6.0)(from_array(image))
    assert result.color.shape == (36, 36, 3)
    assert result.alpha is not None
    assert result.alpha.shape == (36, 36)


@pytest.mark.parametrize(
    ("scale", "cell"),
    [(0.5, 2), (1.0, 2), (2.0, 2), (2.45, 2), (2.55, 3), (3.4, 3), (3.6, 4), (4.0, 4)],
)
def test_a_cell_of_the_network_is_about_a_pixel_of_the_input(scale: float, cell: int) -> None:
    image = torch.zeros(1, 3, 40, 60)
    plan = restorekit_upscale.restorekit_prepare({"image": image}, options(scale=scale), {})
    assert isinstance(plan, rk.Plan)
    assert plan.cell == cell
