"""What the engine lends to training: the loss, times, averaged weights."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.path import PATHS
from restorekit.training.average import Average
from restorekit.training.loss import batch_loss, draw_times, estimate_loss


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("path", ["flow_from_source", "vp", "i2sb", "resshift"])
def test_an_oracle_s_loss_is_nought_and_a_mute_network_s_is_what_it_skips(
    path: str,
) -> None:
    x0, y, noise = (torch.randn(4, 3, 40, 40, generator=generator(s)) for s in range(3))
    y = x0 - 0.2 * y
    times = torch.tensor([0.1, 0.4, 0.8, 1.0])
    condition = Condition(y)
    made = PATHS[path]()

    def oracle(x: Tensor, concat: Tensor | None, t: Tensor, numbers: Tensor) -> Tensor:
        """F from the definition: what takes c_in r to the clean residual (EDM, eq. 8)."""
        alpha, _, sigma = (c.float().reshape(-1, 1, 1, 1) for c in made.at(t))
        total = (alpha**2 * 0.2**2 + sigma**2).sqrt()
        residual = x0 - y
        skipped = alpha * 0.2**2 / total * x
        return torch.where(total > 0, (residual - skipped) * total / (0.2 * sigma), residual / 0.2)

    def mute(x: Tensor, concat: Tensor | None, t: Tensor, numbers: Tensor) -> Tensor:
        return torch.zeros_like(x)

    losses = estimate_loss(Preconditioned(oracle, made, 0.2), x0, condition, times, noise)
    assert losses.shape == (4,)
    assert float(losses.max()) < 1e-8
    losses = estimate_loss(Preconditioned(mute, made, 0.2), x0, condition, times, noise)
    alpha, _, sigma = made.at(times)
    total = alpha**2 * 0.2**2 + sigma**2
    expected = torch.where(total > 0, sigma**2 / total, 1.0)  # what is left after the skip
    # 4,800 values each: a variance to within four standard errors, √(2/4800).
    ratios = (losses / expected).tolist()
    assert ratios == pytest.approx([1.0] * 4, abs=4 * math.sqrt(2 / 4800))


def test_relative_losses_count_by_their_share() -> None:
    """d log(l + c)/dl · l is 1 far above c, whatever the item's size, a half at c and little below."""
    losses = torch.tensor([300.0, 0.3, 0.01, 1e-5], dtype=torch.float64, requires_grad=True)
    batch_loss(losses, relative_above=0.01).backward()
    assert losses.grad is not None
    shares = (4 * losses.grad * losses).tolist()
    assert shares == pytest.approx([1.0, 30 / 31, 0.5, 1e-3], rel=2e-3)
    assert float(batch_loss(losses.detach())) == pytest.approx(300.31001 / 4)


def test_the_loss_counts_unknown_pixels_alone() -> None:
    """A mute network's, of residuals that are 3 where known and 0.5, 0.25 and 0 elsewhere."""
    mask = torch.ones(3, 1, 8, 8)
    mask[0, :, :2], mask[1, :, :, 5] = 0, 0  # of the third, everything is known
    inside = torch.tensor([0.5, 0.25, 0.0])[:, None, None, None]
    x0 = torch.where(mask > 0.5, 3.0, inside).expand(3, 3, 8, 8)
    condition = Condition(torch.zeros_like(x0), known=(x0, mask))

    def mute(x: Tensor, concat: Tensor | None, t: Tensor, numbers: Tensor) -> Tensor:
        return torch.zeros_like(x0)

    denoiser = Preconditioned(mute, PATHS["flow_from_source"](), 0.5)
    losses = estimate_loss(denoiser, x0, condition, torch.ones(3), torch.zeros_like(x0))
    assert losses.tolist() == pytest.approx([1.0, 0.25, 0.0])
    losses = estimate_loss(denoiser, x0, condition, torch.ones(3), torch.zeros_like(x0), power=1)
    assert losses.tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_times_are_uniform_but_for_the_share_that_starts() -> None:
    times = draw_times(4000, 0.25, generator())
    assert torch.equal(times[:1000], torch.ones(1000))
    assert stats.kstest(times[1000:].numpy(), "uniform").pvalue > 0.001
    assert float(times.min()) > 0
    assert float(times.max()) <= 1


def test_the_average_is_the_weighted_sum_that_its_decays_say() -> None:
    module = nn.Linear(2, 1, bias=False)
    values = [torch.tensor([[float(k), -1.0 + k**2]]) for k in range(60)]
    module.weight.data.copy_(values[0])
    average, expected = Average(module, 0.8), values[0].double()
    for k, value in enumerate(values[1:], start=1):
        module.weight.data.copy_(value)
        average.update(module)
        decay = min(0.8, (1 + k) / (10 + k))
        expected = decay * expected + (1 - decay) * value.double()
    torch.testing.assert_close(average.values["weight"].double(), expected, rtol=1e-5, atol=0)
    assert average.updates == 59
    again = Average(module, 0.8)
    again.load(average.values, 59)
    for one in (average, again):
        module.weight.data.fill_(7.0)
        one.update(module)
    assert torch.equal(again.values["weight"], average.values["weight"])
