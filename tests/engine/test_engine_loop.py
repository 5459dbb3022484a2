"""The promise: tiles, bands, batches and threads do not show; known pixels are exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from engine_oracles import few
from engine_rig import (
    EVERYTHING,
    NATIVE,
    NUMBERS,
    WIDE,
    Rig,
    awake,
    need,
    run,
    spoil,
    threads,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from restorekit.engine.conditioning import Condition, start_from
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.loop import Run, StepEvent
from restorekit.engine.noise import noise_at
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.tiles import Box
from restorekit.engine.unet import UNetConfig

METHODS = {
    "faithful": run(start_noise=0.0),
    "one": run(),
    "ddim": run("ddim", 2),
    "ancestral": run("ancestral", 3),
    "heun": run("heun", 3),
    "dpm++2m": run("dpm++2m", 3, start_noise=0.7),
}
CUTS = [(1, 3), (150_000, 2), (45_000, 1)]  # (budget, batch); 1 forces the smallest tiles


def assert_tiles_do_not_show(rig: Rig, runs: list[Run], cuts=CUTS, **options) -> Tensor:
    whole = rig.restore(rig.engine(), runs, **options)
    for budget, batch in cuts:
        cut = rig.restore(rig.engine(budget, batch), runs, **options)
        assert torch.equal(cut, whole), f"{int((cut != whole).sum())} values at {budget}, {batch}"
    return whole


@pytest.mark.parametrize("method", METHODS)
def test_tiles_do_not_show_in_bfloat16(method: str) -> None:
    need(torch.bfloat16)
    assert_tiles_do_not_show(Rig(300, 217), [METHODS[method]])


@pytest.mark.parametrize("method", METHODS)
def test_tiles_do_not_show_in_float32(method: str) -> None:
    rig = Rig(300, 217, WIDE, torch.float32, radius=47)
    assert_tiles_do_not_show(rig, [METHODS[method]], CUTS[:2])


@pytest.mark.user("D3")
@pytest.mark.user("D4")
@pytest.mark.parametrize("size", [(1, 1), (5, 700), (700, 5), (64, 128), (129, 65)])
@pytest.mark.parametrize("method", ["faithful", "ancestral"])
def test_tiles_do_not_show_at_any_size(method: str, size: tuple[int, int]) -> None:
    # A batch of 1 and one of 2 are different algorithms to torch for small windows of float32.
    assert_tiles_do_not_show(Rig(*size), [METHODS[method]], CUTS if NATIVE else [(1, 1)])


@pytest.mark.parametrize("size", [(5, 700), (129, 65)])
def test_tiles_do_not_show_at_any_size_in_float32(size: tuple[int, int]) -> None:
    rig = Rig(*size, WIDE, torch.float32, radius=192)  # windows of at least 64 × 256
    assert_tiles_do_not_show(rig, [METHODS["faithful"]])
    assert_tiles_do_not_show(rig, [METHODS["ancestral"]], CUTS[:1])


@pytest.mark.parametrize("path", ["i2sb", "vp", "resshift", "rectified_flow"])
def test_tiles_do_not_show_on_other_paths(path: str) -> None:
    assert_tiles_do_not_show(Rig(140, 200, path=path), [METHODS["ancestral"]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_tiles_do_not_show_with_everything_at_once(dtype: torch.dtype) -> None:
    """Known pixels, a correction, half strength, and three weighted runs of several steps."""
    need(dtype)
    rig = Rig(300, 217, WIDE, dtype, radius=47, with_known=True)
    runs = [
        run("ancestral", 2, weight=0.5),
        run("heun", 2, numbers={"look": 1.0}, weight=0.3),
        run(start_noise=0.0, weight=0.2),
    ]
    made = assert_tiles_do_not_show(rig, runs, CUTS[:2], correct=spoil, strength=0.5, seed=5)
    known = (rig.mask > 0.5).expand_as(made)
    assert torch.equal(made[known], rig.values[known])
    assert not torch.equal(made, rig.restore(rig.engine(), runs, correct=spoil, strength=0.5))


@pytest.mark.parametrize("count", [2, 3])
def test_threads_do_not_bring_tiles_out(count: int) -> None:
    """Each thread's share of a tensor ends anywhere when the threads are no power of two."""
    config = replace(WIDE, widths=(32, 128))  # so that three threads do not share evenly
    rig = Rig(300, 217, config, torch.float32, radius=47)
    with threads(count):
        assert_tiles_do_not_show(rig, [METHODS["ddim"]], [(1, 2)])


