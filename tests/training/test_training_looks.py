"""A run that trains what the sharp look adds, and takes nothing from the faithful one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_kit import DRAWS, NETWORK, assert_same, batch, corpus, need_lpips, recipe, trainer

from restorekit.errors import ModelError, UsageError
from restorekit.models import store
from restorekit.training import start
from restorekit.training.export import export
from restorekit.training.perceptual import _anywhere, excess, repeated, spectral_gap
from restorekit.training.recipe import Perceptual, Recipe, period
from restorekit.training.trainer import run

RANKED = replace(NETWORK, rank=2)


@pytest.fixture(autouse=True)
def _lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    need_lpips(monkeypatch)


def look_alone(kept: float = 1.0) -> Recipe:
    phase = Perceptual(share=1.0, ramp=2, widths=(8, 8, 8), kept=kept)
    return recipe(network=RANKED, perceptual=phase)


def test_it_trains_what_a_look_adds_and_nothing_else(tmp_path: Path) -> None:
    """From a faithful run's weights, which have no rank: all of them are kept, bit for bit."""
    faithful = trainer(recipe())
    run(faithful, corpus(), [], tmp_path / "faithful")
    sharp = trainer(look_alone())
    sharp.start_from(start.read(tmp_path / "faithful" / "checkpoint.safetensors"))
    run(sharp, corpus(), [], tmp_path / "sharp")
    for state in (sharp.network.state_dict(), sharp.average.values):
        for name, value in faithful.average.values.items():
            assert torch.equal(state[name], value), name
        added = {name: value for name, value in state.items() if name.endswith(".widen")}
        assert len(added) == 2 * 3 + 1  # two in each of three blocks, and the tail's
        assert all(value.any() for value in added.values())


def test_a_draw_weighs_the_losses_of_its_batches_by_itself() -> None:
    """Each loss by its weight; where its own has none, the discriminator sees no batch of them."""
    own = {"pixel": 2.0, "coarse": 0.0, "lpips": 0.0, "adversarial": 0.0}
    given = replace(look_alone(), draws=(replace(DRAWS[0], terms=own),))
    made = trainer(given)
    assert made.perceptual is not None
    before = {k: v.clone() for k, v in made.perceptual.discriminator.state_dict().items()}
    clean, condition = batch(made, corpus(), given.seed * 1_000_003)
    with torch.no_grad():  # untrained, what is made is the source
        expected = 2 * (condition.source - clean).abs().mean()
    loss, told = made.step(corpus())
    assert (loss, told) == (pytest.approx(float(expected), rel=1e-5), "")
    assert_same(made.perceptual.discriminator.state_dict(), before)


@pytest.mark.parametrize("terms", [{"texture": 1.0}, {"lpips": -1.0}, {"lpips": math.nan}])
def test_terms_that_are_none_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="draws: terms"):
        replace(DRAWS[0], terms=terms)


def test_terms_without_a_perceptual_phase_are_refused() -> None:
    with pytest.raises(UsageError, match="no perceptual phase"):
        recipe(draws=(replace(DRAWS[0], terms={"lpips": 1.0}),))


def test_what_judged_comes_along(tmp_path: Path) -> None:
    """A second sharp phase begins with the first one's discriminator, and with that one's widths."""
    first = trainer(look_alone())
    run(first, corpus(), [], tmp_path)
    second = trainer(look_alone())
    assert first.perceptual is not None
    assert second.perceptual is not None
    second.start_from(start.read(tmp_path / "checkpoint.safetensors"))
    assert_same(second.perceptual.tensors(), first.perceptual.tensors())
    assert second.iteration == 0
    wider = trainer(recipe(network=RANKED, perceptual=Perceptual(widths=(8, 8, 16))))
    with pytest.raises(ModelError, match="checkpoint"):
        wider.start_from(start.read(tmp_path / "checkpoint.safetensors"))


def test_broken_off_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = trainer(look_alone())
    run(whole, corpus(), [], tmp_path / "whole")
    first = trainer(look_alone())
    for _ in range(3):
        first.step(corpus())
    first.save(tmp_path / "half.safetensors")
    second = trainer(look_alone())
    second.resume(tmp_path / "half.safetensors")
    for _ in range(3):
        second.step(corpus())
    assert_same(second.network.state_dict(), whole.network.state_dict())


def test_its_model_has_both_looks(tmp_path: Path) -> None:
    made = trainer(look_alone(0.5))
    run(made, corpus(), [], tmp_path)
    source, target = tmp_path / "checkpoint.safetensors", tmp_path / "both.safetensors"
    export(source, target, name="both", licence="Apache-2.0", date="2026-01-01")
    model = store.load(tmp_path / "both.safetensors")
    assert set(model.card.looks) == {"faithful", "sharp"}
    for key, value in made.average.values.items():  # half of what the look adds is kept
        shown = 0.5 * value if key.endswith(".widen") else value
        assert torch.equal(model.tensors[key], shown.half()), key
    assert model.config.rank == 2


@pytest.mark.parametrize("kept", [0.0, -1.0, 1.5, math.nan])
def test_a_part_of_a_look_is_kept(kept: float) -> None:
    with pytest.raises(UsageError, match="give a number above 0, 1 at most"):
        look_alone(kept)
    with pytest.raises(UsageError, match="where the network has a rank"):
        recipe(perceptual=Perceptual(kept=0.5))


