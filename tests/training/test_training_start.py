"""What a run begins with, and what it goes on with: another run's weights, its own checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_kit import NETWORK, assert_same, corpus, recipe, trainer

from restorekit.errors import ModelError
from restorekit.training import checkpoint, start


def test_starting_from_another_run_takes_its_averaged_weights(tmp_path: Path) -> None:
    first, data = trainer(recipe()), corpus()
    for _ in range(3):
        first.step(data)
    first.save(tmp_path / "one.safetensors")
    second = trainer(recipe(seed=99))
    second.start_from(start.read(tmp_path / "one.safetensors"))
    assert second.iteration == 0
    assert_same(
        {k: v.float() for k, v in second.network.state_dict().items()}, first.average.values
    )
    assert_same(second.average.values, first.average.values)
    some = next(iter(first.average.values))
    assert not torch.equal(first.network.state_dict()[some], first.average.values[some])
    assert second.network.head.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_checkpoint_of_another_network_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    trainer(recipe()).save(path)
    other = trainer(recipe(network=replace(NETWORK, widths=(8, 24))))
    for load in (other.resume, lambda file: other.start_from(start.read(file))):
        with pytest.raises(ModelError, match=r"one\.safetensors is of another network"):
            load(path)


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Whose record does not say what networks have learned to be since."""
    path = tmp_path / "one.safetensors"
    made = trainer(recipe())
    made.save(path)
    tensors, record = checkpoint.load(path)
    del record["recipe"]["network"]["further"]
    checkpoint.save(path, tensors, record)
    made.resume(path)
    for change in ({"deviation": 0.5}, {"path": "i2sb", "path_parameters": {"beta": 0.2}}):
        with pytest.raises(ModelError, match="of another network or recipe"):
            trainer(recipe(**change)).resume(path)