def test_too_small_a_radius_would_show() -> None:
    """The tests above can fail."""
    rig = Rig(300, 217, radius=0)
    whole = rig.restore(rig.engine(), [METHODS["faithful"]])
    cut = rig.restore(rig.engine(1), [METHODS["faithful"]])
    assert not torch.equal(cut, whole)


PICTURE = (..., slice(16, 166), slice(16, 106))  # in its frame


def mirrored(image: Tensor) -> Tensor:
    rows, columns = ((16, 16 + -(side + 32) % 64) for side in image.shape[-2:])
    return torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), rows, columns), "symmetric"))


def padded(rig: Rig) -> Condition:
    return Condition(mirrored(rig.source), mirrored(rig.concat), NUMBERS)


def test_it_is_the_network_on_the_padded_picture() -> None:
    """A second implementation of the faithful look, without regions, tiles or samplers."""
    rig = Rig(150, 90, WIDE, torch.float32, radius=47)
    known = padded(rig)
    numbers = torch.tensor([[NUMBERS["scale"], NUMBERS["look"]]])
    answer = awake(WIDE)(torch.zeros_like(known.source), known.concat, torch.ones(1), numbers)
    expected = (known.source + 0.12 * answer)[PICTURE]
    made = rig.restore(rig.engine(1), [METHODS["faithful"]])
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


def test_several_steps_are_the_published_chain_on_the_padded_picture() -> None:
    """Three ancestral steps of the flow from the source, with everything the loop adds, by hand."""
    rig = Rig(150, 90, WIDE, torch.float32, radius=47, with_known=True)
    known = padded(rig)
    denoiser, times, seed = rig.denoiser(), [1.0, 2 / 3, 1 / 3, 0.0], 11
    y, everywhere = known.source, Box(-16, -16, *known.source.shape[-2:])
    known = known.with_numbers(look=0.5)
    mask = mirrored(rig.mask) > 0.5
    values = mirrored(rig.values)
    with torch.inference_mode():
        x = y + 0.1 * noise_at(everywhere, 3, seed=seed, step=0)
        for i, (t, s) in enumerate(pairwise(times)):
            x0_hat = denoiser(x, torch.tensor(t), known)
            x0_hat[PICTURE] = spoil(Box(0, 0, 150, 90), x0_hat[PICTURE], t)
            x0_hat = torch.where(mask, values, x0_hat)
            sigma_t, sigma_s = 0.1 * t, 0.1 * s
            fresh = (
                sigma_s * math.sqrt(1 - ((1 - t) * sigma_s / (1 - s) / sigma_t) ** 2) if s else 0
            )
            noise = (x - (1 - t) * x0_hat - t * y) / sigma_t
            x = (1 - s) * x0_hat + s * y + math.sqrt(sigma_s**2 - fresh**2) * noise
            x = x + fresh * noise_at(everywhere, 3, seed=seed, step=i + 1)
    expected = torch.where(mask, values, y + 0.75 * (x - y))[PICTURE]
    run_it = run("ancestral", 3, numbers={"look": 0.5})
    made = rig.restore(rig.engine(1, 2), [run_it], correct=spoil, strength=0.75, seed=seed)
    torch.testing.assert_close(made, expected, rtol=0, atol=2e-5)


def test_runs_are_averaged_by_their_weights() -> None:
    rig = Rig(70, 50)
    single = [METHODS["faithful"], run("ancestral", 2, numbers={"look": 1.0})]
    parts = [rig.restore(rig.engine(), [r], seed=3) for r in single]
    both = [
        run(start_noise=0.0, weight=0.25),
        run("ancestral", 2, numbers={"look": 1.0}, weight=0.75),
    ]
    made = rig.restore(rig.engine(), both, seed=3)
    torch.testing.assert_close(made, 0.25 * parts[0] + 0.75 * parts[1], rtol=0, atol=1e-6)
    assert float((parts[0] - parts[1]).abs().max()) > 1e-3


