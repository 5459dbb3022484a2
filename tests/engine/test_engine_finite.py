"""What is not finite is computed again or told of; SiLU is one function of its input everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from engine_rig import Rig, run, threads
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.errors import DeviceError

Answer = Callable[[Tensor, Tensor, Condition], Tensor]
FAITHFUL = run(start_noise=0.0)


@pytest.mark.user("G3")
def test_a_result_that_is_not_finite_is_computed_again_in_full_precision() -> None:
    rig = Rig(100, 400, radius=47)
    precise_calls: list[int] = []

    def overflowing(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        answer = condition.source * 0.5
        marked = condition.source == rig.source[0, 0, 50, 350]
        return torch.where(marked.any(), answer / 0, answer)

    def quarter(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        return condition.source * 0.25

    def precise() -> Answer:
        precise_calls.append(1)
        return quarter

    engine = rig.engine(1, denoise=overflowing, precise=precise)
    made = rig.restore(engine, [FAITHFUL])
    assert precise_calls
    assert torch.equal(made[..., :128], rig.source[..., :128] * 0.5)
    assert torch.equal(made[..., 330:370], rig.source[..., 330:370] * 0.25)
    assert made.isfinite().all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_result_that_stays_so_is_an_error_with_a_remedy(bad: float) -> None:
    rig = Rig(80, 80)

    def broken(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        answer = condition.source.clone()
        answer[..., 70, 70] = bad
        return answer

    engine = rig.engine(denoise=broken, precise=lambda: broken)
    with pytest.raises(DeviceError, match="models verify"):
        rig.restore(engine, [FAITHFUL])


def test_opposite_infinities_are_not_taken_for_finite() -> None:
    rig = Rig(64, 64)

    def broken(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        answer = condition.source.clone()
        answer[..., 0, 0], answer[..., 1, 1] = math.inf, -math.inf
        return answer

    with pytest.raises(DeviceError):
        rig.restore(rig.engine(denoise=broken, precise=lambda: broken), [FAITHFUL])


def test_bfloat16_s_silu_is_one_function_of_its_input() -> None:
    """All 65,536, in a vector's body and alone, as the last of a share are: float32 alone differs."""
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.bfloat16)
    together = F.silu(every)
    apart = torch.cat([F.silu(piece) for piece in every.split(1)])
    same = together.view(torch.int16) == apart.view(torch.int16)
    assert bool((same | (together.isnan() & apart.isnan())).all())


def test_float32_s_silu_does_not_depend_on_place() -> None:
    from restorekit.engine.unet import _silu_

    values = torch.randn(40_007, generator=torch.Generator().manual_seed(1)) * 4
    together = _silu_(values.clone())
    for count in (1, 3, 5):
        with threads(count):
            for start in (0, 1, 17, 20_000):
                assert torch.equal(_silu_(values[start:].clone()), together[start:])
