"""An even colour comes back as itself, up to the picture's edges, where convolutions see zeros."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import restorekit

COLOURS = [(250, 5, 125), (16, 239, 8), (16, 16, 16), (250, 250, 250), (64, 191, 32)]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", [(64, 64), (37, 90)])
@pytest.mark.parametrize(
    "task",
    [lambda image: restorekit.upscale(image, scale=2), restorekit.denoise],
    ids=["upscale", "denoise"],
)
def test_an_even_colour_is_even_up_to_the_edges(
    task: Callable[[np.ndarray], np.ndarray], size: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    made = task(np.full((*size, 3), colour, np.uint8)).astype(int)
    assert np.abs(made - colour).max() <= 2  # of 255; without a frame up to 15


@pytest.mark.parametrize("colour", COLOURS)
def test_the_sharp_look_s_edges_are_as_its_middle(colour: tuple[int, int, int]) -> None:
    made = restorekit.upscale(np.full((48, 48, 3), colour, np.uint8), scale=4, look="sharp")
    error = np.abs(made.astype(int) - colour)
    assert error.max() <= error[32:-32, 32:-32].max() + 1
