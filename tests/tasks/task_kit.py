"""What the tests of the shipped tasks share: tiny models of random weights, pictures, restorers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import awake, card

from restorekit import plugins
from restorekit.api import split_options
from restorekit.engine.unet import UNetConfig
from restorekit.images import Picture, from_array, to_like
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings
from restorekit.models import store
from restorekit.models.card import Look

# Wide enough that no float32 window of 64 pixels a side falls below the 20,480 values at which torch
# takes another algorithm, with other last bits.
INPAINT = UNetConfig(
    factor=2, concat=4, widths=(24, 96), blocks=(1, 1), embedding=16, numbers=("stage", "look")
)
DENOISE = UNetConfig(
    factor=2, widths=(12, 40), blocks=(1, 1), embedding=16, numbers=("look",), bias=False
)
DEVIATIONS = {"inpaint": 0.2, "denoise": 0.15}


def write_model(path: Path, task: str, seed: int = 0, **others: Any) -> Path:
    """A model file of random weights for a task; always the same for a seed."""
    network = awake({"inpaint": INPAINT, "denoise": DENOISE}[task], seed)
    facts = {"task": task, "deviation": DEVIATIONS[task], **others}
    store.save(path, card(network, **facts), network.state_dict())
    return path


@pytest.fixture(scope="session")
def inpaint_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the tiny model that fills holes."""
    return write_model(tmp_path_factory.mktemp("models") / "inpaint.safetensors", "inpaint")


@pytest.fixture(scope="session")
def denoise_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the tiny model that denoises."""
    return write_model(tmp_path_factory.mktemp("models") / "denoise.safetensors", "denoise")


def sampled(path: Path, sampler: str, steps: int = 3) -> Path:
    """The tiny inpainter with looks of several steps of a sampler."""
    looks = {
        "faithful": Look({"look": 0.0}, 0.0, steps, sampler),
        "sharp": Look({"look": 1.0}, 1.0, steps, sampler),
    }
    return write_model(path, "inpaint", looks=looks)


def restorer(task: str, model: Path, **options: Any) -> Restorer:
    """A Restorer of a task with a model and these options."""
    loaded = plugins.load(task)
    own, common = split_options(loaded.task, {"model": str(model), "device": "cpu", **options})
    return Restorer(loaded, own, Settings.of(loaded.task, common))


def inpainted(made: Restorer, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The filled picture, as the array that went in."""
    return to_like(made(from_array(image), companions=masks_of(mask)), image)


def masks_of(mask: np.ndarray | None) -> dict[str, Picture]:
    """The companions of a call with this mask, bool or uint8."""
    if mask is None:
        return {}
    return {"mask": from_array(np.where(mask, 255, 0).astype(np.uint8))}


def texture(height: int, width: int, dtype: str = "uint8", channels: int = 3, seed: int = 0):
    """(H, W, channels) of every value there is, or (H, W) for one channel."""
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def blot(height: int, width: int, *holes: tuple[int, int, int, int]) -> np.ndarray:
    """(H, W) bool, true in boxes (top, left, height, width)."""
    mask = np.zeros((height, width), bool)
    for top, left, tall, wide in holes:
        mask[top : top + tall, left : left + wide] = True
    return mask


def unchanged(result: np.ndarray, image: np.ndarray, hole: np.ndarray) -> None:
    """Every known sample is the very one that was given, and what is filled is not."""
    assert result.dtype == image.dtype
    known = ~hole
    np.testing.assert_array_equal(result[known], image[known])
    if hole.any():
        assert np.any(result[hole] != image[hole])
