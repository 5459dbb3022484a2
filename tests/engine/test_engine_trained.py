"""Trained end to end, each in less than a minute: a spiral, digits with classes, a cascade."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from engine_worlds import (
    PointNetwork,
    off_the_spiral,
    seeded,
    shapes,
    small_unet,
    spiral,
    train,
)
from torch import Tensor

from restorekit.engine.cascade import Stage, cascade
from restorekit.engine.conditioning import Condition, concatenate
from restorekit.engine.denoiser import Predicting
from restorekit.engine.guidance import (
    NO_CLASS,
    augment,
    class_names,
    class_numbers,
    classifier_free,
    drop_labels,
)
from restorekit.engine.loop import sample
from restorekit.engine.path import PATHS
from restorekit.engine.resample import resample
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import uniform_times
from restorekit.training.prediction_loss import WEIGHTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "prediction", "weight", "samplers"),
    [
        ("vp_cosine", "epsilon", "uniform", ("ancestral", "dpm++2m", "unipc", "euler_maruyama")),
        ("rectified_flow", "flow", None, ("euler", "heun", "dpm++2m_sde")),
        ("vp_cosine", "v", "min_snr", ("ddim", "deis")),
    ],
)
def test_a_spiral(
    name: str, prediction: str, weight: str | None, samplers: tuple[str, ...]
) -> None:
    """Samples lie on the curve and all along it, whichever system is trained and sampled."""
    path = PATHS[name]()
    denoiser = Predicting(seeded(PointNetwork), path, prediction)

    def batch(generator: torch.Generator) -> tuple[Tensor, Condition]:
        x0 = spiral(256, generator)
        return x0, Condition(torch.zeros_like(x0))

    losses = train(denoiser, batch, 1500, weight=WEIGHTS[weight] if weight else None)
    assert sum(losses[-100:]) / 100 < 0.95 * sum(losses[:20]) / 20
    known = Condition(torch.zeros(1000, 2, 1, 1))
    generator = torch.Generator().manual_seed(2)

    def noise(step: int) -> Tensor:
        return torch.randn(known.source.shape, generator=generator)

    def estimate(x: Tensor, t: float) -> Tensor:
        return denoiser(x, torch.tensor([t], dtype=torch.float64), known)

    start = noise(0)
    assert float(off_the_spiral(start).median()) > 0.25
    for sampler in samplers:
        times = [0.995 * t for t in uniform_times(40)]
        with torch.inference_mode():
            made = sample(SAMPLERS[sampler], estimate, path, known.source, start, times, noise)
        assert float(off_the_spiral(made).median()) < 0.08, sampler
        real = spiral(1000, torch.Generator().manual_seed(3))
        for cut in (0.7, 1.4):  # as many near the centre as there should be
            shares = [float((x.flatten(1).norm(dim=1) < cut).float().mean()) for x in (made, real)]
            assert shares[0] == pytest.approx(shares[1], abs=0.12), sampler


def test_digits_with_classes() -> None:
    """Guidance raises the accuracy of a classifier that has seen real digits only."""
    datasets = pytest.importorskip("sklearn.datasets")
    linear_model = pytest.importorskip("sklearn.linear_model")
    digits = datasets.load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
    labels = torch.tensor(digits.target)
    judge = linear_model.LogisticRegression(max_iter=2000, C=0.1)
    judge.fit(images.flatten(1).numpy(), labels.numpy())
    path = PATHS["vp_cosine"]()
    denoiser = Predicting(small_unet(1, 0, 1, class_names(10)), path, "v", class_names(10))

    def batch(generator: torch.Generator) -> tuple[Tensor, Condition]:
        chosen = torch.randint(len(images), (128,), generator=generator)
        seen = drop_labels(labels[chosen], 0.15, generator)
        x0 = images[chosen]
        return x0, Condition(torch.zeros_like(x0), None, class_numbers(seen, 10))

    train(denoiser, batch, 350)
    wanted = torch.arange(10).repeat(20)
    blank = torch.zeros(200, 1, 8, 8)
    start = torch.randn(blank.shape, generator=torch.Generator().manual_seed(4))

    def says(labels: Tensor):
        known = Condition(blank, None, class_numbers(labels, 10))
        return lambda x, t: denoiser(x, torch.tensor([t], dtype=torch.float64), known)

    accuracy = {}
    for scale in (0.0, 1.0, 3.0):
        guided = classifier_free(says(wanted), says(torch.full_like(wanted, NO_CLASS)), scale)
        with torch.inference_mode():
            made = sample(
                SAMPLERS["dpm++2m"], guided, path, blank, start, uniform_times(20), lambda _: start
            )
        found = judge.predict(made.flatten(1).numpy())
        accuracy[scale] = float((torch.tensor(found) == wanted).float().mean())
    assert accuracy[0.0] < 0.3, accuracy  # no class at all: one in ten
    assert accuracy[1.0] > 0.5, accuracy
    assert accuracy[3.0] > accuracy[1.0] + 0.02, accuracy
    assert accuracy[3.0] > 0.85, accuracy


def test_a_cascade_of_drawn_shapes() -> None:
    """16 → 32 → 64: each stage keeps the picture before, and its edges are sharp again."""
    path, sizes = PATHS["rectified_flow"](), (16, 32, 64)
    denoisers = []
    for size in sizes:
        first = size == sizes[0]
        numbers = () if first else ("augmentation",)
        network = small_unet(1, 0 if first else 1, {16: 1, 32: 2, 64: 4}[size], numbers)
        denoiser = Predicting(network, path, "flow", numbers)

        def batch(
            generator: torch.Generator, size: int = size, first: bool = first
        ) -> tuple[Tensor, Condition]:
            x0 = shapes(32, size, generator)
            if first:
                return x0, Condition(torch.zeros_like(x0))
            level = 0.5 * torch.rand(32, generator=generator)
            enlarged = resample(resample(x0, (size // 2, size // 2)), (size, size))
            noise = torch.randn(x0.shape, generator=generator)
            spoilt = augment(enlarged, level, noise)
            known = concatenate(Condition(spoilt), spoilt)
            return x0, known.with_numbers(augmentation=level)

        train(denoiser, batch, 500 if first else 250)
        denoisers.append(denoiser)
    stages = [
        Stage(d, path, SAMPLERS["heun"], uniform_times(12), (1, s, s), 0.1 if s > 16 else 0.0)
        for d, s in zip(denoisers, sizes, strict=True)
    ]
    generator = torch.Generator().manual_seed(5)
    with torch.inference_mode():
        made = cascade(
            stages,
            Condition(torch.zeros(24, 1, 16, 16)),
            lambda stage, _: torch.randn(24, *stages[stage].shape, generator=generator),
        )
    assert [m.shape[-1] for m in made] == [16, 32, 64]
    for small, large in pairwise(made):
        again = resample(large, (small.shape[-2], small.shape[-1]))
        pairs = torch.stack([again.flatten(), small.flatten()])
        assert float(torch.corrcoef(pairs)[0, 1]) > 0.9
    # A drawn edge is one pixel wide at every size; enlarging the 16² picture leaves it four wide.
    truth = shapes(200, 64, generator)
    assert slopes(made[2]) == pytest.approx(slopes(truth), rel=0.35)
    assert slopes(made[2]) > 1.5 * slopes(resample(made[0], (64, 64)))


def slopes(image: Tensor) -> float:
    """The steepest difference of neighbours, averaged over the pictures."""
    return float(image.diff(dim=-1).abs().flatten(1).quantile(0.995, 1).mean())
