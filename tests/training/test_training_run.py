"""Runs of a few iterations: broken off and resumed they are bit for bit the unbroken one."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_kit import (
    CPU,
    assert_same,
    batch,
    corpus,
    hooks,
    need_lpips,
    pictures,
    recipe,
    trainer,
)
from training_kit import sharp as sharp_recipe

from restorekit.engine.conditioning import Condition
from restorekit.engine.resample import resample
from restorekit.engine.unet import UNetConfig
from restorekit.errors import ModelError, UsageError
from restorekit.metrics import matlab_imresize
from restorekit.training import checkpoint, log
from restorekit.training.photographs import Corpus
from restorekit.training.recipe import Draw, Recipe
from restorekit.training.trainer import Trainer, _items, pace, run


def losses_of(trainer_: Trainer, folder: Path, data: Corpus, **options) -> list[float]:
    told: list[log.Progress] = []
    run(trainer_, data, [], folder, report_every=1, validate_every=100, tell=told.append, **options)
    return [progress.loss for progress in told]


def test_weights_that_run_away_stop_the_run_and_leave_the_last_checkpoint(tmp_path: Path) -> None:
    data, given = corpus(), trainer(recipe())
    run(given, data, [], tmp_path, time_limit=0)
    kept = (tmp_path / "checkpoint.safetensors").read_bytes()
    with torch.no_grad():
        next(given.network.parameters()).fill_(math.inf)
    with pytest.raises(UsageError, match=r"iteration 2 is nan: .*matrix_decay"):
        run(given, data, [], tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == kept


@pytest.mark.parametrize("phase", ["path", "perceptual"])
def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(
    phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if phase == "perceptual":
        need_lpips(monkeypatch)
    given: Recipe = recipe() if phase == "path" else sharp_recipe(iterations=5)
    data = corpus()
    unbroken = trainer(given)
    expected = losses_of(unbroken, tmp_path / "unbroken", data)
    assert len(set(expected)) == given.iterations

    path, found = tmp_path / "broken.safetensors", list[float]()
    while len(found) < given.iterations:  # killed after 1, 3 and 5 iterations
        torch.manual_seed(len(found) + 1234)  # whatever the global generator has come to
        part = trainer(given)
        if found:
            part.resume(path)
        for _ in range(min(2 if found else 1, given.iterations - len(found))):
            found.append(part.step(data)[0])
        part.save(path)
    assert found == expected
    assert_same(part.network.state_dict(), unbroken.network.state_dict())
    assert_same(part.average.values, unbroken.average.values)
    if unbroken.perceptual and part.perceptual:
        assert_same(part.perceptual.tensors(), unbroken.perceptual.tensors())


def test_a_time_limit_stops_saves_and_goes_on(tmp_path: Path) -> None:
    data, given = corpus(), recipe(iterations=3)
    expected = losses_of(trainer(given), tmp_path / "whole", data)
    first = trainer(given)
    found = losses_of(first, tmp_path / "parts", data, time_limit=0.0)
    assert (len(found), first.iteration) == (1, 1)
    for _ in range(2):
        part = trainer(given)
        part.resume(tmp_path / "parts" / "checkpoint.safetensors")
        found += losses_of(part, tmp_path / "parts", data, time_limit=0.0)
    assert found == expected
    rows = list(log.read(tmp_path / "parts" / "log.csv"))
    assert [int(row["iteration"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == expected
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert run(part, data, [], tmp_path / "parts")  # at the end there is nothing left to do
    assert part.iteration == 3


def test_the_seed_and_the_iteration_decide_a_batch() -> None:
    one, other = trainer(recipe()), trainer(recipe(learning_rate=1e-5))
    data = corpus()
    first, second = (batch(t, data, 5) for t in (one, other))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1].source, second[1].source)
    third = batch(one, data, 6)
    assert not torch.equal(first[0], third[0])


def test_a_batch_is_the_task_s_own_condition_of_its_clean_crops() -> None:
    """Of the first draw: bicubic reduction to a quarter, 8 bits, and back by bicubic resampling."""
    made = trainer(recipe(draws=(Draw(1.0, {"scale": 4.0}),)))
    clean, condition = batch(made, corpus(), 1)
    assert clean.shape == (4, 3, 64, 64)
    assert condition.numbers == {"scale": 2.0, "noise": 0.0}
    for item in range(4):
        pixels = ((clean[item] + 1) * 127.5).permute(1, 2, 0).double().numpy()
        low = matlab_imresize(pixels, size=(16, 16), border="clamp")
        low = torch.from_numpy(np.rint(low).clip(0, 255)).float().permute(2, 0, 1)[None]
        expected = resample(low / 127.5 - 1, (64, 64))
        # A sum may round to the other level where it is within 1e-4 of a half.
        difference = (condition.source[item : item + 1] - expected).abs()
        assert float(difference.median()) < 1e-5
        assert float(difference.max()) < 3 / 255
    assert torch.equal(condition.source, condition.concat)


def test_draws_are_taken_by_their_weights_and_ranges() -> None:
    draws = (Draw(3.0, {"scale": 4.0}), Draw(1.0, {"scale": [2.0, 3.0], "noise": [0.0, 0.1]}))
    made = trainer(recipe(draws=draws, batch=1))
    seen: list[tuple[float, float]] = []

    def note(clean: Tensor, options: dict, seed: int) -> None:
        seen.append((options["scale"], options.get("noise", -1.0)))

    made.condition = note  # type: ignore[method-assign]
    data = corpus()
    for iteration in range(400):
        batch(made, data, iteration)
    ranged = [(scale, noise) for scale, noise in seen if noise >= 0]
    # 400 draws of a quarter: within four standard errors of 100.
    assert abs(len(ranged) - 100) < 4 * math.sqrt(75)
    scales, noises = (np.array(values) for values in zip(*ranged, strict=True))
    assert 2.0 <= scales.min() < 2.2
    assert 2.8 < scales.max() <= 3.0
    assert scales.mean() == pytest.approx(2.5, abs=4 * 0.29 / 10)
    assert noises.mean() == pytest.approx(0.05, abs=4 * 0.029 / 10)


@pytest.mark.slow
def test_it_overfits_one_picture() -> None:
    """A network that can learn at all learns one crop by heart (its target starts at loss ≈ 1)."""
    (picture,) = pictures(1, side=56, seed=3)
    flat = picture[:, :, :56].float()
    image = torch.nn.functional.interpolate(flat[None], (64, 64), mode="nearest")[0].byte()
    given = recipe(
        iterations=300, draws=(Draw(1.0, {"scale": 4.0}),), start_share=1.0, quiet_share=1.0,
        deviation=0.06, batch=4, warmup=20, learning_rate=8e-3,
    )  # fmt: skip
    made, data = trainer(given), Corpus.of([image], 64, CPU)
    losses = [made.step(data)[0] for _ in range(given.iterations)]
    assert np.mean(losses[-8:]) < 0.4 * np.mean(losses[:8]), losses[::30]


def test_the_first_loss_is_the_residual_s_variance() -> None:
    """An untrained F says 0, so at t = 1 without noise the loss is the mean of ((x0 − y)/s)²."""
    given = recipe(start_share=1.0, quiet_share=1.0)
    made, data = trainer(given), corpus()
    x0, condition = batch(made, data, given.seed * 1_000_003)
    expected = float(((x0 - condition.source) / given.deviation).square().mean())
    assert made.step(data)[0] == pytest.approx(expected, rel=1e-5)


def test_validation_is_the_psnr_of_the_first_call_of_the_averaged_weights() -> None:
    """Untrained, that is bicubic interpolation of MATLAB's reduction, scored on Y without 4 pixels."""
    made = trainer(recipe())
    with torch.no_grad():  # of the averaged weights only
        made.network.tail.bias.fill_(0.5)
    scores = []
    validation = pictures(2, side=140, seed=9)
    for picture in validation:
        top, left = (140 - 128) // 2, (148 - 128) // 2
        clean = picture[:, top : top + 128, left : left + 128].permute(1, 2, 0).double().numpy()
        low = np.rint(matlab_imresize(clean, size=(32, 32), border="clamp")).clip(0, 255)
        made_of = resample(torch.from_numpy(low).float().permute(2, 0, 1)[None], (128, 128))
        image = made_of[0].permute(1, 2, 0).double().numpy().round().clip(0, 255)
        weights = np.array([65.481, 128.553, 24.966]) / 255
        error = ((image - clean) @ weights)[4:-4, 4:-4]
        scores.append(10 * math.log10(255**2 / np.square(error).mean()))
    assert made.validate(validation) == pytest.approx(np.mean(scores), abs=0.02)


