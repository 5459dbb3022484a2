"""A blur that nobody names: found in the spectrum, by closed forms, a second fit, and on photographs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from distributions import installed
from outer_kit import REPOSITORY, Run, save

import restorekit
from restorekit.metrics import psnr
from restorekit.testing import photograph

PACKAGE = REPOSITORY / "plugins" / "deblur"
optimize = pytest.importorskip("scipy.optimize")


@pytest.fixture(autouse=True)
def plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> Iterator[None]:
    """The plugin, as if its wheel were installed."""
    yield from installed(PACKAGE, tmp_path / "site", monkeypatch, fresh_plugins)


def field(side: int, slope: float = -2.0, seed: int = 0) -> torch.Tensor:
    """(1, 3, side, side) grey: a random field whose power falls as f to the slope."""
    draw = torch.Generator().manual_seed(seed)
    f = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side))
    f[0, 0] = 1.0
    white = torch.fft.rfft2(torch.randn(side, side, generator=draw))
    plane = torch.fft.irfft2(white * f ** (slope / 2), s=(side, side))
    return (plane / plane.std() * 0.3).expand(1, 3, -1, -1)


def seen(image: torch.Tensor, shape: str, extent: float, angle: float = 0.0) -> torch.Tensor:
    """The image blurred, with noise of two levels, rounded to 8 bits."""
    from restorekit_deblur import TASK, restorekit_degrade

    options = TASK.check_options({"shape": shape, "blur": extent, "angle": angle})
    return restorekit_degrade(image, {**options, "level": 2.0}, seed=3)["image"]


BLURS = [
    ("gaussian", 0.8, 0.0),
    ("gaussian", 1.6, 0.0),
    ("gaussian", 3.0, 0.0),
    ("disc", 3.0, 0.0),
    ("disc", 6.5, 0.0),
    ("motion", 6.0, 90.0),
    ("motion", 15.0, 30.0),
    ("motion", 24.0, 117.0),
]


@pytest.mark.parametrize(("shape", "extent", "angle"), BLURS)
@pytest.mark.parametrize("slope", [-1.8, -2.2])
def test_a_blur_of_a_field_of_known_spectrum_is_found(
    shape: str, extent: float, angle: float, slope: float
) -> None:
    from restorekit_deblur import estimate

    found = estimate.completed(seen(field(256, slope), shape, extent, angle))
    assert found.shape == shape
    assert found.extent == pytest.approx(extent, rel=0.06)
    if shape == "motion":
        assert abs((found.angle - angle + 90) % 180 - 90) <= 3


def test_what_is_given_is_kept() -> None:
    from restorekit_deblur import estimate

    picture = seen(field(256), "motion", 15, 30)
    assert estimate.completed(picture, "gaussian", 1.3) == ("gaussian", 1.3, 0)
    assert estimate.completed(picture, "motion", 9.0, 200.0) == ("motion", 9, 200)
    assert estimate.completed(picture, "disc").shape == "disc"
    assert estimate.completed(picture, "motion", 15.0) == ("motion", 15, pytest.approx(30, abs=3))
    found = estimate.completed(picture, "motion", None, 30.0)
    assert found == ("motion", pytest.approx(15, rel=0.05), 30)
    assert estimate.completed(picture, None, 40.0).extent == 40  # wider than is looked for


@pytest.mark.parametrize("size", [(1, 1), (31, 500), (32, 40), (64, 33)])
def test_where_nothing_can_be_seen_nothing_is_found(size: tuple[int, int]) -> None:
    from restorekit_deblur import estimate

    flat = torch.zeros(1, 3, *size)
    assert estimate.completed(flat) is None
    assert estimate.completed(flat, "motion") is None
    assert estimate.completed(flat, "motion", 5.0) == ("motion", 5, 0)


def test_a_sharp_picture_stays_as_it_is() -> None:
    from restorekit_deblur import estimate

    picture = photograph(160, 160, seed=1)
    sharp = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert estimate.completed(sharp) == estimate.SHARP
    np.testing.assert_array_equal(restorekit.deblur(picture), picture)
    assert np.any(restorekit.deblur(picture, shape="gaussian", blur=0.5, iterations=1) != picture)


def test_the_fit_is_the_best_there_is() -> None:
    """Against scipy's minimum of the same function, from another start."""
    from restorekit_deblur import estimate

    image = seen(field(256, -1.9), "gaussian", 1.6)
    power, frequencies, inside = estimate._periodogram(image.mean(1)[0] * 127.5, 128)
    responses = torch.stack(
        [estimate._response(estimate.Blur(*blur), 128)[inside] for blur in BLURS]
    )
    found = estimate._misfits(power, responses, frequencies)
    p, log_f = power.double().numpy(), frequencies.log().double().numpy()
    for response, misfit in zip(responses.double().numpy(), found, strict=True):

        def whittle(x: np.ndarray, response: np.ndarray = response) -> float:
            model = np.exp(x[0] + x[1] * log_f) * response + np.exp(x[2])
            cost = estimate._SURE / 2 * (x[1] - estimate._SLOPE) ** 2
            return float((np.log(model) + p / model).mean() + cost)

        best = optimize.minimize(whittle, (0.0, -1.0, 0.0), method="Nelder-Mead", tol=1e-7)
        assert float(misfit) == pytest.approx(best.fun, abs=2e-3)
    assert int(found.argmin()) == 1


