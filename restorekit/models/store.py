"""Reading, writing and checking weights files. Only safetensors, decided by content; never pickles."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.path import PATHS
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.errors import ModelError
from restorekit.models.card import Card


@dataclass(frozen=True)
class Model:
    """A card and its tensors (float16 or float32, on the CPU)."""

    card: Card
    tensors: Mapping[str, Tensor]

    @cached_property
    def config(self) -> UNetConfig:
        """The network's shape."""
        return UNetConfig.from_dict(dict(self.card.network))

    def denoiser(self, device: torch.device, dtype: torch.dtype) -> Preconditioned:
        """The model ready for a device; ModelError where tensors and card disagree."""
        try:
            with torch.random.fork_rng(devices=[]):  # first weights are drawn, only to be replaced
                network = UNet(self.config)
            network.load_state_dict({k: v.float() for k, v in self.tensors.items()})
        except (RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"model {self.card.name}: weights do not fit the card: {reason}"
            ) from error
        network = network.requires_grad_(False).eval()
        network = network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        path = PATHS[self.card.path](**self.card.path_parameters)
        return Preconditioned(
            network,
            path,
            self.card.deviation,
            self.config.numbers,
            around_source=self.config.concat > 0,
            dtype=dtype,
        )


def read_card(path: Path) -> Card:
    """The card alone, without the tensors; ModelError as for `load`."""
    with _open(path) as file:
        text = (file.metadata() or {}).get("card")
    if text is None:
        raise ModelError(
            f"{path} has no card: it is not a model of restorekit, and weights of other programs "
            "cannot be used"
        )
    return Card.from_json(text, str(path))


def load(path: Path) -> Model:
    """A model from a file; ModelError, one sentence, for a missing, damaged or foreign one."""
    card = read_card(path)
    with _open(path) as file:
        try:
            model = Model(card, {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} is damaged: {error}") from error
    if tensors_sha256(model.tensors) != card.tensors_sha256:
        raise ModelError(f"{path} is damaged: its tensors do not match the hash in its card")
    _check(model, path)
    return model


def _check(model: Model, path: Path) -> None:
    """Refuse a card of which no denoiser can be built, before any picture is begun."""
    card = model.card
    try:
        radius = model.config.radius
        PATHS[card.path](**card.path_parameters)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: its card says what this restorekit has not: {error}") from error
    if not card.looks:  # their samplers are looked up when they run, since add-ons bring some
        raise ModelError(f"{path}: its card names no look")
    if not math.isfinite(radius):
        raise ModelError(
            f"{path}: its network looks at the whole picture at once (attention or GroupNorm), so "
            "it cannot restore pictures tile by tile"
        )


def save(path: Path, card: Card, tensors: Mapping[str, Tensor]) -> None:
    """Write a model file, whole or not at all; the card's hash is filled in."""
    host = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    card = replace(card, tensors_sha256=tensors_sha256(host))
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(host, part, metadata={"card": card.to_json()})
        part.chmod(0o644)  # safetensors makes files that nobody else can read
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} was not written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes, by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _open(path: Path):
    if not path.exists():
        raise ModelError(
            f"there is no model file {path}; `restorekit models list` names the models"
        )
    try:
        path.open("rb").close()  # safetensors would call a file that may not be read missing
    except OSError as error:
        raise ModelError(f"model file {path} cannot be read: {error.strerror}") from error
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is no whole safetensors file ({error}); restorekit loads no other kind of "
            "weights: get the file again, or name another"
        ) from error
