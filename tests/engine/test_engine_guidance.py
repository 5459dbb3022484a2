"""Guided estimates, editing and cascades, by closed forms on Gaussian worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from engine_oracles import constant, images
from torch import Tensor

from restorekit.engine.cascade import Stage, cascade
from restorekit.engine.conditioning import Condition
from restorekit.engine.editing import invert, repaint, resampled, sdedit, slerp
from restorekit.engine.guidance import (
    NO_CLASS,
    augment,
    class_names,
    class_numbers,
    classifier,
    classifier_free,
    drop_labels,
)
from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS, Path
from restorekit.engine.resample import resample
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import karras_times, log_snr_times, repaint_times, uniform_times

X, Y, Z = images(3, 2, 1, 4, 4)
DETERMINISTIC = (
    *("ddim", "euler", "heun", "dpm++2s", "dpm++2m", "dpm++3m"),
    *("adams3", "deis", "unipc", "plms", "pndm"),
)
PATH = PATHS["vp"]()


def gaussian(path: Path, mean: float, spread: float):
    """E[x0 | x_t] for pixels of N(mean, spread²)."""

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        gain = alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)
        return mean + gain * (x - alpha * mean)

    return estimate


@pytest.mark.parametrize("t", [0.2, 0.6, 0.9])
def test_classifier_free_guidance_is_ho_s_in_noise(t: float) -> None:
    """Ho 2022, eq. 6: ε̃ = (1 + w) ε_c − w ε."""
    conditional, unconditional = gaussian(PATH, 0.5, 0.1), gaussian(PATH, 0.0, 0.6)
    alpha, _, sigma = (float(c) for c in PATH.at(t))
    w = 1.7
    noises = [(X - alpha * e(X, t)) / sigma for e in (conditional, unconditional)]
    expected = (1 + w) * noises[0] - w * noises[1]
    guided = classifier_free(conditional, unconditional, 1 + w)
    torch.testing.assert_close((X - alpha * guided(X, t)) / sigma, expected)


def test_guidance_in_an_interval_costs_nothing_outside() -> None:
    asked: list[float] = []

    def unconditional(x: Tensor, t: float) -> Tensor:
        asked.append(t)
        return torch.zeros_like(x)

    one = constant(torch.ones_like(X))
    guided = classifier_free(one, unconditional, 3.0, interval=(0.3, 0.7))
    values = [float(guided(X, t).mean()) for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert values == [1.0, 3.0, 3.0, 3.0, 1.0]
    assert asked == [0.3, 0.5, 0.7]
    assert torch.equal(classifier_free(one, unconditional, 1.0)(X, 0.5), torch.ones_like(X))
    assert len(asked) == 3


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_an_exact_classifier_makes_the_conditional_denoiser(t: float) -> None:
    """Bayes' rule: the score of p(x_t) and the gradient of log p(c | x_t) add to that of p(x_t | c)."""
    low, high = gaussian(PATH, -0.5, 0.2), gaussian(PATH, 0.5, 0.2)
    alpha, _, sigma = (float(c) for c in PATH.at(t))
    variance = alpha**2 * 0.2**2 + sigma**2

    def log_high(x: Tensor) -> Tensor:
        """log p(c | x_t) pixel by pixel: the pixels of this world are independent, each its class."""
        return torch.nn.functional.logsigmoid(2 * alpha * 0.5 / variance * x)

    share = log_high(X).exp()
    plain = share * high(X, t) + (1 - share) * low(X, t)
    guided = classifier(constant(plain), lambda x, _: log_high(x).sum((1, 2, 3)), PATH, 1.0)
    torch.testing.assert_close(guided(X, t), high(X, t))
    with torch.inference_mode():
        torch.testing.assert_close(guided(X, t), high(X, t))


def test_a_classifier_has_no_say_where_there_is_no_signal() -> None:
    path = PATHS["rectified_flow"]()
    guided = classifier(constant(Y), lambda x, _: x.sum((1, 2, 3)), path, 5.0)
    assert torch.equal(guided(X, 1.0), Y)


