"""Training state on disk: safetensors, written atomically, so that a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from restorekit.errors import ModelError


def save(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Tensors and a JSON record in one file, in place of an older one only when complete."""
    partial = path.with_name(path.name + ".part")
    host = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    save_file(host, partial, metadata={"record": json.dumps(record)})
    partial.replace(path)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, record) of `save`; ModelError where the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["record"])
            return {key: file.get_tensor(key) for key in file.keys()}, record  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is no training checkpoint: {error}") from error


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """ModelError where a checkpoint's tensors are not those that the block loads them into."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is of another network or recipe: {reason}") from error


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys with "prefix/" before them."""
    return {f"{prefix}/{key}": value for key, value in tensors.items()}


def part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `prefixed`: one part's tensors under their own keys."""
    return {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + "/")}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as flat tensors: "0.exp_avg", …"""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimiser_tensors`.

    Moments are laid out as their parameter is: fused optimisers pair the two by their place in memory.
    """
    record = optimiser.state_dict()
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        like = parameters[int(index)]
        if value.ndim:  # a step's number has none
            if value.shape != like.shape:
                raise ValueError(
                    f"{key} is of {tuple(value.shape)}, its weight {tuple(like.shape)}"
                )
            value = torch.empty_like(like, dtype=value.dtype).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": record["param_groups"]})
