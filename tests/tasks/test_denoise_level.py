"""The noise level that is found, and the pictures that training makes of clean ones."""

from __future__ import annotations

import math

import pytest
import torch
from restorekit_denoise import TASK, degrade, restorekit_degrade, restorekit_prepare
from restorekit_denoise.level import noise_level
from torch import Tensor

from restorekit.errors import UsageError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    planes = [torch.sin(rows / (25 + c)) * torch.cos(columns / (30 + c)) for c in range(3)]
    return 0.8 * torch.stack(planes)[None]


@pytest.mark.user("E6")
@pytest.mark.parametrize("sigma", [2, 5, 10, 25, 50])
@pytest.mark.parametrize("ground", ["flat", "smooth"])
def test_the_level_found_is_the_noise_s(ground: str, sigma: float) -> None:
    clean = torch.zeros(1, 3, 256, 257) if ground == "flat" else smooth(256, 257)
    noisy = clean + sigma / 127.5 * torch.randn(clean.shape, generator=generator())
    assert noise_level(noisy) == pytest.approx(sigma, rel=0.05)
    plan = restorekit_prepare({"image": noisy})
    assert plan.size == (256, 257)
    assert plan.note == {"noise": noise_level(noisy)}


def test_a_smooth_clean_picture_has_next_to_none() -> None:
    assert noise_level(smooth(200, 301)) < 0.1
    assert noise_level(torch.full((1, 3, 90, 90), 0.3)) == 0.0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (7, 2)])
def test_small_pictures_have_a_level(size: tuple[int, int]) -> None:
    level = noise_level(torch.randn(1, 3, *size, generator=generator()))
    assert math.isfinite(level)
    assert (level > 0) == (min(size) > 1)


def test_a_share_of_a_large_picture_s_rows_tells_as_much() -> None:
    """Above 2²⁴ values only some of the pairs of rows is looked at."""
    noisy = torch.randn(1, 3, 2400, 2400, generator=generator()).mul_(20 / 127.5)
    assert noise_level(noisy) == pytest.approx(20, rel=0.02)


def pictures(count: int = 6, side: int = 48) -> Tensor:
    return torch.rand(count, 3, side, side, generator=generator(1)) * 1.6 - 0.8


def made(kind: str, seed: int, clean: Tensor | None = None, **given: object) -> Tensor:
    options = TASK.check_degradation(kind, given)
    inputs = restorekit_degrade(pictures() if clean is None else clean, options, seed)
    assert set(inputs) == {"image"}
    return inputs["image"]


def on_levels(image: Tensor) -> bool:
    levels = (image + 1) * 127.5
    whole = (levels - levels.round()).abs().max() < 1e-3
    return bool(whole and image.min() >= -1 - 1e-6 and image.max() <= 1 + 1e-6)


@pytest.mark.parametrize("kind", [d.name for d in TASK.degradations])
def test_a_seed_means_the_same_degraded_pictures(kind: str) -> None:
    state, clean = torch.random.get_rng_state(), pictures()
    one = made(kind, 3, clean)
    assert one.shape == clean.shape
    assert one.dtype == torch.float32
    assert one.isfinite().all()
    assert torch.equal(one, made(kind, 3))
    assert (kind == "jpeg") == torch.equal(one, made(kind, 4))  # of one quality, no chance in it
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(clean, pictures())


@pytest.mark.parametrize("kind", ["gaussian", "sensor", "jpeg"])
def test_pictures_as_a_file_holds_them_are_on_its_levels(kind: str) -> None:
    assert on_levels(made(kind, 0, pictures() * 1.2))
    assert not on_levels(made("gaussian", 0, rounded=False))


def test_the_deviation_asked_for() -> None:
    clean = torch.zeros(2, 3, 200, 200)
    for sigma in (0.0, 15.0, 50.0):
        noise = made("gaussian", 1, clean, sigma=sigma, rounded=False)
        assert float(noise.std()) * 127.5 == pytest.approx(sigma, rel=0.02)
    assert abs(float((noise[0] * noise[1]).mean() / noise.var())) < 0.02


def test_sensor_noise_grows_with_brightness() -> None:
    """Deviation √(read² + shot² brightness); in units of 255."""
    ground = torch.full((1, 3, 300, 300), -0.5)
    ground[..., 150:] = 0.5
    noise = made("sensor", 0, ground, read=6.0, shot=20.0) - ground
    for part, brightness in ((noise[..., :150], 0.25), (noise[..., 150:], 0.75)):
        expected = math.sqrt(36 + 400 * brightness)
        assert float(part.std()) * 127.5 == pytest.approx(expected, rel=0.03)


def test_a_lower_quality_is_farther_from_the_picture() -> None:
    errors = [
        float((made("jpeg", 0, quality=q) - pictures()).square().mean()) for q in (95, 50, 10)
    ]
    assert errors == sorted(errors)
    assert errors[2] > 1.3 * errors[0]


WRONG = [
    ("blurred", {}, "has no degradation 'blurred'; it has blind, gaussian, sensor, jpeg"),
    ("gaussian", {"sigma": -1.0}, "--sigma"),
    ("gaussian", {"sigma": "much"}, "is not a number"),
    ("gaussian", {"rounded": 1}, "is not true or false"),
    ("gaussian", {"quality": 5}, "degradation gaussian of denoise has no option 'quality'"),
    ("jpeg", {"quality": 0}, "--quality 0 is out of range"),
    ("jpeg", {"quality": 10.5}, "whole number"),
    ("blind", {"sigma": 3.0}, "has no option 'sigma'; it has none"),
]


@pytest.mark.parametrize(("kind", "given", "words"), WRONG, ids=[str(w[:2]) for w in WRONG])
def test_options_of_a_degradation_are_checked(kind: str, given: dict, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        TASK.check_degradation(kind, given)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_usual_degradation_is_the_first() -> None:
    assert TASK.check_degradation(None, {}) == {"degradation": "blind"}


def test_a_blind_batch_has_some_of_everything() -> None:
    """Each picture a way and a strength of its own; the shares are those declared."""
    clean = rounded(0.4 * torch.randn(1500, 3, 8, 8, generator=generator(3)).clamp(-2, 2))
    noisy = made("blind", 0, clean)
    changed = (noisy != clean).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(sum(degrade.SHARES.values()), abs=0.03)
    levels = (noisy - clean).flatten(1).std(1)
    assert len(levels.unique()) > 1200
    whole = torch.tensor([on_levels(image[None]) for image in noisy[:300]]).float().mean()
    assert 0.3 < float(whole) < 0.8


def rounded(images: Tensor) -> Tensor:
    return ((images + 1) * 127.5).round() / 127.5 - 1


def test_blocks_of_jpeg_lie_anywhere() -> None:
    """The place of the grid, found from the lines across which the error jumps most."""
    clean, seen = smooth(96, 96), [set[int](), set[int]()]
    for seed in range(80):
        error = degrade._any_jpeg(clean, generator(seed)) - clean
        for axis in (2, 3):
            jump = error.diff(dim=axis).abs().mean((0, 1, 5 - axis))
            places = torch.stack([jump[k::8].mean() for k in range(8)])
            if places.max() > 2 * places.median():  # not of so high a quality that nothing is seen
                seen[axis - 2].add(int(places.argmax()))
    assert seen == [set(range(8))] * 2