def test_classes_are_numbers_of_which_one_is_1() -> None:
    numbers = class_numbers(torch.tensor([2, NO_CLASS, 0]), 3)
    assert tuple(numbers) == class_names(3)
    rows = torch.stack(list(numbers.values()), 1)
    assert rows.tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_labels_are_dropped_in_their_share() -> None:
    labels = torch.arange(10).repeat(1000)
    dropped = drop_labels(labels, 0.2, torch.Generator().manual_seed(0))
    gone = dropped == NO_CLASS
    assert float(gone.float().mean()) == pytest.approx(0.2, abs=0.013)
    assert torch.equal(dropped[~gone], labels[~gone])


def test_augmentation_keeps_unit_variance() -> None:
    image, noise = images(2, 3, 1, 100, 100)
    level = torch.tensor([0.0, 0.6, 1.0])
    made = augment(image, level, noise)
    assert torch.equal(made[0], image[0])
    torch.testing.assert_close(made[1], 0.8 * image[1] + 0.6 * noise[1], rtol=0, atol=1e-6)
    assert torch.equal(made[2], noise[2])
    assert float(made[1].std()) == pytest.approx(1, abs=0.02)


def test_slerp_keeps_the_length_and_the_ends() -> None:
    """On a circle: the point at a share of the angle."""
    a, b = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    for share in (0.0, 0.25, 0.5, 1.0):
        angle = share * math.pi / 2
        expected = torch.tensor([[2 * math.cos(angle), 2 * math.sin(angle)]])
        torch.testing.assert_close(slerp(a, b, share), expected)
    first, second = images(2, 5, 3, 16, 16)
    mixed = slerp(first, second, 0.5).flatten(1).norm(dim=1)
    assert float((mixed / first.flatten(1).norm(dim=1) - 1).abs().max()) < 0.1
    torch.testing.assert_close(slerp(first, first, 0.3), first)


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_inversion_and_back(sampler: str) -> None:
    """Image → noise → image: the error falls with the method's order, and the noise is normal.

    Compared at the last time above 0, where the inversion begins.
    """
    estimate, image = gaussian(PATH, 0.2, 0.3), 0.2 + 0.3 * X
    errors, steps = [], (50, 100, 200)
    for count in steps:
        times = log_snr_times(PATH, count, -4.5, 4.5)
        noise = invert(estimate, PATH, Y, image, times, SAMPLERS[sampler])
        back = sample(SAMPLERS[sampler], estimate, PATH, Y, noise, times[:-1], lambda _: Z)
        alpha = float(PATH.at(times[-2]).alpha)
        errors.append(float((back / alpha - image).abs().max()))
    order = {"ddim": 1, "heun": 2}[sampler]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert -slope > order - 0.2, errors
    alpha, _, sigma = (float(c) for c in PATH.at(times[0]))
    exact = (0.3**2 * alpha**2 + sigma**2) ** 0.5 * X + alpha * 0.2
    torch.testing.assert_close(noise, exact, rtol=0, atol={"ddim": 0.05, "heun": 4e-3}[sampler])


@pytest.mark.parametrize("sampler", DETERMINISTIC)
def test_inversion_up_to_pure_noise(sampler: str) -> None:
    """On rectified flow x_1 is noise alone: α = 0 there, and λ is not finite."""
    path, image = PATHS["rectified_flow"](), 0.2 + 0.3 * X
    noise = invert(gaussian(path, 0.2, 0.3), path, Y, image, uniform_times(300), SAMPLERS[sampler])
    torch.testing.assert_close(noise, X, rtol=0, atol=0.05)


def test_sdedit_starts_from_the_noised_guide() -> None:
    """On a Gaussian world the flow is linear: the longer the way, the less of the guide is left."""
    estimate, guide = gaussian(PATH, 0.0, 0.3), torch.full_like(X, 2.0)
    means = []
    for start in (0.2, 0.5, 0.9):
        times = [start * t for t in karras_times(PATH, 60)]
        made = sdedit(SAMPLERS["dpm++2m"], estimate, PATH, Y, guide, times, lambda _: 0 * Z)
        alpha, _, sigma = (float(c) for c in PATH.at(times[0]))
        expected = 2 * alpha * 0.3 / (alpha**2 * 0.3**2 + sigma**2) ** 0.5
        means.append(float(made.mean()))
        assert means[-1] == pytest.approx(expected, rel=0.03)
    assert means[0] > means[1] > means[2]


