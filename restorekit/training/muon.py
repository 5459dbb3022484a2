"""Muon: momentum whose directions all weigh the same (Jordan 2024, kellerjordan.github.io/posts/muon).

torch's own takes matrices only; here a convolution's weight is the matrix (out, in · kernel), and
matrices of one shape are worked on together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from restorekit import device as devices

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic; chosen by Jordan for the steepest rise at nought, not for convergence to 1."""


class Muon(torch.optim.Optimizer):
    """Steps along Nesterov's momentum made orthogonal, of length lr · √max(1, out/in).

    decay: of the weights, by lr · decay a step, decoupled as AdamW's (Loshchilov 2019). Every step is
    of full length in directions of noise too, which without it add up until blocks explode.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[(len(parameter), parameter[0].numel())].append(parameter)
            for (rows, columns), parameters in alike.items():
                directions = torch.stack(
                    [self._direction(p, group["momentum"]) for p in parameters]
                )
                rate = group["lr"] * math.sqrt(max(1.0, rows / columns))
                for parameter, step in zip(parameters, orthogonal(directions), strict=True):
                    parameter.mul_(1 - group["lr"] * group["decay"])
                    parameter.sub_(step.view(parameter.shape), alpha=rate)

    def _direction(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov's momentum as a matrix."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None  # the caller chose those that have one
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum).reshape(len(parameter), -1)


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """(N, rows, columns) to matrices with the same singular vectors and singular values of about 1.

    Newton and Schulz' iteration with a quintic, in bfloat16 where the device multiplies it natively.
    A zero matrix stays zero.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).to(devices.precision(matrices.device))
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)
