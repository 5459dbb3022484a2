"""Pictures for the tests of metrics, read or made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import settings
from PIL import Image

# No deadline: the machine that runs the tests may be busy.
unhurried = settings(deadline=None, max_examples=60)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def photo(height: int = 64, width: int = 80, seed: int = 0) -> np.ndarray:
    """A smooth picture with some noise, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b) for a, b in ((7, 11), (5, 23), (13, 9))]
    values = 128 + 60 * np.stack(waves, -1) + rng.normal(0, 8, (height, width, 3))
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def random_pair(seed: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of uniform noise in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(shape, generator=generator) * 2 - 1 for _ in range(2))
    return a, b
