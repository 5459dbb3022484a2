"""Conditions: crops, pads and devices apply to every image alike; known pixels replace exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_oracles import images
from torch import Tensor

from restorekit.engine.conditioning import (
    Condition,
    concatenate,
    overwrite_known,
    replace,
    start_from,
)


@pytest.fixture
def condition() -> Condition:
    source, concat, values, mask = images(4, 1, 3, 12, 10, dtype=torch.float32)
    return Condition(source, concat, {"scale": 2.0}, (values, (mask[:, :1] > 0).float()), 0.7)


def parts(condition: Condition) -> list[Tensor]:
    assert condition.concat is not None
    assert condition.known is not None
    return [condition.source, condition.concat, *condition.known]


def test_a_crop_is_a_crop_of_every_image(condition: Condition) -> None:
    cropped = condition.crop(2, 3, 5, 4)
    for part, whole in zip(parts(cropped), parts(condition), strict=True):
        assert torch.equal(part, whole[..., 2:7, 3:7])
    assert (cropped.numbers, cropped.t_start) == ({"scale": 2.0}, 0.7)


def test_padding_mirrors_every_image(condition: Condition) -> None:
    padded = condition.pad(2, 25, 4, 30)  # more than the picture's own width
    for part, whole in zip(parts(padded), parts(condition), strict=True):
        expected = np.pad(whole.numpy(), ((0, 0), (0, 0), (2, 4), (25, 30)), "symmetric")
        np.testing.assert_array_equal(part.numpy(), expected)
    for part, whole in zip(parts(condition.pad(0, 0, 0, 0)), parts(condition), strict=True):
        assert part is whole
    one = condition.crop(0, 0, 1, 1).pad(0, 9, 63, 54)
    assert torch.equal(one.source, condition.source[..., :1, :1].expand(1, 3, 64, 64))


def test_a_mask_may_be_of_any_type(condition: Condition) -> None:
    """Padded, cut and laid over an estimate as the float mask is."""
    assert condition.known is not None
    values, mask = condition.known
    for kind in (torch.bool, torch.uint8, torch.float64):
        other = replace(condition, values, mask.to(kind)).pad(1, 2, 3, 5).crop(1, 2, 11, 12)
        expected = condition.pad(1, 2, 3, 5).crop(1, 2, 11, 12)
        estimate = torch.zeros_like(expected.source)
        assert torch.equal(overwrite_known(estimate, other), overwrite_known(estimate, expected))


def test_images_move_to_a_device(condition: Condition) -> None:
    moved = condition.to(torch.device("meta"))
    assert [part.device.type for part in parts(moved)] == ["meta"] * 4


def test_numbers_are_added_without_changing_the_condition(condition: Condition) -> None:
    more = condition.with_numbers(look=1.0, scale=3.0)
    assert more.numbers == {"scale": 3.0, "look": 1.0}
    assert condition.numbers == {"scale": 2.0}


def test_the_three_conditionings_compose(condition: Condition) -> None:
    source, albedo, normal, values = images(4, 1, 3, 4, 4, dtype=torch.float32)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 1] = 1
    made = concatenate(Condition(source), albedo)
    made = start_from(replace(concatenate(made, normal), values, mask), 0.4)
    assert made.concat is not None
    assert torch.equal(made.concat, torch.cat([albedo, normal], 1))
    assert made.t_start == 0.4
    replaced = overwrite_known(source, made)
    assert torch.equal(replaced[..., 1], values[..., 1])
    rest = [0, 2, 3]
    assert torch.equal(replaced[..., rest], source[..., rest])
    assert overwrite_known(source, Condition(source)) is source


def test_replacement_is_exact_also_where_the_estimate_is_not_a_number() -> None:
    values, mask = torch.full((1, 3, 2, 2), 0.1), torch.ones(1, 1, 2, 2)
    bad = torch.full((1, 3, 2, 2), torch.nan)
    assert torch.equal(overwrite_known(bad, Condition(values, known=(values, mask))), values)