def test_a_response_is_what_windowed_blocks_of_blurred_noise_have() -> None:
    """On the mean, over many blocks: the window smooths a response, and its zeros with it."""
    from restorekit_deblur import estimate, kernels

    blur = estimate.Blur("motion", 12.0, 20.0)
    draw = torch.Generator().manual_seed(0)
    noise = 40 * torch.randn(1, 1, 1500, 1500, generator=draw)
    blurred = kernels.convolved(noise, kernels.of_shape(*blur))[0, 0]
    power, _, inside = estimate._periodogram(blurred, 64)
    expected = 1600 * estimate._response(blur, 64)[inside] + 1 / 12
    ratio = power / expected
    assert float(ratio.mean()) == pytest.approx(1, abs=0.02)
    assert float(ratio.std()) < 0.15
    large = estimate._response(estimate.Blur("gaussian", 20.0), 64)
    assert large.shape == (64, 33)
    assert float(large[0, 0]) == pytest.approx(2 / 3 * 2 / 3, abs=0.05)  # all but alone there


def test_the_plan_says_what_was_found(run: Run, tmp_path: Path) -> None:
    blurred = seen(field(128), "motion", 11, 60)
    pixels = ((blurred[0].permute(1, 2, 0) + 1) * 127.5).clamp(0, 255).round().numpy()
    save(tmp_path / "in" / "a.png", pixels.astype(np.uint8))
    ran = run("deblur", tmp_path / "in", "-o", tmp_path / "out", "--iterations", 2)
    assert ran.code == 0, ran.err
    lines = (tmp_path / "out" / "restorekit-manifest.jsonl").read_text(encoding="utf-8")
    facts = json.loads(lines.splitlines()[-1])["facts"]
    assert facts["shape"] == "motion"
    assert facts["blur"] == pytest.approx(11, rel=0.1)
    assert facts["angle"] == pytest.approx(60, abs=5)
    assert facts["noise"] > 0


@pytest.mark.parametrize("blurred", [True, False])
def test_a_picture_decides_for_its_alpha_and_its_further_frames(blurred: bool) -> None:
    import restorekit_deblur as plugin

    options = plugin.TASK.check_options({"iterations": 1})
    image = seen(field(128), "motion", 11, 60) if blurred else field(128)
    plan = plugin.restorekit_prepare({"image": image}, options)
    assert (plan.areas == ()) is not blurred
    other = seen(field(128), "disc", 4, 0)
    again = plugin.restorekit_prepare({"image": other}, {**options, **plan.settled})
    assert (again.settled, again.areas) == (plan.settled, plan.areas)
    assert plan.settled != plugin.restorekit_prepare({"image": other}, options).settled
    black = plugin.restorekit_prepare({"image": 0 * image - 1}, options)
    assert (black.settled, black.areas) == ({}, ())  # a film that begins in the dark is seen later


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "extent", "angle"), [("gaussian", 1.6, 0.0), ("motion", 13.0, 110.0)]
)
def test_a_blur_that_nobody_names_is_undone(shape: str, extent: float, angle: float) -> None:
    """Nearer to the truth than the blurred picture, by more than a decibel."""
    data = pytest.importorskip("skimage.data")
    truth = np.ascontiguousarray(data.astronaut()[100:292, 100:324])
    clean = torch.from_numpy(truth).permute(2, 0, 1)[None].float() / 127.5 - 1
    image = seen(clean, shape, extent, angle)[0].permute(1, 2, 0)
    given = ((image + 1) * 127.5).round().numpy().astype(np.uint8)
    assert psnr(restorekit.deblur(given), truth) > psnr(given, truth) + 1
