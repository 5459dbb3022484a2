"""Which optimiser moves which weight, and how far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn

from restorekit.engine.unet import UNet
from restorekit.training.muon import Muon
from restorekit.training.recipe import Recipe


def optimisers(network: UNet, recipe: Recipe) -> dict[str, torch.optim.Optimizer]:
    """By name: "adam" of what is no matrix and of the first and last layers, "muon" of the rest.

    Where nothing is left for Muon, there is none. Weights without a gradient are neither's.
    """
    inner: list[nn.Parameter] = []
    others: dict[float, list[nn.Parameter]] = defaultdict(list)
    shares = _shares(network)
    for name, value in network.named_parameters():
        if not value.requires_grad:
            continue
        if value.ndim == 4 and name.endswith("weight") and not name.startswith(("head", "tail")):
            inner.append(value)
        else:
            others[shares.get(name, 1.0)].append(value)
    groups = [{"params": values, "share": share} for share, values in others.items()]
    adam = torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=0.0, fused=True)
    if not inner:
        return {"adam": adam}
    muon = Muon(inner, recipe.matrix_learning_rate, decay=recipe.matrix_decay)
    return {"adam": adam, "muon": muon}


def _shares(network: UNet) -> dict[str, float]:
    """The shares of Adam's rate that the first layers of a network of several cells have.

    They add up the pixels of a cell, which are nearly equal: were each of their weights moved as far
    as another layer's, their sum would leap, away from what the other cells' layers tell the blocks.
    """
    config = network.config
    if not config.further:
        return {}
    names = {f"heads.{side}.weight": side for side in config.further}
    sides = {"head.weight": config.factor, **names}
    return {name: min(1.0, 4 / side**2) for name, side in sides.items()}


def set_rates(given: Iterable[torch.optim.Optimizer], pace: float) -> None:
    """Bring every learning rate to its share of the recipe's, times the pace of the moment."""
    for optimiser in given:
        for group in optimiser.param_groups:
            group["lr"] = optimiser.defaults["lr"] * group.get("share", 1.0) * pace