def test_what_judges_sees_one_window_of_all() -> None:
    images = [torch.arange(144.0).reshape(1, 1, 12, 12), torch.arange(144.0).reshape(1, 1, 12, 12)]
    generator, corners = torch.Generator().manual_seed(0), set()
    for _ in range(300):
        first, second = _anywhere(images, 4, generator)
        assert first.shape == (1, 1, 8, 8)
        assert torch.equal(first, second)
        corners.add((int(first[0, 0, 0, 0]) // 12, int(first[0, 0, 0, 0]) % 12))
    assert corners == {(top, left) for top in range(5) for left in range(5)}


def test_cells_repeat_after_their_side_or_a_multiple_of_it() -> None:
    """Of the shipped networks: on cells of 2, 3 and 4, and with levels whose coarsest cells are of 8."""
    assert [period(n) for n in (1, 2, 3, 4, 6, 8)] == [4, 4, 3, 4, 6, 8]


@pytest.mark.parametrize(("side", "cell"), [(2, 4), (4, 4), (2, 8), (4, 8), (8, 8)])
def test_a_lattice_is_what_repeats_from_cell_to_cell(side: int, cell: int) -> None:
    generator = torch.Generator().manual_seed(1)
    pattern = torch.randn(1, 3, side, side, generator=generator)
    count = 64 // side
    assert float(repeated(pattern.repeat(1, 1, count, count), cell)) == pytest.approx(
        float(pattern.abs().mean()), rel=1e-5
    )
    third = torch.randn(1, 3, 3, 3, generator=generator)
    seen = float(repeated(third.repeat(1, 1, 22, 22), 3))
    assert seen == pytest.approx(float(third.abs().mean()), rel=1e-5)
    # Of white noise, the means of 64 have an eighth of its deviation.
    noise = torch.randn(16, 3, 64, 64, generator=generator)
    expected = (2 / torch.pi) ** 0.5 / 8
    assert float(repeated(noise, 4)) == pytest.approx(expected, rel=0.1)
    third = (torch.arange(64) % 3 == 0).float() - 1 / 3  # a period that is not the cells'
    assert float(repeated(third.expand(1, 3, 64, 64), 4)) < 0.06


def test_the_spectral_gap_is_the_square_of_the_logarithm_of_the_ratio_of_powers() -> None:
    draw = torch.Generator().manual_seed(0)
    truth = 0.1 * torch.randn(2, 3, 60, 52, generator=draw)
    assert float(spectral_gap(truth, truth)) == 0
    assert float(spectral_gap(2 * truth + 0.3, truth)) == pytest.approx(math.log(4) ** 2, rel=0.02)
    other = 0.1 * torch.randn(2, 3, 60, 52, generator=draw)  # as much of everything, elsewhere
    assert float(spectral_gap(other, truth)) < 0.6
    even = torch.zeros(1, 3, 60, 52)
    assert float(spectral_gap(even + 0.5 / 255, even)) == 0


def test_the_spectral_gap_asks_for_what_is_missing() -> None:
    truth = 0.1 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    gain = torch.tensor(0.3, requires_grad=True)
    spectral_gap(gain * truth, truth).backward()
    assert gain.grad is not None
    assert float(gain.grad) == pytest.approx(8 * math.log(0.3) / 0.3, rel=0.02)


def test_what_is_added_costs_where_less_was_missing() -> None:
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).expand(
        -1, 3, -1, -1
    )
    for share in (0.0, 0.5, 1.0):
        assert float(excess(share * noise, noise)) == 0
    twice = float(excess(2 * noise, noise))  # of brightness, in each of three octaves
    assert twice == pytest.approx(3 * math.log(2), rel=1e-3)
    assert float(excess(-2 * noise, noise)) == pytest.approx(twice, rel=1e-6)
    right = (torch.arange(64) >= 32).float()
    assert float(excess(noise * (1 - right), noise * right)) > twice  # as much, elsewhere
    red = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    assert float(excess(red * noise, noise)) > 1  # less of it, in colours that were not there
    tenth = noise / 1275  # of a level
    assert float(excess(tenth, torch.zeros_like(noise))) < 3 * math.log(1.01)


@pytest.mark.parametrize("crop", [8, 20])
def test_an_excess_needs_a_crop_of_whole_octaves(crop: int) -> None:
    phase = Perceptual(share=1.0, excess=1.0, widths=(8, 8, 8))
    with pytest.raises(UsageError, match=f"crop {crop}: an excess is seen in 16 pixels or more"):
        recipe(crop=crop, network=RANKED, perceptual=phase)


def test_a_step_with_an_excess_trains_the_look_alone() -> None:
    """Untrained, nothing is added; a step later there is, and only the look has gradients."""
    terms = {"pixel": 0.0, "coarse": 0.0, "lpips": 0.0, "adversarial": 0.0, "excess": 1.0}
    draws = (replace(DRAWS[0], terms=terms),)
    made = trainer(replace(look_alone(), draws=draws))
    loss, _ = made.step(corpus())
    assert loss == 0
    with torch.no_grad():
        for name, value in made.network.named_parameters():
            if name.endswith(".widen"):
                value.add_(0.5 * torch.ones_like(value))
    loss, _ = made.step(corpus())
    assert loss > 0
    learned = {n for n, p in made.network.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned
    assert all(".widen" in name or ".narrow" in name for name in learned)
