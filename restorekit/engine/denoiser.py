"""From a network to a denoiser (x_t, t, condition) → x̂0.

Two adapters: `Preconditioned` around the source for the shipped networks, `Predicting` for networks
that answer with ε, x0, v, the path's velocity or the score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.path import Path, broadcast
from restorekit.errors import UsageError


class Network(Protocol):
    """F(x, concat, t, numbers): see `restorekit.engine.unet.UNet.forward`."""

    def __call__(
        self, x: Tensor | None, concat: Tensor | None, t: Tensor, numbers: Tensor, cell: int = 0
    ) -> Tensor:
        """F's answer, (N, C, H, W)."""
        ...


Denoise = Callable[[Tensor, Tensor, Condition], Tensor]


@dataclass(frozen=True)
class Preconditioned:
    """EDM's preconditioning around the source (Karras 2022, table 1, for the residual x0 − y).

    With m the source (or 0 where `around_source` is false: for networks that know nothing of it),
    r = x_t − γ y − α m = α (x0 − m) + σ ε and s the deviation of x0 − m:
    x̂0 = m + c_skip r + c_out F(c_in r), c_skip = α s²/(α² s² + σ²), c_out = s σ/√(α² s² + σ²),
    c_in = 1/√(α² s² + σ²). F has unit variance at every time, which it sees as t, for c_noise. Where α
    and σ are both 0 (a bridge starts at y itself), r is 0 and c_out is s. UsageError for a path without
    noise, on which c_out is 0 at every other time: x_t and y give x0 away, and F would learn nothing.
    """

    network: Network
    path: Path
    deviation: float
    numbers: Sequence[str] = ()
    around_source: bool = True
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if self.path.at(0.5).sigma == 0:
            raise UsageError(f"path {self.path.name} is without noise: give it some to learn from")

    def __call__(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """x̂0, (N, C, H, W) float32. t: () for the whole batch, or (N,)."""
        if x_t is condition.source and self.around_source and self._is_source(t):
            return self._from_source(t, condition)
        skip, out, scaled = self.scalings(x_t, t, condition)
        return torch.addcmul(skip, self.predict(scaled, t, condition).float(), out)

    def _is_source(self, t: Tensor) -> bool:
        """Whether the path's mean is the source itself."""
        alpha, gamma, _ = self.path.at(t)
        return bool(((alpha == 0) & (gamma == 1)).all())

    def _from_source(self, t: Tensor, condition: Condition) -> Tensor:
        """The same where x_t is the source and α is 0: nothing to skip, and nothing enters but y."""
        source = condition.source
        nothing = None if condition.concat is not None else torch.zeros_like(source)
        return self.predict(nothing, t, condition).float().mul(self.deviation).add_(source)

    def predict(self, scaled: Tensor | None, t: Tensor, condition: Condition) -> Tensor:
        """F's output for its scaled input c_in r; None stands for zeros."""
        source = condition.source
        given = None if scaled is None else scaled.to(self.dtype)
        concat = None if condition.concat is None else condition.concat.to(self.dtype)
        rows = number_rows(condition, self.numbers, source)
        return self.network(given, concat, _times(t, source), rows, **cells(condition))

    def scalings(
        self, x_t: Tensor, t: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(m + c_skip r, c_out, c_in r): what is added to, multiplies, and enters the network."""
        alpha, gamma, sigma = self.path.at(t)
        total = (alpha**2 * self.deviation**2 + sigma**2).sqrt()
        nowhere = total == 0
        total = torch.where(nowhere, 1.0, total)
        c_skip = alpha * self.deviation**2 / total**2
        c_out = torch.where(nowhere, self.deviation, self.deviation * sigma / total)
        known = alpha + gamma if self.around_source else gamma
        residual = x_t - broadcast(known, x_t) * condition.source
        skip = broadcast(c_skip, x_t) * residual
        if self.around_source:
            skip = condition.source + skip
        return skip, broadcast(c_out, x_t), broadcast(1 / total, x_t) * residual


def number_rows(condition: Condition, names: Sequence[str], like: Tensor) -> Tensor:
    """The condition's numbers as rows (1 or N, len(names)) in float32; UsageError for a missing one."""
    missing = sorted(set(names) - set(condition.numbers))
    if missing:
        raise UsageError(f"the condition lacks the number {missing[0]!r}, which the network takes")
    columns = [
        torch.as_tensor(condition.numbers[name], dtype=torch.float32, device=like.device).reshape(
            -1
        )
        for name in names
    ]
    if not columns:
        return torch.zeros(1, 0, device=like.device)
    return torch.stack(torch.broadcast_tensors(*columns), 1)


def cells(condition: Condition) -> dict[str, int]:
    """What a network is told of its cells: nothing where nothing is asked, since most know one kind."""
    return {"cell": condition.cell} if condition.cell else {}


def _times(t: Tensor, like: Tensor) -> Tensor:
    return t.to(device=like.device, dtype=torch.float32).reshape(-1)


@dataclass(frozen=True)
class Predicting:
    """A denoiser from a network that predicts one of `PREDICTIONS` on a path.

    The network sees x_t itself, and u_t = x_t − γ_t y turns its answer into x̂0.
    """

    network: Network
    path: Path
    prediction: str
    numbers: Sequence[str] = ()

    def __call__(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """x̂0, (N, C, H, W) float32. t: () for the whole batch, or (N,)."""
        rows = number_rows(condition, self.numbers, x_t)
        answer = self.network(
            x_t, condition.concat, _times(t, x_t), rows, **cells(condition)
        ).float()
        _, gamma, _ = self.path.at(t)
        u_t = x_t - broadcast(gamma, x_t) * condition.source
        return x0_from(self.prediction, answer, u_t, self.path, t)


PREDICTIONS = ("epsilon", "x0", "v", "flow", "score")


def x0_from(prediction: str, answer: Tensor, u_t: Tensor, path: Path, t: Tensor) -> Tensor:
    """x̂0 from a prediction about u_t = α x0 + σ ε.

    epsilon: ε (Ho 2020). x0. v: α ε − σ x0 (Salimans 2022). flow: the velocity du/dt = α' x0 + σ' ε
    (Lipman 2022). score: −ε/σ (Song 2021). UsageError for another word.
    """
    alpha, _, sigma = (broadcast(c, u_t) for c in path.at(t))
    if prediction == "x0":
        return answer
    if prediction == "epsilon":
        return (u_t - sigma * answer) / alpha
    if prediction == "score":
        return (u_t + sigma**2 * answer) / alpha
    if prediction == "v":
        return (alpha * u_t - sigma * answer) / (alpha**2 + sigma**2)
    if prediction == "flow":
        slope_alpha, _, slope_sigma = (broadcast(c, u_t) for c in path.slopes(t))
        return (slope_sigma * u_t - sigma * answer) / (slope_sigma * alpha - sigma * slope_alpha)
    raise UsageError(f"prediction {prediction!r} is none of {', '.join(PREDICTIONS)}")
