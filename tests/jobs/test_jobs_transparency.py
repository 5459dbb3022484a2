"""Colours that go on beneath transparency."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from restorekit.jobs.transparency import continued

UNIT = st.floats(0, 1, width=32)


@settings(max_examples=50, deadline=None)
@given(
    colour=arrays(np.float32, 3, elements=UNIT),
    alpha=arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=UNIT),
)
def test_an_even_colour_goes_on_evenly(colour: np.ndarray, alpha: np.ndarray) -> None:
    hidden = np.random.default_rng(0).random((*alpha.shape, 3), np.float32)
    shows = alpha > 0
    found = continued(np.where(shows[..., None], colour, hidden), alpha)
    assert found.dtype == np.float32
    if (alpha > 1e-4).any():
        np.testing.assert_allclose(found, np.broadcast_to(colour, found.shape), atol=1e-5)


def test_what_shows_well_is_kept_and_the_nearest_of_it_goes_on() -> None:
    color = np.random.default_rng(1).random((40, 40, 3), np.float32)
    color[:, :12], color[:, 28:] = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
    alpha = np.zeros((40, 40), np.float32)
    alpha[:, :12], alpha[:, 28:] = 1, 0.1
    found = continued(color, alpha)
    np.testing.assert_array_equal(found[alpha > 0], color[alpha > 0])
    assert (found[:, 12:16] - found[:, 24:28])[..., 0].min() > 0.1  # redder beside the red
    assert found.min() >= 0.1 - 1e-6
    assert found.max() <= 0.9 + 1e-6
