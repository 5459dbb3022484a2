"""Whatever the schedule, prediction and sampler: one truth, one x̂0; and known pixels are exact."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from engine_oracles import few, images, noisy_paths
from engine_rig import Rig
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import PREDICTIONS, Predicting
from restorekit.engine.loop import Run, sample
from restorekit.engine.path import PATHS, Path
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import repeated, uniform_times
from restorekit.training.prediction_loss import target_of

Y, START, *DRAWS = images(12, 1, 2, 3, 4, seed=5, dtype=torch.float32)


def truth(x: Tensor, t: float) -> Tensor:
    """The x̂0 that every network means."""
    return torch.tanh(0.7 * x + 0.3 * t)


class Saying:
    """A network that knows the truth and says it as a prediction, in float32."""

    def __init__(self, prediction: str, path: Path) -> None:
        self.prediction, self.path = prediction, path

    def __call__(self, x: Tensor | None, *given: Tensor | None) -> Tensor:
        t = given[1]
        assert x is not None
        assert t is not None
        time = t.double()
        alpha, gamma, sigma = (float(c) for c in self.path.at(time))
        x0 = truth(x, float(time)).double()
        noise = (x.double() - gamma * Y.double() - alpha * x0) / sigma
        return target_of(self.prediction, x0, noise, self.path, time)


@few
@given(
    st.sampled_from(sorted(set(PATHS) - {"i2sb"})),
    st.sampled_from(PREDICTIONS),
    st.sampled_from(sorted(SAMPLERS)),
    st.integers(2, 6),
)
def test_every_prediction_samples_the_same(
    name: str, prediction: str, sampler: str, steps: int
) -> None:
    path = noisy_paths()[name]
    denoise = Predicting(Saying(prediction, path), path, prediction)
    known, times = Condition(Y), [0.9 * t for t in uniform_times(steps)]
    x = path.marginal(START, Y, times[0], START.flip(-1))

    def said(x: Tensor, t: float) -> Tensor:
        return denoise(x, torch.tensor([t], dtype=torch.float64), known)

    found, expected = (
        sample(SAMPLERS[sampler], e, path, Y, x, times, DRAWS.__getitem__) for e in (said, truth)
    )
    alpha, _, sigma = (float(c) for c in path.at(times[0]))
    # x̂0 from an answer in float32 at a start of little signal: ε loses σ/α, the score σ²/α.
    tolerance = 1e-4 + 2e-6 * (sigma + sigma**2) / alpha
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_pixels_are_exact_with_every_sampler(sampler: str) -> None:
    """Through the engine, cut into tiles, bit for bit; the others are the sampler's own."""
    rig = Rig(70, 50, with_known=True)
    run = Run(SAMPLERS[sampler], uniform_times(4))
    made = rig.restore(rig.engine(1), [run])
    known = (rig.mask > 0.5).expand_as(made)
    assert torch.equal(made[known].view(torch.int32), rig.values[known].view(torch.int32))
    assert not torch.isclose(made[~known], rig.values[~known]).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_tiles_do_not_show_with_any_sampler(sampler: str) -> None:
    rig = Rig(140, 200)
    runs = [Run(SAMPLERS[sampler], uniform_times(3))]
    whole = rig.restore(rig.engine(), runs)
    assert torch.equal(rig.restore(rig.engine(1, 2), runs), whole)


@pytest.mark.parametrize("sampler", ["predictor_corrector", "annealed_langevin"])
def test_correctors_run_in_the_engine(sampler: str) -> None:
    """Their grids repeat times, and each step has noise of its own."""
    rig = Rig(70, 50)
    times = repeated(uniform_times(3), 2)
    assert any(t == s for t, s in pairwise(times))
    made = [
        rig.restore(rig.engine(budget), [Run(SAMPLERS[sampler], times)]) for budget in (1 << 40, 1)
    ]
    assert torch.equal(*made)
