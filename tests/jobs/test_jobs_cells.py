"""Pictures on the cells that their plans ask for: the network itself, its tiles, the forecast."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import awake, card, noise
from torch import Tensor

from restorekit import plugins
from restorekit.api import split_options
from restorekit.engine.conditioning import Condition
from restorekit.engine.resample import resample
from restorekit.engine.unet import UNetConfig
from restorekit.images import from_array
from restorekit.jobs import plan
from restorekit.jobs.grid import grid, smallest_budget, tile_budget
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.samples import to_tensor
from restorekit.jobs.settings import Settings
from restorekit.models import store

CONFIG = UNetConfig(
    factor=4, further=(2, 3), widths=(16,), blocks=(2,), numbers=("scale", "noise", "look")
)
Build = Callable[..., Restorer]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model of random weights with cells of three sides."""
    path, network = tmp_path_factory.mktemp("models") / "cells.safetensors", awake(CONFIG)
    store.save(path, card(network), network.state_dict())
    return path


@pytest.fixture
def restorer(cells: Path) -> Build:
    def build(**options: Any) -> Restorer:
        given = {"clean": "never", "model": str(cells), **options}
        loaded = plugins.load("upscale")
        own, common = split_options(loaded.task, given)
        return Restorer(loaded, own, Settings.of(loaded.task, common))

    return build


def framed(image: Tensor, cell: int) -> tuple[Tensor, int]:
    """The picture in its frame of mirror image, begun and ended on whole cells of the engine's grid."""
    frame, multiple = math.ceil(16 / cell) * cell, 16 * cell
    ends = (frame + -(side + 2 * frame) % multiple for side in image.shape[-2:])
    padding = ((0, 0), (0, 0), *((frame, end) for end in ends))
    return torch.from_numpy(np.pad(image.numpy(), padding, "symmetric")), frame


@pytest.mark.parametrize(("scale", "cell"), [(1.5, 2), (2.0, 2), (3.0, 3), (3.3, 3), (4.0, 4)])
def test_a_picture_is_restored_on_the_cells_of_its_scale(
    restorer: Build, scale: float, cell: int
) -> None:
    """The network's own answer for the framed picture, where a cell begins as the picture does."""
    made, image = restorer(scale=scale), noise(37, 45)
    size = round(37 * scale + 1e-9), round(45 * scale + 1e-9)
    result = to_tensor(made(from_array(image)).color)
    source, frame = framed(resample(to_tensor(image), result.shape[-2:]), cell)
    assert result.shape[-2:] == size
    ratio = math.sqrt(size[0] * size[1] / (37 * 45))
    numbers = {"scale": math.log2(ratio), "noise": 0.0, "look": 0.0}
    known = Condition(source, source, numbers, cell=cell)
    answer = made.engine.denoise(source, torch.ones((), dtype=torch.float64), known)
    inside = answer[..., frame : frame + size[0], frame : frame + size[1]].clamp(-1, 1)
    assert float((inside - result).abs().max()) <= 1.1 / 127.5


@pytest.mark.parametrize("scale", [1.3, 2.0, 3.0, 4.0, 6.0])
def test_tiles_do_not_show_on_any_cells(restorer: Build, scale: float) -> None:
    picture = from_array(noise(61, 190))
    whole = restorer(scale=scale)(picture).color
    assert np.array_equal(restorer(scale=scale, tile=64)(picture).color, whole)
    assert np.array_equal(restorer(scale=scale, tile=100, fidelity=1.0)(picture).color, whole)


@pytest.mark.parametrize("scale", [2.0, 3.0, 4.0, 6.0])
def test_a_forecast_counts_the_calls_and_what_they_cost(restorer: Build, scale: float) -> None:
    """A pixel on cells of 2 costs as much as four on the first ones, of 4."""
    made, seen = restorer(scale=scale, tile=64), []
    denoise = made.engine.denoise

    def counted(x: Tensor, t: Tensor, known: Condition) -> Tensor:
        seen.append((x.shape[-2] * x.shape[-1], known.cell))
        return denoise(x, t, known)

    made.engine = replace(made.engine, denoise=counted)
    made(from_array(noise(50, 70)))
    told = plan._work(made, (50, 70))
    assert told.calls == len(seen)
    assert told.largest == max(pixels for pixels, _ in seen)
    assert told.pixels == pytest.approx(sum(p * (4 / cell) ** 2 for p, cell in seen), abs=1)


def test_the_smallest_call_is_that_of_the_smallest_cells() -> None:
    reach = 2 * CONFIG.blocks[0] + 2
    for cell in CONFIG.factors:
        found = grid(CONFIG.on(cell))
        assert (found["multiple"], found["cell"], found["stride"]) == (16 * cell, cell, cell)
        assert found["radius"] == reach * cell + cell - 1
        assert tile_budget(64, CONFIG.on(cell)) == ((64 + -64 % (16 * cell)) + 32 * cell) ** 2
    assert smallest_budget(CONFIG) == (32 + 2 * 32) ** 2