def test_strength_keeps_a_share_of_what_was_changed() -> None:
    rig = Rig(70, 50)
    whole = rig.restore(rig.engine(), [METHODS["faithful"]])
    half = rig.restore(rig.engine(), [METHODS["faithful"]], strength=0.5)
    none = rig.restore(rig.engine(), [METHODS["faithful"]], strength=0.0)
    assert torch.equal(none, rig.source)
    torch.testing.assert_close(half, (whole + rig.source) / 2, rtol=0, atol=1e-6)


def test_known_pixels_are_exact_whatever_the_values() -> None:
    """Bit for bit, with values that arithmetic would round: 1e-30 beside 1, and −0."""
    rig = Rig(70, 50, with_known=True)
    rig.values[..., ::2] *= 1e-30
    rig.values[..., 1::4] = -0.0
    made = rig.restore(rig.engine(), [run("heun", 3)], correct=spoil, strength=0.3)
    known = (rig.mask > 0.5).expand_as(made)
    assert torch.equal(made[known].view(torch.int32), rig.values[known].view(torch.int32))
    assert not torch.equal(made[~known], rig.values[~known])


@pytest.mark.user("M1")
def test_the_seed_decides_and_nothing_else() -> None:
    rig = Rig(70, 50)
    state = torch.random.get_rng_state()
    one, again, other = (
        rig.restore(rig.engine(), [METHODS["ancestral"]], seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


Answer = Callable[[Tensor, Tensor, Condition], Tensor]


def stub(path: str = "flow_from_source") -> tuple[Answer, list[Tensor]]:
    """A denoiser that answers with the source, and what it was given as x_t."""
    given: list[Tensor] = []

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        given.append(x.clone())
        assert x.shape == condition.source.shape
        return condition.source.clone()

    return denoise, given


def test_sampling_starts_at_the_mean_with_noise_of_its_place() -> None:
    for path in ("flow_from_source", "vp", "rectified_flow", "i2sb"):
        rig = Rig(64, 128, path=path)
        denoise, given = stub()
        rig.restore(rig.engine(denoise=denoise), [run(start_noise=0.5)], seed=9)
        alpha, gamma, sigma = (float(c) for c in PATHS[path]().at(1.0))
        noise = noise_at(Box(0, 0, 64, 128), 3, seed=9)
        expected = (alpha + gamma) * rig.source + 0.5 * sigma * noise
        torch.testing.assert_close(given[0][..., 16:80, 16:144], expected, rtol=0, atol=1e-6)


def test_a_start_nearer_to_the_picture() -> None:
    """SDEdit (Meng 2022): from t < 1 the source stands for x0."""
    rig = Rig(64, 64, path="vp")
    denoise, given = stub()
    part_way = Run(SAMPLERS["ddim"], [0.4, 0.0])
    rig.restore(rig.engine(denoise=denoise), [part_way], seed=9)
    alpha, _, sigma = (float(c) for c in PATHS["vp"]().at(0.4))
    expected = alpha * rig.source + sigma * noise_at(Box(0, 0, 64, 64), 3, seed=9)
    torch.testing.assert_close(given[0][..., 16:80, 16:80], expected, rtol=0, atol=1e-6)


def test_numbers_change_after_the_first_call() -> None:
    rig, seen = Rig(64, 64), list[tuple[float, float, float]]()

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append((float(t), float(condition.numbers["look"]), float(condition.numbers["scale"])))
        return condition.source.clone()

    both = {"look": 1.0, "scale": 3.0}
    for later in ({"look": 0.0}, {}):
        given = run("ddim", 3, numbers=both, later=later)
        rig.restore(rig.engine(denoise=denoise), [given])
    looks = [look for _, look, _ in seen]
    assert looks == [1, 0, 0, 1, 1, 1]
    assert {scale for *_, scale in seen} == {3.0}
    assert [t for t, *_ in seen[:3]] == pytest.approx([1, 2 / 3, 1 / 3])


def test_a_condition_s_own_start_scales_the_times() -> None:
    """start_from: from its time on, the same steps as a run whose times are those."""
    rig, seen = Rig(150, 90), list[float]()
    plain = rig.condition

    def nearer(box: Box) -> Condition:
        return start_from(plain(box), 0.5)

    whole = rig.restore(rig.engine(), [Run(SAMPLERS["ancestral"], [0.5, 0.25, 0.0])])
    rig.condition = nearer  # type: ignore[method-assign]
    assert torch.equal(whole, rig.restore(rig.engine(), [run("ancestral", 2)]))
    assert torch.equal(whole, rig.restore(rig.engine(1, 2), [run("ancestral", 2)]))

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(float(t))
        return condition.source.clone()

    rig.restore(rig.engine(denoise=denoise), [run("ddim", 4)])
    assert seen == [0.5, 0.375, 0.25, 0.125]


@pytest.mark.user("D5")
@few
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 500)),
    st.integers(36_864, 400_000),  # one multiple with its margins is 192²
    st.integers(1, 3),
    st.sampled_from(["faithful", "ancestral", "heun"]),
)
def test_no_call_is_above_the_budget_and_all_is_covered(
    size: tuple[int, int], budget: int, batch: int, method: str
) -> None:
    rig = Rig(*size, radius=47)
    denoise, given = stub()
    corrected: list[Box] = []

    def correct(box: Box, x0_hat: Tensor, t: float) -> Tensor:
        corrected.append(box)
        assert x0_hat.shape[-2:] == (box.height, box.width)
        return x0_hat

    engine = rig.engine(budget, batch, denoise=denoise)
    rig.restore(engine, [METHODS[method]], correct=correct)
    for x in given:
        assert len(x) <= batch
        assert x.shape[-2] * x.shape[-1] <= budget
        assert x.shape[-2] % 64 == x.shape[-1] % 64 == 0
    for box in [*rig.asked, *corrected]:
        assert box.top >= 0 <= box.left
        assert box.bottom <= size[0]
        assert box.right <= size[1]
        assert box.pixels > 0


