"""Training on noisy renders: what is drawn, that the loss is right on average, that it learns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import REPOSITORY
from torch import Tensor, nn

import restorekit as rk
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.path import PATHS
from restorekit.engine.unet import UNet
from restorekit.training import recipe
from restorekit.training.renders import Renders, View, noise_to_noise_loss, read_view

sys.path.insert(0, str(REPOSITORY / "plugins" / "render"))

import restorekit_render
from restorekit_render import transfer

SAMPLES = (1, 1, 2, 4)
OPTIONS = restorekit_render.TASK.check_options({})


class Hooks:
    restorekit_prepare = staticmethod(restorekit_render.restorekit_prepare)
    restorekit_condition = staticmethod(restorekit_render.restorekit_condition)
    restorekit_finish = staticmethod(restorekit_render.restorekit_finish)


def view(height: int = 24, width: int = 32, seed: int = 0) -> View:
    """Frames whose every value tells its frame, channel and place."""
    shape = (len(SAMPLES), 9, height, width)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return View(values.half(), torch.tensor(SAMPLES))


def write(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(0)
    arrays = {name: rng.random((4, 24, 32, 3)) for name in ("color", "albedo", "normal")}
    arrays |= {"samples": np.array(SAMPLES)} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    found = Renders.read(write(tmp_path / "a.npz").parent).views[0]
    color = np.load(tmp_path / "a.npz")["color"].astype(np.float16)
    np.testing.assert_array_equal(found.frames[:, :3].numpy(), np.moveaxis(color, -1, 1))
    assert found.samples.tolist() == list(SAMPLES)


@pytest.mark.parametrize(
    "changes",
    [
        {"color": None},
        {"samples": np.array([1, 2])},
        {"samples": None},
        {"albedo": np.zeros((4, 5, 5, 3))},
    ],
)
def test_a_file_of_something_else_is_told(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(rk.UsageError, match="holds no renders to train on"):
        read_view(write(tmp_path / "a.npz", **changes))


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(rk.UsageError, match="no renders under"):
        Renders.read(tmp_path)


def test_input_and_target_share_no_frame() -> None:
    made, whole = view(), (slice(None), slice(None))
    weights = torch.tensor(SAMPLES).float()
    for given in ((0,), (0, 2), (1, 3), (0, 1, 2)):
        rest = [k for k in range(4) if k not in given]
        mask = torch.tensor([k in given for k in range(4)])
        known, target = made.means(mask, whole)
        for got, chosen, channels in ((known, list(given), 9), (target, rest, 3)):
            frames = made.frames[chosen, :channels].float()
            expected = torch.einsum("k,kchw->chw", weights[chosen] / weights[chosen].sum(), frames)
            torch.testing.assert_close(got, expected)


def test_every_choice_of_frames_is_drawn_and_few_samples_as_often_as_many() -> None:
    made, draw = view(), torch.Generator().manual_seed(0)
    masks = torch.stack([made.draw(draw) for _ in range(2000)])
    assert len(masks.unique(dim=0)) == 8  # of 16: those of half of the samples or fewer, but none
    given = masks.float() @ torch.tensor(SAMPLES).float()
    weight = torch.tensor([1 / n for n in (1, 1, 2, 2, 3, 3, 4, 4)])
    assert float((given == 1).float().mean()) == pytest.approx(
        float(weight[:2].sum() / weight.sum()), abs=0.05
    )


def test_a_batch_depends_on_its_seed_alone_and_keeps_pixels_together() -> None:
    coordinate = torch.arange(24 * 32).reshape(1, 1, 24, 32).expand(4, 9, -1, -1)
    made = Renders([View(coordinate.half(), torch.tensor(SAMPLES))])
    batches = [made.batch(6, 16, torch.Generator().manual_seed(s)) for s in (3, 3, 4)]
    (inputs, target), (again, _), (other, _) = batches
    assert torch.equal(inputs["image"], again["image"])
    assert not torch.equal(inputs["image"], other["image"])
    for name in ("image", "albedo", "normal"):  # turned and cut alike
        torch.testing.assert_close(inputs[name], target)
    assert len({tuple(item.flatten()[:2].tolist()) for item in target}) > 3


def test_passes_can_be_left_out() -> None:
    inputs, _ = Renders([view()]).batch(2, 16, torch.Generator().manual_seed(0), ("albedo",))
    assert set(inputs) == {"image", "albedo"}


def test_a_crop_larger_than_a_view_is_told() -> None:
    with pytest.raises(rk.UsageError, match="a render of 32 x 24 is smaller than crops of 48"):
        Renders([view()]).batch(1, 48, torch.Generator())


class Constant(nn.Module):
    """A network whose answer is one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value, dtype=torch.float64))

    def forward(self, *given: Any) -> Tensor:
        concat = given[1]
        return self.value.expand(len(concat), 3, *concat.shape[-2:])


