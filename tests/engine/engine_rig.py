"""A picture, a network without a zero in it, and an engine around the two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from restorekit import device as devices
from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.loop import Engine, Run
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import uniform_times
from restorekit.engine.tiles import Box
from restorekit.engine.unet import UNet, UNetConfig

EVERYTHING = 1 << 40  # a budget that no picture exceeds
SMALL = UNetConfig(widths=(16, 24), blocks=(1, 1), numbers=("scale", "look"))
# torch hands float32 convolutions of at most 20,480 inputs to another algorithm, with other last
# bits. The smallest window of these widths has 24,576, as every window of the shipped ones has more.
WIDE = UNetConfig(widths=(24, 96), blocks=(1, 1), numbers=("scale", "look"))
# Elsewhere bfloat16 is emulated, a hundred times slower, and never used by restorekit.
NATIVE = devices.precision(torch.device("cpu")) == torch.bfloat16
SHIPPED = UNetConfig(
    further=(2, 3), widths=(64,), blocks=(8,), numbers=("scale", "noise", "look"), rank=16
)
NUMBERS = {"scale": 2.0, "noise": 0.3, "look": 0.0}


def need(dtype: torch.dtype) -> None:
    """Skip where a processor only emulates a type."""
    if dtype == torch.bfloat16 and not NATIVE:
        pytest.skip("this processor only emulates bfloat16")


@contextmanager
def threads(count: int):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def awake(config: UNetConfig, dtype: torch.dtype = torch.float32, seed: int = 0) -> UNet:
    """A network whose every weight counts, as training would leave it."""
    generator = torch.Generator().manual_seed(seed)
    network = UNet(config)
    with torch.no_grad():
        for parameter in network.parameters():
            fan = max(1, parameter[0].numel())
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / math.sqrt(fan))
    network = network.requires_grad_(False).eval()
    return network.to(dtype, memory_format=torch.channels_last)


@dataclass
class Rig:
    """A picture to restore; `asked` are the windows its condition was asked for."""

    height: int
    width: int
    config: UNetConfig = SMALL if NATIVE else WIDE
    dtype: torch.dtype = torch.bfloat16 if NATIVE else torch.float32
    path: str = "flow_from_source"
    radius: int | None = None if NATIVE else 192
    with_known: bool = False
    cell: int = 0
    asked: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = torch.Generator().manual_seed(self.height * 1000 + self.width)
        shape = (1, 3, self.height, self.width)
        self.source = torch.rand(shape, generator=generator) * 2 - 1
        self.concat = torch.rand(shape, generator=generator) * 2 - 1
        self.values = torch.rand(shape, generator=generator) * 2 - 1
        self.mask = (torch.rand(1, 1, *shape[2:], generator=generator) < 0.3).float()

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    def condition(self, box: Box) -> Condition:
        self.asked.append(box)
        rows, columns = box.slices()
        known = (self.values, self.mask) if self.with_known else None
        whole = Condition(self.source, self.concat, NUMBERS, known)
        return whole.map(lambda image: image[..., rows, columns].clone())

    def denoiser(self) -> Preconditioned:
        network = awake(self.config, self.dtype)
        return Preconditioned(
            network, PATHS[self.path](), 0.12, self.config.numbers, dtype=self.dtype
        )

    def engine(self, budget: int = EVERYTHING, batch: int = 1, **changes: Any) -> Engine:
        denoiser, config = self.denoiser(), self.config.on(self.cell)
        given: dict[str, Any] = {
            "denoise": denoiser,
            "precise": lambda: denoiser,
            "path": denoiser.path,
            "radius": int(config.radius) if self.radius is None else self.radius,
            "stride": config.stride,
            "multiple": 16 * config.factor,
            "cell": config.factor,
            "device": torch.device("cpu"),
        }
        return Engine(**{**given, **changes}, budget=budget, batch=batch)

    def restore(self, engine: Engine, runs: Sequence[Run], **options: Any) -> Tensor:
        """The restored picture; every pixel is checked to have come exactly once."""
        picture = torch.full_like(self.source, math.nan)
        count = torch.zeros(self.size, dtype=torch.int32)
        with torch.inference_mode():
            for box, part in engine.restore(self.size, runs, self.condition, **options):
                count[box.slices()] += 1
                picture[(..., *box.slices())] = part
        assert torch.equal(count, torch.ones_like(count))
        assert picture.isfinite().all()
        return picture


def run(sampler: str = "ddim", steps: int = 1, **options: Any) -> Run:
    return Run(SAMPLERS[sampler], uniform_times(steps), **options)


def spoil(box: Box, x0_hat: Tensor, t: float) -> Tensor:
    """A correction that depends on place, time and estimate."""
    rows = torch.arange(box.top, box.bottom)[:, None] % 7 / 7
    columns = torch.arange(box.left, box.right)[None] % 5 / 5
    return 0.8 * x0_hat + 0.1 * (rows - columns) + 0.05 * t
