"""What every step is made of: weighted sums, with as few passes over memory as can be."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from engine_oracles import images
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS, count_evaluations, frame, transfer
from restorekit.engine.samplers.frame import combined, moved, noise_in, transfer_noise

X, Y, X0, OTHER, Z = images(5, 2, 3, 5, 7)
EXACT = {"rtol": 0, "atol": 1e-12}
F = frame(PATHS["flow_from_source"](), 0.8, 0.3)
# Passes over memory that a call of the denoiser costs, on a path whose source does not cancel.
PASSES = {
    **dict.fromkeys(("ddim", "euler", "dpm++2s"), 3),
    **dict.fromkeys(("ancestral", "euler_maruyama", "predictor_corrector", "annealed_langevin"), 4),
    **dict.fromkeys(("heun", "dpm++2m"), 4),
    **dict.fromkeys(("heun_churn", "dpm++3m", "adams3", "dpm++2m_sde"), 5),
    **dict.fromkeys(("deis", "pndm"), 9),
    **dict.fromkeys(("unipc", "plms"), 10),
}


def test_a_weighted_sum() -> None:
    found = combined([(0.3, X), (-2.0, Y), (0.0, X0), (1.0, OTHER)])
    torch.testing.assert_close(found, 0.3 * X - 2 * Y + OTHER, **EXACT)
    kept = X.clone()
    combined([(1.0, X), (1.0, Y)])
    assert torch.equal(X, kept)
    assert combined([(0.0, Y), (1.0, X)]) is X


def test_what_has_no_weight_does_not_count_even_where_it_is_not_a_number() -> None:
    assert torch.equal(combined([(2.0, X), (1e-17, torch.full_like(X, math.nan))]), 2 * X)


def test_moving_is_a_sum_of_u_the_images_and_noise() -> None:
    u_t = X - F.shift_t * Y
    expected = 0.4 * u_t + 0.5 * X0 + 0.2 * OTHER + F.shift_s * Y + 0.1 * Z
    made = moved(F, X, Y, 0.4, [(0.5, X0), (0.2, OTHER)], 0.1, lambda: Z)
    torch.testing.assert_close(made, expected, **EXACT)


def test_a_transfer_of_a_sum_is_the_transfer_of_its_value() -> None:
    made = transfer(F, X, Y, [(0.7, X0), (0.3, OTHER)])
    torch.testing.assert_close(made, transfer(F, X, Y, 0.7 * X0 + 0.3 * OTHER), **EXACT)


def test_a_transfer_of_noises() -> None:
    """u_s = α_s (u_t − σ_t ε)/α_t + σ_s ε, ε = −½ of x0's own and 1½ of another."""
    own = (X - F.shift_t * Y - F.alpha_t * X0) / F.level_t
    residual, level, shift = noise_in(F, X, X0)
    torch.testing.assert_close((residual - shift * Y) / level, own, **EXACT)
    mean = -0.5 * own + 1.5 * OTHER
    image = (X - F.shift_t * Y - F.level_t * mean) / F.alpha_t
    expected = F.alpha_s * image + F.level_s * mean + F.shift_s * Y
    noises = [(-0.5, noise_in(F, X, X0)), (1.5, (0.7 * OTHER + 0.2 * Y, 0.7, 0.2))]
    torch.testing.assert_close(transfer_noise(F, X, Y, X0, noises), expected, **EXACT)


@pytest.mark.parametrize("t", [1.0, 0.9999])
def test_a_transfer_of_x0_s_own_noise_keeps_its_digits_where_alpha_is_small(t: float) -> None:
    """Through x0 = (u − σ ε)/α it would lose four of them at the end of the cosine path."""
    f = frame(PATHS["vp_cosine"](), t, 0.5)
    x, y, x0 = (v.float() for v in (X, Y, X0))
    made = transfer_noise(f, x, y, x0, [(1.0, noise_in(f, x, x0))])
    exact = transfer(f, X, Y, X0)
    torch.testing.assert_close(made.double(), exact, rtol=0, atol=1e-6)


class Passes(TorchDispatchMode):
    """Counts operations whose result is as large as an image; views are none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        large = isinstance(result, Tensor) and result.numel() >= X.numel()
        self.count += large and not func.is_view
        return result


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_arithmetic_of_a_step_is_few_passes_over_memory(sampler: str) -> None:
    path, times = PATHS["ir_sde"](), [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05]
    calls = count_evaluations(SAMPLERS[sampler], path, times)
    with Passes() as passes:
        sample(SAMPLERS[sampler], lambda *_: X0, path, Y, X, times, lambda _: Z)
    assert passes.count <= PASSES[sampler] * calls, passes.count / calls