def test_a_picture_is_cut_only_where_it_must_be() -> None:
    rig = Rig(300, 217, radius=47)
    for method in METHODS.values():
        denoise, given = stub()
        rig.restore(rig.engine(denoise=denoise), [method])
        assert {tuple(x.shape) for x in given} == {(1, 3, 384, 256)}
        assert len(given) <= method.evaluations


def test_observers_see_every_call() -> None:
    rig, events = Rig(300, 217), list[StepEvent]()
    rig.restore(rig.engine(), [run("ancestral", 3)], watch=events.append)
    assert [(e.step, e.steps) for e in events] == [(1, 3), (2, 3), (3, 3)]
    assert [e.t for e in events] == pytest.approx([1.0, 2 / 3, 1 / 3])
    for event in events:
        assert event.x0_hat.shape[-2:] == (event.box.height, event.box.width)
    made = rig.restore(rig.engine(1), [METHODS["faithful"]], watch=events.append)
    tiles = events[3:]
    assert sum(e.box.pixels for e in tiles) == 300 * 217
    for event in tiles:
        assert torch.equal(event.x0_hat, made[(..., *event.box.slices())])


@pytest.mark.parametrize("start", [1.0, 0.5])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_last_event_says_that_it_is_the_last(sampler: str, start: float) -> None:
    """Also where calls are spared, as Heun's at α = 0; from t < 1 there is no such start."""
    rig, events = Rig(64, 64), list[StepEvent]()
    plain = rig.condition
    rig.condition = lambda box: start_from(plain(box), start)  # type: ignore[method-assign]
    rig.restore(rig.engine(denoise=stub()[0]), [run(sampler, 4)], watch=events.append)
    assert [event.step for event in events] == list(range(1, len(events) + 1))
    assert {event.steps for event in events} == {len(events)}


def test_numbers_of_a_run_reach_the_network() -> None:
    seen: list[dict] = []

    def denoise(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        seen.append(dict(condition.numbers))
        return condition.source.clone()

    rig = Rig(64, 64)
    rig.restore(rig.engine(denoise=denoise), [run(numbers={"look": 1.0, "extra": 2.0})])
    assert seen == [{**NUMBERS, "look": 1.0, "extra": 2.0}]


def test_a_model_needs_no_concatenated_image() -> None:
    config = UNetConfig(concat=0, widths=(24, 96), blocks=(1, 1), numbers=("look",))
    rig = Rig(150, 90, config)
    rig.concat = None  # type: ignore[assignment]
    assert_tiles_do_not_show(rig, [METHODS["ancestral"]])


def test_everything_is_a_budget_above_any_picture() -> None:
    assert EVERYTHING > 400_000_000
    assert isinstance(Rig(8, 8).denoiser(), Preconditioned)
