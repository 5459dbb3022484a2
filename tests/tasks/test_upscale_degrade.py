"""Low-res images for training: of the right size and levels, and worn as files that people have are."""

from __future__ import annotations

import pytest
import torch
from restorekit_upscale.degrade import degrade
from torch import Tensor

import restorekit as rk

CLEAN = torch.rand(6, 3, 96, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("degradation", ["clean", "real"])
@pytest.mark.parametrize("scale", [1.3, 2.0, 4.0])
def test_size_levels_and_seed(degradation: str, scale: float) -> None:
    options = {"scale": scale, "degradation": degradation}
    low = degrade(CLEAN, options, 3)
    assert low.shape == (6, 3, round(96 / scale), round(64 / scale))
    assert low.abs().max() <= 1
    assert torch.equal(rk.to_levels(low), low)
    assert torch.equal(degrade(CLEAN, options, 3), low)
    assert torch.equal(degrade(CLEAN, options, 4), low) == (degradation == "clean")


def test_blocks_begin_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a crop they do; a network that always finds them at its corner does not learn to see them."""
    before: set[tuple[int, int]] = set()  # what lies before the picture when it is coded

    def jpeg(images: Tensor, quality: Tensor, halve_chroma: bool = True) -> Tensor:
        assert images.abs().max() <= 1
        before.add((images.shape[-2] % 8, images.shape[-1] % 8))
        return coded(images, quality, halve_chroma)

    coded = rk.jpeg
    monkeypatch.setattr(rk, "jpeg", jpeg)
    for seed in range(100):  # 24 x 16 pixels when they are coded last: whole blocks
        degrade(CLEAN[:1], {"scale": 4.0, "degradation": "real"}, seed)
    assert len(before) > 48
