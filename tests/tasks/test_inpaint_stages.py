"""Large holes: a smaller picture is filled first, and a smaller one before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from restorekit_inpaint import TASK, fill, holes, restorekit_prepare
from task_kit import blot, inpainted, restorer, texture, unchanged

import restorekit as rk
from restorekit.jobs.restorer import Restorer


def watched(made: Restorer) -> list[tuple[int, int, bool]]:
    """(height, width, whether a stage's result is given) of every prepare to come."""
    whole, seen = made.hooks.restorekit_prepare, list[tuple[int, int, bool]]()

    def prepare(inputs: Mapping[str, Any], **given: Any) -> Any:
        seen.append((*inputs["image"].shape[-2:], "stage" in inputs))
        return whole(inputs=inputs, **given)

    made.hooks.restorekit_prepare = prepare
    return seen


def test_a_small_hole_needs_no_stage(inpaint_model: Path) -> None:
    made = restorer("inpaint", inpaint_model)
    seen, image = watched(made), texture(130, 140)
    inpainted(made, image, blot(130, 140, (20, 20, 80, 100)))
    assert seen == [(130, 140, False)]


@pytest.mark.user("H3")
def test_a_large_hole_is_filled_through_a_stage(inpaint_model: Path) -> None:
    image, hole = texture(131, 142, "uint16"), blot(131, 142, (20, 20, 90, 100))
    made = restorer("inpaint", inpaint_model)
    seen = watched(made)
    whole = inpainted(made, image, hole)
    assert seen == [(131, 142, False), (33, 36, False), (131, 142, True)]
    unchanged(whole, image, hole)
    tiled = inpainted(restorer("inpaint", inpaint_model, tile=64), image, hole)
    np.testing.assert_array_equal(tiled, whole)


def test_a_very_large_hole_is_filled_through_two(inpaint_model: Path) -> None:
    image, hole = texture(384, 372), blot(384, 372, (16, 12, 352, 348))
    made = restorer("inpaint", inpaint_model)
    seen = watched(made)
    unchanged(inpainted(made, image, hole), image, hole)
    sizes = [(384, 372), (96, 93), (24, 24)]
    down = [(*size, False) for size in sizes]
    assert seen == [*down, (96, 93, True), (384, 372, True)]


def test_a_thin_known_line_carries_through_every_stage(inpaint_model: Path) -> None:
    """Nothing may be known of a smaller picture only where nothing is of the picture itself."""
    image, hole = texture(40, 400), np.ones((40, 400), bool)
    hole[:, 200] = False
    unchanged(inpainted(restorer("inpaint", inpaint_model), image, hole), image, hole)


@pytest.mark.user("H2")
@pytest.mark.parametrize("options", [{}, {"grow": 30}])
def test_a_picture_that_is_all_hole_is_refused(inpaint_model: Path, options: dict) -> None:
    hole = np.ones((50, 60), bool)
    if options:
        hole[20:30, 20:30] = False
    with pytest.raises(rk.UsageError, match="all of the picture is to be filled; some of it"):
        inpainted(restorer("inpaint", inpaint_model, **options), texture(50, 60), hole)


def box_hole(size: int, side: int) -> torch.Tensor:
    hole = torch.zeros(1, 1, size, size)
    start = (size - side) // 2
    hole[..., start : start + side, start : start + side] = 1
    return hole


@pytest.mark.parametrize("side", [79, 80, 81, 82])
def test_large_means_farther_than_the_smooth_fill_reaches(side: int) -> None:
    """The middle of a hole of 80 is 40 from the nearest known pixel, of 81 it is 41."""
    assert fill.is_large(box_hole(200, side)) == (side > 2 * fill.REACH)


def test_edges_of_the_picture_are_not_known() -> None:
    hole = torch.zeros(1, 1, 60, 300)
    hole[..., :41] = 1
    assert fill.is_large(hole)
    hole[..., 40] = 0
    assert not fill.is_large(hole)


def options(**given: Any) -> dict[str, Any]:
    return TASK.check_options(given)


def test_a_stage_is_the_reduced_picture_and_its_mask() -> None:
    image = torch.rand(1, 3, 150, 141, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hole = torch.zeros(1, 1, 150, 141)
    hole[..., 20:120, 15:125] = 1
    stage = restorekit_prepare(
        {"image": image, "mask": hole * 2 - 1}, options(grow=2, feather=3, expand="right=1")
    )
    assert isinstance(stage, rk.Stage)
    assert stage.options == options(grain=0)
    smaller, mask = stage.inputs["image"], stage.inputs["mask"]
    assert smaller.shape == (1, 3, 38, 36)  # of 150 × 142
    grown = holes.grow(torch.nn.functional.pad(hole, (0, 1), value=1.0), 2)[0, 0]
    for row in range(38):
        for column in range(36):
            cell = slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4)
            known = grown[cell] == 0
            assert float(mask[0, 0, row, column]) == (-1 if known.any() else 1)
            padded = torch.nn.functional.pad(image, (0, 1))[0]
            expected = padded[:, cell[0], cell[1]][:, known].mean(1) if known.any() else 0
            torch.testing.assert_close(smaller[0, :, row, column], expected + torch.zeros(3))


def test_the_stage_s_result_is_where_the_path_starts() -> None:
    """A ramp reduced and enlarged again is the ramp; the network is told of the stage."""
    ramp = torch.linspace(-0.9, 0.9, 160).expand(1, 3, 160, 160).contiguous()
    hole = box_hole(160, 100)
    stage = torch.nn.functional.avg_pool2d(ramp, 4)
    inputs = {"image": ramp, "mask": hole * 2 - 1, "stage": stage}
    plan = restorekit_prepare(inputs, options())
    assert isinstance(plan, rk.Plan)
    torch.testing.assert_close(plan.state["source"], ramp, rtol=0, atol=1e-5)
    assert plan.state["numbers"] == {"stage": 1.0}
    assert restorekit_prepare(
        {**inputs, "mask": box_hole(160, 30) * 2 - 1}, options()
    ).state["numbers"] == {"stage": 1.0}  # fmt: skip
