"""Training a network of several kinds of cells: crops, layers and validation that suit each."""

from __future__ import annotations

import math

import pytest
import torch
from training_kit import CELLS, batch, corpus, pictures, recipe, trainer

from restorekit.errors import UsageError
from restorekit.training.recipe import Draw


def test_a_draw_has_crops_and_cells_of_its_own() -> None:
    """A crop of 16 pixels of the input to each side, whatever the scale, and cells of one of them."""
    made, seen = trainer(recipe(**CELLS)), set()
    made.try_draws()
    for seed in range(12):
        clean, condition = batch(made, corpus(), seed)
        scale = round(2 ** condition.numbers["scale"])
        assert (clean.shape[-1], condition.cell) == (16 * scale, scale)
        assert bool(made.path_loss(clean, condition, torch.Generator()).isfinite())
        seen.add(scale)
    assert seen == {2, 3, 4}
    assert all(math.isfinite(made.step(corpus())[0]) for _ in range(3))


def test_a_crop_that_is_not_of_whole_cells_is_told_of_before_any_batch() -> None:
    """A rare scale is of other cells: 64 / 3.49 is 18 pixels, of cells of 4, and 64 / 3.45 is 19."""
    draws = (Draw(1.0, {"scale": 4.0}), Draw(1e-9, {"scale": [3.45, 4.0]}))
    made = trainer(recipe(draws=draws, network=CELLS["network"]))
    with pytest.raises(UsageError, match="crop of 64 pixels on cells of 3; give a multiple of 3"):
        made.try_draws()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_validation_is_of_whole_cells(scale: int) -> None:
    draws = tuple(draw for draw in CELLS["draws"] if draw.options["scale"] == scale)
    made = trainer(recipe(network=CELLS["network"], draws=draws))
    assert math.isfinite(made.validate(pictures(1, 90)))
