"""How far which weight is moved, and that moments stay with their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from training_kit import corpus, recipe, trainer

from restorekit.errors import ModelError
from restorekit.training import checkpoint
from restorekit.training.recipe import Draw


def test_a_first_layer_of_large_cells_learns_at_a_share_of_the_rate() -> None:
    network, draws = replace(recipe().network, further=(2, 3)), (Draw(1.0, {"scale": 4.0}),)
    made = trainer(recipe(network=network, draws=draws, warmup=0, learning_rate=0.01))
    made.step(corpus())
    names = {id(value): name for name, value in made.network.named_parameters()}
    rates = {
        names[id(value)]: group["lr"]
        for group in made.optimisers["adam"].param_groups
        for value in group["params"]
    }
    found = [rates[f"{head}.weight"] for head in ("head", "heads.2", "heads.3", "tail", "tails.3")]
    assert found == pytest.approx([0.0025, 0.01, 0.04 / 9, 0.01, 0.01])


def test_moments_of_another_weight_are_refused(tmp_path: Path) -> None:
    """Optimisers take any shape without a word, and step outside of it."""
    made, file = trainer(recipe()), tmp_path / "one.safetensors"
    made.step(corpus())
    made.save(file)
    tensors, record = checkpoint.load(file)
    place = next(k for k, v in tensors.items() if k.endswith("exp_avg") and v.ndim == 4)
    checkpoint.save(file, {**tensors, place: tensors[place].flatten(1)}, record)
    with pytest.raises(ModelError, match=r"another network or recipe: \d+\.exp_avg is of"):
        trainer(recipe()).resume(file)