def gradient(at: float, targets: tuple[float, ...]) -> float:
    """The mean gradient where the estimate is the light `at`, for targets of equal likelihood."""
    image = torch.full((1, 3, 32, 32), 0.18)  # of exposure 1
    source = float(transfer.encode(torch.tensor(0.18)))
    estimate = float(transfer.encode(torch.tensor(at)))
    network = Constant((estimate - source) / 0.3)
    denoiser = Preconditioned(network, PATHS["flow_from_source"](sigma=0.05), 0.3)
    for target in targets:
        noise_to_noise_loss(
            denoiser, Hooks, OPTIONS, {"image": image}, torch.full_like(image, target)
        ).mean().backward()
    assert network.value.grad is not None
    return float(network.value.grad) / len(targets)


def test_the_loss_is_least_at_the_mean_of_light_and_not_of_its_transfer() -> None:
    targets = (0.0, 0.6)
    assert abs(gradient(0.3, targets)) < 1e-3
    transferred = transfer.encode(torch.tensor(targets)).mean()
    assert gradient(float(transfer.decode(transferred)), targets) < -0.1  # too dark: pulled up
    assert gradient(0.5, targets) > 0.1


def test_a_firefly_pulls_no_harder_than_it_may() -> None:
    assert gradient(0.3, (1e6,)) == gradient(0.3, (1e9,))


@pytest.mark.parametrize("phase", range(1, 6))
def test_the_recipes_are_some_that_fit_the_task(phase: int) -> None:
    made = recipe.read(REPOSITORY / "plugins" / "render" / "recipes" / f"{phase}-faithful.toml")
    assert made.task == restorekit_render.TASK.name
    network = UNet(made.network)
    size = sum(value.numel() for value in network.state_dict().values()) * 2
    assert size <= 6e6
    assert made.network.radius <= 192
    assert made.network.concat == 9


@pytest.mark.parametrize(("spread", "mean"), [(0.25, 0.5), (0.5, 0.496), (1.0, 0.419)])
def test_the_mean_of_light_is_learnt_from_noise_alone(spread: float, mean: float) -> None:
    """One number, learnt from light that deviates by a share of its mean, .5: it finds the mean, and
    less where the noise is so heavy that much of it counts as fireflies."""
    count = round(1 / spread**2)
    draw = torch.Generator().manual_seed(0)
    image = torch.full((1, 3, 32, 32), 0.18)
    network = Constant(0.0)
    denoiser = Preconditioned(network, PATHS["flow_from_source"](sigma=0.05), 0.3)
    optimiser = torch.optim.Adam(network.parameters(), 0.05)
    for _ in range(120):
        light = 0.5 * torch.empty(count, 3, 32, 32).exponential_(generator=draw)
        target = light.mean(0, keepdim=True)
        loss = noise_to_noise_loss(denoiser, Hooks, OPTIONS, {"image": image}, target).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    source = transfer.encode(torch.tensor(0.18))
    found = float(transfer.decode(source + 0.3 * network.value.detach()))
    assert found == pytest.approx(mean, rel=0.02)
    # The mean of the transfer would be exp(E log(1 + 8 y)) − 1 over 8: below.
    light = 0.5 * torch.empty(count, 100_000).exponential_(generator=draw).mean(0)
    assert float(transfer.decode(transfer.encode(light).mean())) < found - 0.01
