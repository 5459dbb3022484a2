"""Means of two models' weights: what one phase of training gave up for another can be had back in part.

A phase that starts from a model stays where the loss bends little between them, so that a weighted mean
is a model too, often a better compromise than either (Wortsman 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from restorekit.engine.unet import UNetConfig
from restorekit.errors import ModelError, UsageError
from restorekit.models import store
from restorekit.models.card import Card


def average(first: Path, second: Path, target: Path, share: float, date: str) -> Card:
    """Write (1 − share) · first + share · second, in half precision; its card, which is the second's.

    UsageError for a share outside [0, 1] or a target that is there already, ModelError for models that
    are not of one network, path and task.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"--share {share:g} is out of range; give a number from 0 to 1")
    if target.exists():
        raise UsageError(f"{target} exists already; give -o the name of a new file")
    one, other = store.load(first), store.load(second)
    if _kind(one) != _kind(other):
        raise ModelError(f"{first} and {second} are models of different kinds; they have no mean")
    tensors = {
        name: one.tensors[name].float().lerp(value.float(), share).half()
        for name, value in other.tensors.items()
    }
    mean = {
        "share": share,
        "first": one.card.tensors_sha256,
        "second": other.card.tensors_sha256,
    }
    training = {**other.card.training, "mean": mean}
    store.save(target, replace(other.card, training=training, scores={}, date=date), tensors)
    return store.read_card(target)


def _kind(model: store.Model) -> tuple[str, UNetConfig, str, Mapping, float]:
    card = model.card
    return card.task, model.config, card.path, card.path_parameters, card.deviation
