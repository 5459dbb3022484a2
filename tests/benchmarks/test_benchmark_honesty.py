"""The search for training pictures in results: what is a copy is found, what is not is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def texture(seed: int, side: int = 160) -> np.ndarray:
    """Coloured noise, coarse enough to be told apart in means of cells."""
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


@pytest.fixture
def honesty(bench):
    return bench("honesty")


def test_a_copy_is_found_and_its_contrast_does_not_matter(honesty) -> None:
    training = [texture(seed) for seed in range(4)]
    copied = (training[2][16:112, 32:128] // 2 + 40).astype(np.uint8)
    foreign = texture(9)[:96, :96]
    found = {
        name: honesty.nearest(honesty.patches(picture, 2)[0], training)
        for name, picture in (("copied", copied), ("foreign", foreign))
    }
    assert float(found["copied"].min()) > 0.99
    assert float(found["foreign"].max()) < 0.9


def test_plain_patches_are_not_asked_for(honesty) -> None:
    picture = np.full((96, 200, 3), 120, np.uint8)
    picture[:, 100:] = texture(0, 104)[:96, :100]
    (chosen,) = honesty.queries([picture], torch.Generator().manual_seed(0))
    assert len(chosen) == honesty.QUERIES
    values, spread = honesty.patches(picture, 1)
    assert (spread[chosen] > honesty.LEAST).all()
    assert (spread <= honesty.LEAST).any()
    torch.testing.assert_close(values[chosen].norm(dim=1), torch.ones(len(chosen)))
