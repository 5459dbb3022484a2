"""What a sampler is given: noise that is new at every draw, a window that is grown for its calls, and
the first call's numbers once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.editing import resampled
from restorekit.engine.loop import Engine, Run, sample
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS, Sampler, State
from restorekit.engine.schedules import repaint_times, uniform_times
from restorekit.errors import UsageError

PATH = PATHS["flow_from_source"]()


def test_every_draw_of_a_step_is_new_and_the_first_is_the_step_s_own() -> None:
    drawn: list[int] = []

    def step(estimate, path, y, state, t, s, noise) -> State:
        noise(), noise()
        if s == 0:
            noise()
        return state

    x = torch.zeros(1)

    def noise(number: int) -> Tensor:
        drawn.append(number)
        return x

    sample(Sampler(State, step), lambda x, _: x, PATH, x, x, uniform_times(3), noise)
    assert drawn == [0, 3, 1, 4, 2, 5, 8]


def engine(numbers: list[float]) -> Engine:
    """One whose denoiser notes the number that it is told."""

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        numbers.append(float(condition.numbers["look"]))
        return condition.source

    return Engine(denoise, lambda: denoise, PATH, 8, 8, 16, torch.device("cpu"))


def restored(run: Run) -> list[float]:
    numbers: list[float] = []
    image = torch.rand(1, 3, 32, 32)
    whole = engine(numbers).restore(
        (32, 32), [run], lambda box: Condition(image[..., *box.slices()])
    )
    assert len(list(whole)) == 1
    return numbers


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_first_call_alone_has_its_numbers(sampler: str) -> None:
    """Where jumps lead back to the first time, too."""
    looks = {"numbers": {"look": 1.0}, "later": {"look": 0.0}}
    for times, way in (
        (uniform_times(4), SAMPLERS[sampler]),
        (repaint_times(uniform_times(6), jump=2, resamples=3), resampled(SAMPLERS[sampler])),
    ):
        numbers = restored(Run(way, times, **looks))
        assert numbers == [1.0, *[0.0] * (len(numbers) - 1)]
        assert len(numbers) >= 4


def test_a_sampler_that_calls_more_than_it_declares_is_refused() -> None:
    heun = SAMPLERS["heun"]._replace(evaluations=1)
    with pytest.raises(UsageError, match="makes 6 calls, and declares 4"):
        restored(Run(heun, uniform_times(4), {"look": 0.0}))
