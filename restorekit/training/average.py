"""Averaged weights, which restore better than a run's last ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a module's floating-point tensors, with a warm-up.

    At update k the decay is min(decay, (1 + k)/(10 + k)).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values = {k: v.detach().clone().float() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the module's weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        current = module.state_dict()
        torch._foreach_lerp_(  # type: ignore[attr-defined]
            list(self.values.values()), [current[k].float() for k in self.values], 1 - decay
        )

    def load(self, values: Mapping[str, Tensor], updates: int) -> None:
        """Go on from a checkpoint."""
        self.updates = updates
        for key, value in values.items():
            self.values[key].copy_(value)
