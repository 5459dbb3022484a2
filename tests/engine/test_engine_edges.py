"""Samplers where a path leaps or stands still, and what a solver cannot be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.samplers.multistep import solver
from restorekit.engine.schedules import uniform_times
from restorekit.errors import UsageError


@pytest.mark.parametrize("name", ["vp_cosine", "vp_cosine_offset", "srdiff"])
def test_heun_s_first_step_from_nearly_no_image_is_euler_s(name: str) -> None:
    """σ/α falls there by a factor of a thousand, over which a mean of two slopes means nothing: the
    deviation of what is made of a Gaussian is near its own."""
    path, own = PATHS[name](), 0.5

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        return x * alpha * own**2 / (alpha**2 * own**2 + sigma**2)

    for sampler in ("heun", "ddim"):
        start = torch.full((1, 1, 1, 1), float(path.at(1.0)[2]), dtype=torch.float64)
        y, times = torch.zeros_like(start), uniform_times(10)
        made = sample(SAMPLERS[sampler], estimate, path, y, start, times, lambda _: torch.zeros(()))
        assert float(made) == pytest.approx(own, rel=0.25), sampler


def test_euler_moves_where_the_path_stands_still() -> None:
    """The offset cosine's ᾱ is held at the very end: the step from there is the generic one."""
    path, x = PATHS["vp_cosine_offset"](), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    y = torch.zeros_like(x)

    def estimate(x: Tensor, _: float) -> Tensor:
        return torch.full_like(x, 0.3)

    made = [
        sample(SAMPLERS[name], estimate, path, y, x, [1.0, 0.9], lambda _: y)
        for name in ("euler", "ddim")
    ]
    assert torch.equal(*made)
    assert float((made[0] - x).abs()) > 0.01


def test_a_solver_of_noise_has_no_noise_of_its_own() -> None:
    with pytest.raises(UsageError, match="for the ODE alone"):
        solver(2, of_noise=True, eta=1.0)
