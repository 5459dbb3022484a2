"""A training run's averaged weights as a model file with its card."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from restorekit.engine.unet import UNetConfig
from restorekit.errors import ModelError
from restorekit.models import store
from restorekit.models.card import Card, Look
from restorekit.training import checkpoint
from restorekit.training.photographs import find

LOOKS: Mapping[str, Look] = {
    "faithful": Look(numbers={"look": 0.0}, start_noise=0.0),
    "sharp": Look(numbers={"look": 1.0}, start_noise=1.0),
}


def export(source: Path, target: Path, *, name: str, licence: str, date: str) -> Card:
    """Write a checkpoint's averaged weights, in half precision, as a model file; its card.

    The sharp look is one of its looks where the run trained it, or began with weights that had what it
    adds (`rank`). Raises ModelError for a damaged checkpoint.
    """
    tensors, record = checkpoint.load(source)
    recipe = record["recipe"]
    average = checkpoint.part("average", tensors)
    if not average:
        raise ModelError(f"{source} holds no averaged weights")
    phase = recipe["perceptual"] or {}
    adds = any(bool(value.any()) for key, value in average.items() if key.endswith(".widen"))
    looks = LOOKS if phase or adds else {"faithful": LOOKS["faithful"]}
    kept = phase.get("kept", 1.0)  # older checkpoints do not say
    average |= {key: kept * value for key, value in average.items() if key.endswith(".widen")}
    card = Card(
        name=name,
        task=recipe["task"],
        licence=licence,
        network=UNetConfig.from_dict(recipe["network"]).to_dict(),
        path=recipe["path"],
        path_parameters=recipe["path_parameters"],
        deviation=recipe["deviation"],
        looks=looks,
        training={"phases": record.get("phases", [])},
        data=tuple(record.get("data", ())),
        date=date,
    )
    store.save(target, card, {key: value.to(torch.float16) for key, value in average.items()})
    return store.read_card(target)


def annotate(path: Path, scores: Mapping[str, Any]) -> Card:
    """Write scores into a model file's card; the tensors stay as they are."""
    model = store.load(path)
    card = dataclasses.replace(model.card, scores=scores)
    store.save(path, card, model.tensors)
    return store.read_card(path)


def describe(
    folders: Sequence[Path], before: Sequence[Mapping[str, Any]] = ()
) -> list[Mapping[str, Any]]:
    """One record for each folder: pictures, and by an index.csv beside or in it, sources and licences;
    after those of the weights that a run began with.

    The index has columns file, source_repository and licence.
    """
    return [*before, *(d for d in map(_describe, folders) if d not in before)]


def _describe(folder: Path) -> dict[str, Any]:
    names = {path.name for path in find([folder])}
    record: dict[str, Any] = {"name": folder.name, "pictures": len(names)}
    for index in (folder / "index.csv", folder.parent / "index.csv"):
        if index.exists():
            with index.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if row.get("file") in names]
            if not rows or not all({"licence", "source_repository"} <= row.keys() for row in rows):
                continue  # another kind of index
            record["licences"] = dict(Counter(row["licence"] for row in rows).most_common())
            sources = Counter(row["source_repository"] for row in rows)
            record["sources"] = dict(sources.most_common())
            break
    return record
