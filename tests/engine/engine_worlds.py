"""Small worlds to train on: a spiral of points, digits of 8×8, drawn shapes; and the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Predicting
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.training.average import Average
from restorekit.training.prediction_loss import Weight, prediction_loss


class PointNetwork(nn.Module):
    """A network for points (N, 2, 1, 1): three layers, and sines of place and time."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        sizes = [10 + 8, width, width, width]
        self.layers = nn.Sequential(
            *(part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())),
            nn.Linear(width, 2),
        )

    def forward(self, x: Tensor, *given: Tensor | None) -> Tensor:
        """concat, t and numbers follow x; only t counts."""
        t = given[1]
        assert t is not None
        flat = x.flatten(1)
        place = [flat, (2 * flat).sin(), (2 * flat).cos(), (4 * flat).sin(), (4 * flat).cos()]
        phases = t[:, None].expand(len(x), 1) * math.pi * torch.tensor([0.5, 1.0, 2.0, 4.0])
        return self.layers(torch.cat([*place, phases.sin(), phases.cos()], 1))[..., None, None]


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A module whose first weights are always the same; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def small_unet(channels: int, concat: int, factor: int, numbers: tuple[str, ...] = ()) -> nn.Module:
    return seeded(
        lambda: UNet(
            UNetConfig(channels, concat, factor, (32, 48), (2, 2), numbers=numbers, embedding=64)
        )
    )


def train(
    denoiser: Predicting,
    batch: Callable[[torch.Generator], tuple[Tensor, Condition]],
    iterations: int,
    *,
    rate: float = 2e-3,
    weight: Weight | None = None,
) -> list[float]:
    """AdamW with a cosine to nought, and averaged weights in the end; the loss of each iteration."""
    network = denoiser.network
    assert isinstance(network, nn.Module)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    average, generator = Average(network, 0.99), torch.Generator().manual_seed(1)
    losses = []
    for _ in range(iterations):
        x0, condition = batch(generator)
        t = 1 - torch.rand(len(x0), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        loss = prediction_loss(denoiser, x0, condition, t, noise, weight).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update(network)
        losses.append(float(loss.detach()))
    network.load_state_dict(average.values)
    network.requires_grad_(False).eval()
    return losses


def spiral(count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 2, 1, 1) on a spiral of one and a half turns, in [−2, 2]."""
    share = torch.rand(count, generator=generator).sqrt()
    angle = 3 * math.pi * share
    return (2.0 * share * torch.stack([angle.cos(), angle.sin()])).T[..., None, None]


def off_the_spiral(points: Tensor) -> Tensor:
    """How far points are from the nearest of the curve, (count,)."""
    share = torch.linspace(0, 1, 2000)
    angle = 3 * math.pi * share
    curve = (2.0 * share * torch.stack([angle.cos(), angle.sin()])).T
    return torch.cdist(points.flatten(1).float(), curve).amin(1)


def shapes(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A bright disk or square somewhere on a dark ground, (count, 1, size, size) in [−1, 1]."""
    draw = torch.rand(count, 4, generator=generator)
    place = (torch.arange(size) + 0.5) / size
    column = (place[None, None] - (0.3 + 0.4 * draw[:, 0, None, None])).abs()
    row = (place[None, :, None] - (0.3 + 0.4 * draw[:, 1, None, None])).abs()
    radius = 0.12 + 0.12 * draw[:, 2, None, None]
    disk, square = (row**2 + column**2).sqrt() - radius, torch.maximum(row, column) - radius
    away = torch.where(draw[:, 3, None, None] < 0.5, disk, square)
    return (-away * size).clamp(-0.5, 0.5).mul(1.6)[:, None]
