"""A grown network gives what the one it came from gives, and everything new in it can learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_kit import CPU, corpus, recipe, trainer

from restorekit.engine.unet import UNet, UNetConfig
from restorekit.errors import ModelError
from restorekit.training import start
from restorekit.training.grow import begun, grown
from restorekit.training.trainer import run

OLD = UNetConfig(factor=2, widths=(16, 24), blocks=(1, 3), embedding=16, numbers=("look",))
NEW = {
    "a level": replace(OLD, widths=(16, 24, 32), blocks=(1, 2, 1)),
    "two levels": replace(OLD, widths=(16, 24, 8, 40), blocks=(1, 3, 0, 1)),
    "blocks": replace(OLD, blocks=(2, 5)),
    "a rank": replace(OLD, rank=2),
    "both": replace(OLD, widths=(16, 24, 32), blocks=(3, 2, 2)),
}


def awake(config: UNetConfig) -> UNet:
    """A network in which nothing is nought any more."""
    torch.manual_seed(0)
    network = UNet(config)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return network


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", NEW)
def test_a_grown_network_is_the_old_one_and_learns(name: str, bias: bool) -> None:
    old, new = replace(OLD, bias=bias), replace(NEW[name], bias=bias)
    small, large = awake(old), UNet(new)
    large.load_state_dict(grown(small.state_dict(), old, new))
    image = torch.randn(2, 3, 48, 32)
    given = (image, image.flip(0), torch.tensor([0.3, 1.0]), torch.tensor([[0.0], [1.0]]))
    torch.testing.assert_close(large(*given), small(*given), rtol=1e-5, atol=1e-5)
    added = [p for p in large.parameters() if p.ndim in (2, 4) and not p.any()]
    assert added
    # What lies behind a way up that is still nought learns once that way is open.
    optimiser = torch.optim.SGD(large.parameters(), 1e-3)
    for _ in range(len(new.widths)):
        optimiser.zero_grad()
        large(*given).square().mean().backward()
        optimiser.step()
    assert all(p.any() for p in added)


def test_a_grown_network_keeps_the_layers_of_all_its_cells() -> None:
    old = replace(OLD, factor=4, widths=(16,), blocks=(1,), further=(2, 3))
    new = replace(old, blocks=(3,), rank=2)
    small, large = awake(old), UNet(new)
    large.load_state_dict(grown(small.state_dict(), old, new))
    image = torch.randn(2, 3, 48, 24)
    given = (image, image.flip(0), torch.tensor([0.3, 1.0]), torch.tensor([[0.0], [1.0]]))
    for cell in old.factors:
        torch.testing.assert_close(large(*given, cell), small(*given, cell), rtol=1e-5, atol=1e-5)


def test_a_network_with_finer_levels_keeps_the_blocks_of_the_levels_it_shares() -> None:
    old = replace(OLD, factor=4, rank=2)
    new = replace(old, factor=2, widths=(8, 16, 24), blocks=(1, 2, 2), rank=0)
    small = awake(old)
    weights = begun(small.state_dict(), old, new)
    large = UNet(new)
    large.load_state_dict(weights)
    # The shared levels by themselves: the finer level's way down and up is cut out.
    code = small.embed(torch.tensor([[0.3, 0.0]]))
    torch.testing.assert_close(large.embed(torch.tensor([[0.3, 0.0]])), code)
    given = torch.randn(1, 16, 8, 8)
    pairs = [
        (small.encoder[0][0], large.encoder[1][0]),
        (small.decoder[0][0], large.decoder[0][1]),  # the last block of one is the last of two
    ]
    for mine, theirs in pairs:
        torch.testing.assert_close(mine(given, code), theirs(given, code))
    coarse = torch.randn(1, 24, 4, 4)
    for mine, theirs in zip(small.middle[:2], large.middle, strict=True):
        torch.testing.assert_close(mine(coarse, code), theirs(coarse, code))
    torch.testing.assert_close(small.down[0](given), large.down[1](given))
    torch.testing.assert_close(small.up[0](coarse), large.up[0](coarse))
    same = replace(new, rank=2)
    assert torch.equal(
        begun(small.state_dict(), old, same)["middle.0.inner.narrow"],
        small.middle[0].inner.narrow,
    )


@pytest.mark.parametrize(
    "new",
    [
        {"factor": 2, "widths": (16, 24), "blocks": (1, 3)},
        {"factor": 2, "widths": (8, 16, 32), "blocks": (1, 1, 1)},
        {"factor": 2, "widths": (8, 16, 24), "blocks": (1, 1, 3), "numbers": ()},
    ],
)
def test_levels_of_other_widths_or_cells_are_not_inherited(new: dict[str, Any]) -> None:
    old = replace(OLD, factor=4)
    with pytest.raises(ModelError, match="cannot inherit"):
        begun(awake(old).state_dict(), old, replace(old, **new))


def test_attention_does_not_grow() -> None:
    """A level's attention comes after its blocks: with more of them it would stand elsewhere."""
    old = replace(OLD, attention=(1,))
    with pytest.raises(ModelError, match="cannot grow"):
        grown(UNet(old).state_dict(), old, replace(old, blocks=(1, 5)))


@pytest.mark.parametrize(
    "new",
    [
        replace(OLD, widths=(16, 32)),
        replace(OLD, blocks=(0, 3)),
        replace(OLD, factor=4),
        replace(OLD, widths=(16, 24, 32), blocks=(1, 1, 1)),
        replace(OLD, numbers=()),
    ],
    ids=["wider", "fewer blocks", "factor", "no room for the blocks", "numbers"],
)
def test_what_cannot_grow_is_told_of(new: UNetConfig) -> None:
    with pytest.raises(ModelError, match="cannot grow into one of widths"):
        grown(UNet(OLD).state_dict(), OLD, new)


def test_what_differs_but_levels_and_blocks_is_named() -> None:
    other = replace(OLD, numbers=("level",))
    with pytest.raises(ModelError, match=r"with other numbers \('level',\): levels"):
        grown(UNet(OLD).state_dict(), OLD, other)


def test_a_run_starts_from_a_smaller_run(tmp_path: Path) -> None:
    """Its averaged weights, by the trainer: the first estimate is the smaller network's."""
    small = trainer(recipe())
    run(small, corpus(), [], tmp_path)
    config = small.recipe.network
    larger = replace(config, blocks=(*config.blocks[:-1], config.blocks[-1] + 2))
    large = trainer(replace(recipe(), network=larger))
    large.start_from(start.read(tmp_path / "checkpoint.safetensors"))
    network = UNet(config).to(CPU)
    network.load_state_dict(small.average.values)
    image = torch.randn(1, 3, 32, 32)
    numbers = torch.zeros(1, len(config.numbers))
    given = (image, image, torch.ones(1), numbers)
    torch.testing.assert_close(large.network(*given), network(*given), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(large.average.values, large.network.state_dict())
