"""What a task asks another to do first is done in training too, by that task's own weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from training_kit import corpus, hooks, recipe, sharp, trainer

import restorekit
from restorekit.errors import UsageError
from restorekit.training.recipe import Draw

WORN = {"scale": 4.0, "degradation": "real", "clean": "always"}


def source_of(given: Any, options: dict[str, Any], seed: int = 5) -> Tensor:
    """The source of a batch that a trainer makes of two crops."""
    crops = corpus().crops(2, 64, torch.Generator().manual_seed(1))
    return trainer(given).condition(crops, dict(options), seed).source


@pytest.mark.parametrize("looks", ["faithful", "sharp"])
def test_a_picture_is_cleaned_in_the_look_that_is_trained(
    looks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restorekit.training.trainer.PerceptualPhase", lambda *_: None)
    crops = corpus().crops(2, 64, torch.Generator().manual_seed(1))
    task = hooks()
    low = task.restorekit_degrade(clean=crops, options={**WORN, "noise": 0.0}, seed=5)["image"]
    fidelity = 1.0 if looks == "faithful" else 0.0
    by_hand = torch.stack([restorekit.denoise((i + 1) / 2, fidelity=fidelity) for i in low]) * 2 - 1
    wanted = restorekit.resample(by_hand, (64, 64))
    found = source_of(recipe() if looks == "faithful" else sharp(), WORN)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert (found - source_of(recipe(), {**WORN, "clean": "never"})).abs().mean() > 1e-3


def test_stages_of_the_task_itself_are_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("restorekit_upscale.LARGEST", 2.0)  # so that ×4 is a cascade
    with pytest.raises(UsageError, match="a stage of upscale cannot be done in training"):
        trainer(recipe(draws=(Draw(1.0, {"scale": 4.0}),))).step(corpus())