def test_the_learning_rate_warms_up_and_falls_as_a_cosine() -> None:
    given = recipe(iterations=100, warmup=10)
    rates = [pace(given, i) for i in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(math.sin(math.pi / 180) ** 2, rel=1e-9)
    assert all(a >= b for a, b in pairwise(rates[9:]))


def test_gradients_are_clipped() -> None:
    given = recipe(clip=1e-3, learning_rate=1.0, warmup=0)
    made = trainer(given)
    made.step(corpus())
    total = sum(
        float(p.grad.square().sum()) for p in made.network.parameters() if p.grad is not None
    )
    assert math.sqrt(total) == pytest.approx(1e-3, rel=1e-3)


def test_the_log_drops_what_a_killed_run_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for iteration in (50, 100, 150):
        log.append(path, log.Progress(iteration, iteration / 10, 1.0, 0.1))
    log.append(path, log.Progress(100, 12.0, 0.7, 0.1, 27.5, "x, y"))
    rows = list(log.read(path))
    assert [(row["iteration"], row["loss"]) for row in rows] == [("50", "1.0"), ("100", "0.7")]
    assert (rows[-1]["psnr"], rows[-1]["extra"]) == ("27.5", "x, y")
    assert list(log.read(tmp_path / "none.csv")) == []


@pytest.mark.usefixtures("_lpips")
def test_the_perceptual_phase_needs_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "path.safetensors"
    trainer(recipe()).save(path)
    with pytest.raises(ModelError, match="another network or recipe"):
        trainer(sharp_recipe()).resume(path)


@pytest.fixture
def _lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    need_lpips(monkeypatch)


@pytest.mark.usefixtures("_lpips")
def test_the_perceptual_loss_is_its_four_terms() -> None:
    """Against the formula of numbers.md, with the discriminator's scores on the same output."""
    made = trainer(sharp_recipe())
    phase = made.perceptual
    assert phase is not None
    x0, condition = batch(made, corpus(), 2)
    with torch.no_grad():
        made.network.tail.bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(3))
    before = {k: v.clone() for k, v in phase.discriminator.state_dict().items()}
    loss, told = phase.loss(made.denoiser, x0, condition, 1, {})
    loss.backward()
    assert made.network.tail.weight.grad is not None
    assert made.network.tail.weight.grad.abs().max() > 0
    moved = [
        k for k, v in phase.discriminator.state_dict().items() if not torch.equal(v, before[k])
    ]
    assert any("original" in name for name in moved)  # it was trained, once

    generator = torch.Generator().manual_seed(made.recipe.seed * 1_000_003 + 500_001)
    x_t = condition.source + 0.1 * torch.randn(x0.shape, generator=generator)
    with torch.no_grad():
        output = made.denoiser(x_t, torch.ones(4), condition.with_numbers(look=1.0))
        top, left = torch.randint(9, (2,), generator=generator).tolist()  # judged in a window
        seen = [i[..., top : top + 56, left : left + 56] for i in (output, x0, condition.source)]
        scores = phase.discriminator.eval()(seen[0], seen[2])
        pooled = [image.reshape(4, 3, 16, 4, 16, 4).mean((3, 5)) for image in (output, x0)]
        expected = (output - x0).abs().mean() + 4 * (pooled[0] - pooled[1]).abs().mean()
        expected += 0.6 * phase.distance(seen[0], seen[1]).mean()
        adversarial = -sum(score.mean() for score in scores)
    # iteration 1 of a ramp of 2: half of .01. Spectral norms move between two calls: a loose term.
    assert float(loss.detach()) == pytest.approx(float(expected + 0.005 * adversarial), abs=2e-3)
    assert float(loss.detach()) == pytest.approx(float(expected), abs=0.02)
    assert told.startswith("discriminator ")


