"""The adapters from networks to denoisers: EDM's equations, unit variance, exact inversions."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from engine_oracles import images, noisy_paths
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import PREDICTIONS, Preconditioned, Predicting, number_rows, x0_from
from restorekit.engine.path import PATHS, Path
from restorekit.errors import UsageError

SPREAD = 0.12
TIMES = (0.05, 0.3, 0.7, 1.0)


class Recorder:
    """A network that keeps what it was given and answers as told."""

    def __init__(self, answer: Tensor | float = 0.0) -> None:
        self.answer = answer
        self.calls: list[tuple[Tensor, Tensor | None, Tensor, Tensor]] = []

    def __call__(
        self, x: Tensor | None, concat: Tensor | None, t: Tensor, numbers: Tensor
    ) -> Tensor:
        if x is None:  # zeros, by UNet.forward
            assert concat is not None
            x = torch.zeros_like(concat)
        self.calls.append((x, concat, t, numbers))
        return (torch.zeros_like(x) + self.answer).to(x.dtype)


def time(t: float) -> Tensor:
    return torch.tensor(t, dtype=torch.float64)


def scalings(path: Path, t: float) -> tuple[float, float, float]:
    """(c_skip, c_out, c_in) by design.md, section 4, in plain floats."""
    alpha, _, sigma = (float(c) for c in path.at(t))
    total = alpha**2 * SPREAD**2 + sigma**2
    return alpha * SPREAD**2 / total, SPREAD * sigma / math.sqrt(total), 1 / math.sqrt(total)


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("name", PATHS)
def test_the_denoiser_is_the_design_s_formula(name: str, t: float) -> None:
    path = noisy_paths()[name]
    x_t, y, answer = images(3, 2, 3, 4, 5)
    if float(path.at(t).sigma) == 0:
        pytest.skip("a bridge's start has its own test")
    network = Recorder(answer)
    made = Preconditioned(network, path, SPREAD, dtype=torch.float64)(x_t, time(t), Condition(y))
    alpha, gamma, _ = (float(c) for c in path.at(t))
    c_skip, c_out, c_in = scalings(path, t)
    residual = x_t - (alpha + gamma) * y
    torch.testing.assert_close(network.calls[0][0], c_in * residual, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        made, y + c_skip * residual + c_out * answer.float(), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("t", TIMES)
def test_without_a_source_it_is_edm_s_table_1(t: float) -> None:
    """Karras 2022, table 1, last column, with σ_data = SPREAD."""
    x_t, y, answer = images(3, 2, 3, 4, 5)
    sigma = 80 * t
    root = math.sqrt(sigma**2 + SPREAD**2)
    network = Recorder(answer)
    denoiser = Preconditioned(
        network, PATHS["edm"](), SPREAD, around_source=False, dtype=torch.float64
    )
    made = denoiser(x_t, time(t), Condition(y))
    expected = SPREAD**2 / root**2 * x_t + sigma * SPREAD / root * answer
    torch.testing.assert_close(network.calls[0][0], x_t / root, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("around_source", [True, False])
@pytest.mark.parametrize("name", ["vp", "flow_from_source", "resshift", "i2sb", "indi", "edm"])
def test_f_has_unit_variance_in_and_out_and_nothing_left_to_skip(
    name: str, around_source: bool
) -> None:
    """For x0 − m of deviation s: Var(c_in r) = Var(target) = 1, and the two are uncorrelated.

    Zero correlation is what makes c_skip the one that keeps c_out smallest (Karras 2022, B.6).
    """
    path = noisy_paths()[name]
    deviation = 0.12 if around_source else 0.5
    y, spread, noise = images(3, 1, 1, 400, 500, seed=5)
    x0 = deviation * spread + (y if around_source else 0)
    denoiser = Preconditioned(Recorder(), path, deviation, around_source=around_source)
    for t in (0.05, 0.4, 0.95):
        x_t = path.marginal(x0, y, t, noise)
        skip, out, entering = denoiser.scalings(x_t, time(t), Condition(y))
        target = (x0 - skip) / out
        # 200,000 draws: a variance is known to √(2/n) = .3 %, a correlation to .22 %.
        assert float(target.var()) == pytest.approx(1, abs=0.013)
        assert float(entering.var()) == pytest.approx(1, abs=0.013)
        assert float((target * entering).mean()) == pytest.approx(0, abs=0.01)


def test_the_source_s_own_shortcut_is_the_general_call() -> None:
    y, answer = images(2, 1, 3, 8, 8, dtype=torch.float32)
    path = PATHS["flow_from_source"]()
    for dtype, concat in itertools.product((torch.float32, torch.bfloat16), (None, y)):
        short, general = (Preconditioned(Recorder(answer), path, SPREAD, dtype=dtype) for _ in "ab")
        a = short(y, time(1.0), Condition(y, concat))
        b = general(y.clone(), time(1.0), Condition(y, concat))
        torch.testing.assert_close(a, b, rtol=0, atol=2**-22)  # rounded twice, and once
        torch.testing.assert_close(a, y + SPREAD * answer.to(dtype).float(), rtol=0, atol=1e-6)
        assert not short.network.calls[0][0].any()  # nothing of x_t enters the network
        assert not general.network.calls[0][0].any()


def test_the_shortcut_is_not_taken_where_the_mean_is_not_the_source() -> None:
    """On rectified flow x_1 = ε: the source itself as x_1 is a residual like any other."""
    (y,) = images(1, 1, 3, 4, 4, dtype=torch.float32)
    network = Recorder()
    Preconditioned(network, PATHS["rectified_flow"](), SPREAD)(y, time(1.0), Condition(y))
    torch.testing.assert_close(network.calls[0][0], y)


def test_a_bridge_starts_with_the_whole_residual() -> None:
    """I2SB at t = 1: α = σ = 0 and x_1 = y, so x̂0 = y + s F(0), with the shortcut and without."""
    y, answer = images(2, 1, 3, 4, 4, dtype=torch.float32)
    denoiser = Preconditioned(Recorder(answer), PATHS["i2sb"](), SPREAD)
    expected = y + SPREAD * answer
    for x_t in (y, y.clone()):
        torch.testing.assert_close(denoiser(x_t, time(1.0), Condition(y)), expected)


def test_a_path_without_noise_is_refused() -> None:
    """Its c_out would be 0 at every t in (0, 1): the loss is 0 whatever the network says."""
    with pytest.raises(UsageError, match="indi is without noise"):
        Preconditioned(Recorder(), PATHS["indi"](), SPREAD)
    for path in noisy_paths().values():
        Preconditioned(Recorder(), path, SPREAD)


def test_times_of_a_batch_are_each_item_s_own() -> None:
    x_t, y, answer = images(3, 3, 2, 4, 4)
    times = torch.tensor([0.2, 0.6, 1.0], dtype=torch.float64)
    path = PATHS["flow_from_source"]()
    batch = Preconditioned(Recorder(answer), path, SPREAD)(x_t, times, Condition(y))
    for item, t in enumerate(times):
        one = slice(item, item + 1)
        single = Preconditioned(Recorder(answer[one]), path, SPREAD)
        alone = single(x_t[one], t, Condition(y[one]))
        torch.testing.assert_close(batch[one], alone, rtol=0, atol=1e-12)


def test_a_batch_whose_x_t_is_its_source() -> None:
    (y,) = images(1, 3, 2, 4, 4, dtype=torch.float32)
    denoiser = Preconditioned(Recorder(1.0), PATHS["flow_from_source"](), SPREAD)
    torch.testing.assert_close(denoiser(y, torch.ones(3), Condition(y)), y + SPREAD)


def test_the_network_gets_everything_on_its_own_device() -> None:
    """The loop makes times on the processor; a network elsewhere must find them beside its images."""
    network = Recorder()
    y = torch.zeros(1, 3, 4, 4, device="meta")
    condition = Condition(y, concat=y, numbers={"scale": 2.0, "noise": torch.zeros(1)})
    denoiser = Preconditioned(network, PATHS["flow_from_source"](), SPREAD, ("scale", "noise"))
    denoiser(torch.zeros_like(y), time(0.5), condition)
    denoiser(y, time(1.0), condition)
    Predicting(network, PATHS["vp"](), "epsilon", ("noise",))(y, time(0.5), condition)
    for call in network.calls:
        assert [part.device.type for part in call if part is not None] == ["meta"] * 4


def test_numbers_keep_the_order_of_their_names() -> None:
    (y,) = images(1, 2, 3, 4, 4)
    condition = Condition(y, numbers={"b": torch.tensor([3.0, 4.0]), "a": 1.5, "unused": 9.0})
    rows = number_rows(condition, ("a", "b"), y)
    assert rows.tolist() == [[1.5, 3.0], [1.5, 4.0]]
    assert number_rows(condition, ("a",), y).tolist() == [[1.5]]
    with pytest.raises(UsageError, match="look"):
        number_rows(condition, ("look",), y)


def derivative(path: Path, t: float, index: int) -> float:
    """A central difference, good to about 1e-9."""
    step = 1e-5
    return float(path.at(t + step)[index] - path.at(t - step)[index]) / (2 * step)


def predicted(kind: str, path: Path, t: float, x0: Tensor, noise: Tensor) -> Tensor:
    """What a perfect network would say, from the definitions of the papers."""
    alpha, _, sigma = (float(c) for c in path.at(t))
    slope = derivative(path, t, 0) * x0 + derivative(path, t, 2) * noise
    table = {
        "epsilon": noise,
        "x0": x0,
        "v": alpha * noise - sigma * x0,
        "flow": slope,
        "score": -noise / sigma,
    }
    return table[kind]


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", PATHS)
def test_every_prediction_gives_x0_back(name: str, prediction: str) -> None:
    path = noisy_paths()[name]
    x0, y, noise = images(3, 2, 3, 4, 5)
    for t in (0.0705, 0.4005, 0.9005):  # between the steps of a discrete chain
        answer = predicted(prediction, path, t, x0, noise)
        x_t = path.marginal(x0, y, t, noise)
        u_t = x_t - float(path.at(t).gamma) * y
        found = x0_from(prediction, answer, u_t, path, time(t))
        tolerance = 1e-5 if prediction == "flow" else 1e-9
        torch.testing.assert_close(found, x0, rtol=0, atol=tolerance)
        network = Recorder(answer)
        adapted = Predicting(network, path, prediction)(x_t, time(t), Condition(y))
        # Networks answer in float32: VP's ε at t = .9 is divided by α = .017, edm's by nothing.
        alpha, _, sigma = (float(c) for c in path.at(t))
        rounding = 2e-6 * (1 + sigma / alpha + sigma**2 / alpha)
        torch.testing.assert_close(adapted.double(), x0, rtol=0, atol=tolerance + rounding)
        assert network.calls[0][0] is x_t


def test_slopes_are_known_where_no_gradient_is_recorded() -> None:
    x0, _, noise = images(3, 1, 3, 4, 5)
    path, t = PATHS["rectified_flow"](), torch.tensor([0.4])
    u = path.marginal(x0, x0, t, noise)
    with torch.inference_mode():
        found = x0_from("flow", noise - x0, u, path, t.clone())
    torch.testing.assert_close(found, x0, rtol=0, atol=1e-7)


def test_an_unknown_prediction_is_named() -> None:
    (u,) = images(1, 1, 1, 2, 2)
    with pytest.raises(UsageError, match="'noise' is none of epsilon, x0"):
        x0_from("noise", u, u, PATHS["vp"](), time(0.5))
