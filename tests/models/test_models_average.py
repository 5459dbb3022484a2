"""The mean of two models: in between, at its ends themselves, and only of two of a kind."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from restorekit.errors import ModelError, UsageError
from restorekit.models import store
from restorekit.models.average import average

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jobs"))

from outer_kit import write_model


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    one, other = (write_model(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1))
    return one, other


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_it_lies_between(pair: tuple[Path, Path], tmp_path: Path, share: float) -> None:
    card = average(*pair, tmp_path / "mean.safetensors", share, "2026-11-29")
    one, other, mean = (store.load(p) for p in (*pair, tmp_path / "mean.safetensors"))
    for name, value in mean.tensors.items():
        expected = (1 - share) * one.tensors[name].float() + share * other.tensors[name].float()
        torch.testing.assert_close(value, expected.half(), rtol=1e-3, atol=1e-6)
    assert card.training["mean"] == {
        "share": share,
        "first": one.card.tensors_sha256,
        "second": other.card.tensors_sha256,
    }
    assert card.scores == {}
    assert card.looks == other.card.looks


def test_a_card_of_before_a_part_of_the_network_was_thought_of_is_no_other_kind(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    model, older = store.load(pair[0]), tmp_path / "older.safetensors"
    network = {key: value for key, value in model.card.network.items() if key != "rank"}
    store.save(older, replace(model.card, network=network), model.tensors)
    average(older, pair[1], tmp_path / "mean.safetensors", 0.5, "2026-11-29")
    assert store.load(tmp_path / "mean.safetensors").config == model.config


def test_models_of_two_kinds_have_no_mean(pair: tuple[Path, Path], tmp_path: Path) -> None:
    strange = write_model(tmp_path / "strange.safetensors", 0, deviation=0.5)
    with pytest.raises(ModelError, match="of different kinds"):
        average(pair[0], strange, tmp_path / "mean.safetensors", 0.5, "")
    assert not (tmp_path / "mean.safetensors").exists()


def test_a_mean_replaces_no_file(pair: tuple[Path, Path]) -> None:
    before = pair[1].read_bytes()
    with pytest.raises(UsageError, match="exists already; give -o the name of a new file"):
        average(*pair, pair[1], 0.5, "")
    assert pair[1].read_bytes() == before


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_share(pair: tuple[Path, Path], tmp_path: Path, share: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        average(*pair, tmp_path / "mean.safetensors", share, "")