@pytest.mark.usefixtures("_lpips")
def test_the_discriminator_learns_to_tell_real_from_made() -> None:
    phase = trainer(sharp_recipe()).perceptual
    assert phase is not None
    for group in phase.optimiser.param_groups:
        group["lr"] = 3e-3
    generator = torch.Generator().manual_seed(4)
    source = torch.zeros(4, 3, 32, 32)
    real = torch.randn(4, 3, 32, 32, generator=generator) * 0.3
    made = torch.nn.functional.avg_pool2d(real, 3, 1, 1)
    told = [phase._train_discriminator(real, made, source) for _ in range(60)]
    first, last = (float(text.split()[1]) for text in (told[0], told[-1]))
    assert last < 0.5 * first
    with torch.no_grad():
        pairs = zip(
            phase.discriminator(real, source), phase.discriminator(made, source), strict=True
        )
        assert all(float(r.mean()) > float(m.mean()) for r, m in pairs)


def test_part_of_a_batch_keeps_each_item_s_numbers() -> None:
    images = torch.arange(4.0).reshape(4, 1, 1, 1)
    numbers = {"scale": 2.0, "noise": torch.arange(4.0), "one": torch.tensor(3.0)}
    part = _items(Condition(images, images, numbers), slice(2, None))
    assert torch.equal(part.source, images[2:])
    assert torch.equal(part.numbers["noise"], torch.tensor([2.0, 3.0]))
    assert (part.numbers["scale"], float(part.numbers["one"])) == (2.0, 3.0)


