"""Small pictures and recipes, and the upscaling task's hooks, for tests of training."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pluggy
import pytest
import restorekit_upscale
import torch
from torch import Tensor

from restorekit import hookspecs
from restorekit.api import restored_stage
from restorekit.engine.conditioning import Condition
from restorekit.engine.unet import UNetConfig
from restorekit.training import draws
from restorekit.training.photographs import Corpus
from restorekit.training.recipe import Draw, Perceptual, Recipe
from restorekit.training.trainer import Trainer

CPU = torch.device("cpu")
NETWORK = UNetConfig(widths=(16, 24), blocks=(1, 1), numbers=("scale", "noise", "look"))
DRAWS = (
    Draw(1.0, {"scale": 4.0}),
    Draw(1.0, {"scale": [2.0, 4.0], "degradation": "real"}),
    Draw(1.0, {"scale": [1.1, 3.0], "noise": [0.0, 0.1]}),
)


CELLS: dict[str, Any] = {  # a recipe's, whose batches are on cells of 2, 3 or 4
    "network": replace(NETWORK, widths=(16,), blocks=(1,), further=(2, 3)),
    "draws": tuple(Draw(1.0, {"scale": float(n)}, crop=16 * n) for n in (2, 3, 4)),
}


def pictures(count: int = 3, side: int = 100, seed: int = 0) -> list[Tensor]:
    """Smooth random pictures with edges, (3, side, side + 8) uint8."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        coarse = torch.rand(1, 3, 9, 9, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, (side, side + 8), mode="bilinear")
        steps = (torch.rand(1, 1, side, side + 8, generator=generator) > 0.97).float()
        made.append(((smooth * 0.8 + 0.2 * steps)[0] * 255).to(torch.uint8))
    return made


def recipe(**changes: Any) -> Recipe:
    base = Recipe(
        task="upscale", iterations=6, draws=DRAWS, network=NETWORK,
        crop=64, batch=4, warmup=2, learning_rate=3e-3, seed=7,
    )  # fmt: skip
    return replace(base, **changes)


def sharp(**changes: Any) -> Recipe:
    return recipe(perceptual=Perceptual(ramp=2, widths=(8, 8, 8)), **changes)


def hooks() -> Any:
    manager = pluggy.PluginManager("restorekit")
    manager.add_hookspecs(hookspecs)
    manager.register(restorekit_upscale)
    return manager.hook


def trainer(given: Recipe) -> Trainer:
    return Trainer(given, restorekit_upscale.TASK, hooks(), CPU, restored_stage)


def batch(made: Trainer, data: Corpus, seed: int) -> tuple[Tensor, Condition]:
    """A batch as a run makes it: of the draw that the seed chooses."""
    generator = torch.Generator().manual_seed(seed)
    return made.batch(data, draws.choose(made.recipe.draws, generator), generator)


def corpus(**options: Any) -> Corpus:
    return Corpus.of(pictures(), 64, CPU, **options)


def need_lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where LPIPS' weights are not: they are data of measurements, never in the repository."""
    repository = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("RESTOREKIT_DATA", repository.parent / "shared" / "data"))
    folder = data / "weights"
    if not (folder / "lin_squeeze.safetensors").is_file():
        pytest.skip(f"no LPIPS weights in {folder}: set RESTOREKIT_DATA")
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(folder))


def assert_same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
