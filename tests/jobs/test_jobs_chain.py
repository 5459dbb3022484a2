"""A stage that another task does: with its own weights, in the look and by the seed asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from outer_kit import Run, noise

import restorekit as rk
from restorekit.errors import PluginError, UsageError
from restorekit.images import from_array
from restorekit.jobs import plan
from restorekit.jobs.restorer import Restorer

PHOTOGRAPH = noise(60, 84).astype(np.float32) / 255


@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_cleaned_first_is_denoised_and_then_enlarged(look: str) -> None:
    """Two calls of Python, with nothing rounded between them, are a second implementation."""
    apart = rk.upscale(rk.denoise(PHOTOGRAPH, look=look), scale=1.5, look=look)
    made = rk.upscale(PHOTOGRAPH, scale=1.5, look=look, clean="always")
    np.testing.assert_allclose(made, apart, rtol=0, atol=2e-3)
    assert np.abs(made - rk.upscale(PHOTOGRAPH, scale=1.5, look=look)).mean() > 0.02


def test_strength_is_that_of_all_of_a_chain() -> None:
    """None of it is a plain resize, of the picture as it was given."""
    given = {"scale": 1.5, "strength": 0.0}
    left = rk.upscale(PHOTOGRAPH, clean="never", **given)
    assert np.array_equal(rk.upscale(PHOTOGRAPH, clean="always", **given), left)


def test_tiles_do_not_show_in_a_chain(restorer: Callable[..., Restorer]) -> None:
    picture = from_array(noise(200, 260))
    whole, cut = (restorer(clean="always", **tile)(picture) for tile in ({}, {"tile": 64}))
    assert np.array_equal(whole.color, cut.color)


def test_a_cascade_is_cleaned_once(restorer: Callable[..., Restorer]) -> None:
    made = restorer(scale=6.0, clean="always")
    cleaner = made._for("denoise")
    calls: list[Any] = []
    prepared = cleaner.hooks.restorekit_prepare

    def prepare(**given: Any) -> Any:
        calls.append(given)
        return prepared(**given)

    cleaner.hooks.restorekit_prepare = prepare
    assert made(from_array(noise(20, 24))).color.shape == (120, 144, 3)
    assert len(calls) == 1


def test_another_seed_is_every_task_s(restorer: Callable[..., Restorer]) -> None:
    made = restorer(clean="always")
    assert made._for("denoise") is made._for("denoise")
    assert made.seeded(7)._for("denoise").settings.seed == 7
    assert made._for("denoise").settings.seed == 0


def test_a_plan_counts_the_calls_of_both(restorer: Callable[..., Restorer]) -> None:
    plain, clean = (plan._work(restorer(clean=on), (90, 120)) for on in ("never", "always"))
    cleaner = plan._work(restorer(clean="always")._for("denoise"), (90, 120))
    assert clean.size == plain.size == (180, 240)
    assert clean.calls == plain.calls + cleaner.calls
    assert clean.pixels == plain.pixels + cleaner.pixels


def test_noise_is_told_of_or_taken_out() -> None:
    with pytest.raises(UsageError, match="--noise and --clean contradict each other"):
        rk.upscale(PHOTOGRAPH, noise=0.1, clean="always")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("nothing", "no installed plugin brings the task 'nothing'"),
        ("denoise-render", "its stage is for denoise-render, whose pictures are light"),
    ],
)
def test_a_task_that_cannot_do_it_is_told(
    restorer: Callable[..., Restorer], task: str, words: str
) -> None:
    made = restorer()
    made.hooks.restorekit_prepare = lambda inputs, options, **_: rk.Stage(inputs, options, task)
    with pytest.raises(PluginError, match=words):
        made(from_array(noise(20, 24)))


def test_on_the_command_line(upscale: Run) -> None:
    assert "--clean" in upscale("--help").out
