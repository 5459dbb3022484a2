"""The networks that the recipes train: their tiles are bit-equal to the whole."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
import torch
from outer_kit import REPOSITORY
from task_kit import awake
from torch import Tensor

import restorekit as rk
from restorekit import device as devices
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.loop import Engine, Run
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import uniform_times
from restorekit.engine.tiles import Box, best_tile, cut, round_up
from restorekit.engine.unet import UNetConfig
from restorekit.jobs.grid import ALIGNMENT

NATIVE = devices.precision(torch.device("cpu")) == torch.bfloat16
RUN = Run(SAMPLERS["ddim"], uniform_times(1), {"look": 1.0})


def configuration(task: str, recipe: str) -> UNetConfig:
    text = (REPOSITORY / "plugins" / task / "recipes" / f"{recipe}.toml").read_text()
    return UNetConfig.from_dict(tomllib.loads(text)["network"])


CONFIGURATIONS = {"denoise": "1-faithful", "inpaint": "1-faithful"}


@cache
def engine(dtype: torch.dtype) -> Engine:
    config = configuration("inpaint", "1-faithful")
    network = awake(config).requires_grad_(False).eval()
    network = network.to(dtype, memory_format=torch.channels_last)
    path = PATHS["flow_from_source"](sigma=0.1)
    denoise = Preconditioned(network, path, 0.2, config.numbers, dtype=dtype)
    sizes = int(config.radius), config.stride, ALIGNMENT * config.factor
    return Engine(denoise, lambda: denoise, path, *sizes, torch.device("cpu"), 1 << 40)


def filled(made: Engine, picture: Tensor, hole: Tensor) -> Tensor:
    result = torch.zeros_like(picture)

    def condition(box: Box) -> rk.Condition:
        source, mask = picture[(..., *box.slices())], hole[(..., *box.slices())]
        concat = torch.cat([source, mask * 2 - 1], 1)
        return rk.replace(rk.Condition(source, concat, {"stage": 0.0}), source, 1 - mask)

    with torch.inference_mode():
        for box, part in made.restore(tuple(picture.shape[-2:]), [RUN], condition):
            result[(..., *box.slices())] = part
    return result


@pytest.mark.slow
@pytest.mark.user("D2")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tiles_of_the_inpainter_do_not_show(dtype: torch.dtype) -> None:
    """Three levels at factor 4: edges on 16 of the network's pixels are on 4 of the coarsest."""
    if dtype == torch.bfloat16 and not NATIVE:
        pytest.skip("this processor only emulates bfloat16")
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 150, 580, generator=generator) * 2 - 1
    hole = torch.zeros(1, 1, 150, 580)
    hole[..., 30:130, 20:560] = 1
    whole = filled(engine(dtype), picture, hole)
    known = (hole < 0.5).expand_as(whole)
    assert torch.equal(whole[known], picture[known])
    for budget in (192 * 448, 192 * 576):
        assert torch.equal(filled(replace(engine(dtype), budget=budget), picture, hole), whole)


def canvases(multiple: int) -> Iterator[Box]:
    """Pictures of one, two and a few tiles' height, of any length up to 16,000 pixels."""
    for rows in (1, 2, 3, 5, 9):
        for columns in range(1, 16_000 // multiple, 3):
            yield Box(0, 0, rows * multiple, columns * multiple)


@pytest.mark.parametrize("task", CONFIGURATIONS)
def test_no_window_is_so_small_that_torch_takes_another_algorithm(task: str) -> None:
    """In float32, for at most 20,480 values: the last bits of narrow pictures' tiles would differ.

    The smallest budget there is, of one tile of 64 pixels, is far above it for long pictures too
    (up to 19,648 pixels, where the inpainter's last tile is 128 × 256 with its margin).
    """
    config = configuration(task, CONFIGURATIONS[task])
    multiple = max(ALIGNMENT * config.factor, config.stride)
    margin = round_up(int(config.radius), multiple)
    budget = (round_up(64, multiple) + 2 * margin) ** 2
    planes = [(config.concat * config.factor**2, config.factor)]
    planes += [(width, config.factor * 2**level) for level, width in enumerate(config.widths)]
    for canvas in canvases(multiple):
        tiles = list(cut(canvas, *best_tile(canvas, margin, multiple, budget), multiple))
        windows = {tile.grow(margin, canvas)[2:] for tile in tiles}
        if len(tiles) > 1:
            for height, width in windows:
                for channels, step in planes:
                    assert channels * (height // step) * (width // step) > 20_480