def correlated(path: Path, rho: float):
    """The exact denoiser of pairs of pixels of unit variance and correlation ρ."""
    covariance = torch.tensor([[1.0, rho], [rho, 1.0]], dtype=torch.float64)

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        total = alpha**2 * covariance + sigma**2 * torch.eye(2, dtype=torch.float64)
        return (x.flatten(1) @ (alpha * covariance @ torch.linalg.inv(total)).T).reshape(x.shape)

    return estimate


@pytest.mark.parametrize("way", ["known pixels drawn", "estimates overwritten"])
def test_repaint_draws_from_the_conditional(way: str) -> None:
    """Of two pixels with correlation .9 one is known: the other is N(.9 v, 1 − .81).

    Without jumps the two do not agree (Lugmayr 2022, section 4.2); with them they do. Overwriting
    the estimate, as tasks with known pixels do, is the same process.
    """
    count, value, rho = 4000, 1.5, 0.9
    values = torch.full((count, 1, 1, 2), value, dtype=torch.float64)
    mask = torch.tensor([1.0, 0.0]).expand(count, 1, 1, 2)
    generator = torch.Generator().manual_seed(0)

    def noise(step: int) -> Tensor:
        return torch.randn(values.shape, generator=generator, dtype=torch.float64)

    exact = correlated(PATH, rho)

    def overwritten(x: Tensor, t: float) -> Tensor:
        return torch.where(mask > 0.5, values, exact(x, t))

    drawn = way == "known pixels drawn"
    sampler = repaint(values, mask) if drawn else resampled(SAMPLERS["ancestral"])
    estimate = exact if drawn else overwritten
    found = {}
    for resamples in (1, 12):
        times = repaint_times(uniform_times(60), jump=2, resamples=resamples)
        made = sample(sampler, estimate, PATH, 0 * values, noise(0), times, noise)
        assert torch.equal(made[..., 0], values[..., 0])
        found[resamples] = made[..., 1]
    assert float(found[12].mean()) == pytest.approx(rho * value, abs=0.08)
    assert abs(float(found[1].mean()) - rho * value) > 2 * abs(
        float(found[12].mean()) - rho * value
    )
    assert float(found[12].std()) == pytest.approx(math.sqrt(1 - rho**2), abs=0.08)


def test_a_cascade_hands_each_picture_to_the_next() -> None:
    """Stages that add 1 to what they see: sizes, augmentation and numbers arrive where they should."""
    seen: list[Condition] = []

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(condition)
        known = condition.source if condition.concat is None else condition.concat
        return known + 1

    path, times = PATHS["vp"](), [1.0, 0.0]
    sizes = [(1, 4, 4), (1, 8, 8), (1, 16, 16)]
    stages = [
        Stage(denoise, path, SAMPLERS["ddim"], times, shape, augmentation=0.6 if i else 0.0)
        for i, shape in enumerate(sizes)
    ]
    first = Condition(torch.zeros(2, 1, 4, 4), None, {"class_0": 1.0})

    def noise(stage: int, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(10 * stage + step)
        return torch.randn(2, *sizes[stage], generator=generator)

    made = cascade(stages, first, noise)
    assert [tuple(m.shape[1:]) for m in made] == sizes
    torch.testing.assert_close(made[0], torch.ones(2, 1, 4, 4))
    for stage in (1, 2):
        spoilt = 0.8 * resample(made[stage - 1], sizes[stage][1:]) + 0.6 * noise(stage, 1)
        torch.testing.assert_close(made[stage], spoilt + 1)
        assert seen[stage].numbers == {"class_0": 1.0, "augmentation": 0.6}
    assert torch.equal(seen[0].source, first.source)