def test_the_record_of_a_checkpoint_holds_the_whole_recipe(tmp_path: Path) -> None:
    from restorekit.training.recipe import from_dict

    made = trainer(recipe())
    made.save(tmp_path / "one.safetensors")
    _, record = checkpoint.load(tmp_path / "one.safetensors")
    assert from_dict(json.loads(json.dumps(record["recipe"])), "it") == made.recipe
    assert record["iteration"] == 0


def test_training_follows_the_recipe_s_path_and_numbers() -> None:
    given = recipe(path="i2sb", path_parameters={"beta": 0.2}, network=UNetConfig(
        widths=(16,), blocks=(1,), numbers=("noise", "look"), factor=2,
    ))  # fmt: skip
    made = Trainer(given, trainer(given).task, hooks(), CPU)
    assert (made.denoiser.path.name, made.denoiser.path.parameters) == ("i2sb", {"beta": 0.2})
    losses = [made.step(corpus())[0] for _ in range(2)]
    assert all(math.isfinite(loss) for loss in losses)


def test_tensors_of_a_checkpoint_come_back_as_they_were(tmp_path: Path) -> None:
    """Strides are not saved; moments must lie in memory as their parameters do all the same."""
    made, data = trainer(recipe()), corpus()
    made.step(data)
    made.save(tmp_path / "one.safetensors")
    again = trainer(recipe())
    again.resume(tmp_path / "one.safetensors")
    for name, moments in (("adam", ("exp_avg", "exp_avg_sq")), ("muon", ("momentum",))):
        state = again.optimisers[name].state
        assert state
        for parameter, values in state.items():
            assert all(values[moment].stride() == parameter.stride() for moment in moments)
        assert_same(
            checkpoint.optimiser_tensors(again.optimisers[name]),
            checkpoint.optimiser_tensors(made.optimisers[name]),
        )


def test_both_learning_rates_follow_the_same_pace() -> None:
    made = trainer(recipe(warmup=4, learning_rate=0.002, matrix_learning_rate=0.04))
    made.step(corpus())
    rates = {name: o.param_groups[0]["lr"] for name, o in made.optimisers.items()}
    assert rates == pytest.approx({"adam": 0.0005, "muon": 0.01})


def test_every_parameter_has_one_optimiser() -> None:
    made = trainer(recipe())
    held = [
        id(p) for o in made.optimisers.values() for group in o.param_groups for p in group["params"]
    ]
    assert sorted(held) == sorted(id(p) for p in made.network.parameters())
    muon = {id(p) for p in made.optimisers["muon"].param_groups[0]["params"]}
    named = {n for n, p in made.network.named_parameters() if id(p) in muon}
    assert all(name.endswith("weight") for name in named)
    assert {"middle.0.inner.weight", "down.0.weight", "up.0.weight"} <= named
    assert not {"head.weight", "tail.weight"} & named
