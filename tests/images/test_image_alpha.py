from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from restorekit.errors import UsageError
from restorekit.images import Picture, premultiply, quantise, read, write
from restorekit.images.alpha import over, unpremultiply, visible

UNIT = st.floats(0, 1, width=32)


@settings(max_examples=50, deadline=None)
@given(
    color=arrays(np.float32, (3, 4, 3), elements=UNIT),
    alpha=arrays(np.float32, (3, 4), elements=UNIT),
)
def test_dividing_undoes_multiplying_where_anything_shows(
    color: np.ndarray, alpha: np.ndarray
) -> None:
    again = unpremultiply(premultiply(color, alpha), alpha)
    assert again.dtype == np.float32
    assert np.isfinite(again).all()
    shows = alpha > 0.5 / 65535
    np.testing.assert_allclose(again[shows], color[shows], atol=2e-6)
    assert not again[~shows].any()
    if (alpha == 1).all():
        np.testing.assert_array_equal(premultiply(color, alpha), color)


def soft_disc(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A white disc with a soft edge, on black that does not show."""
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    alpha = np.clip((size * 0.35 - np.hypot(rows, columns)) / (size * 0.1) + 0.5, 0, 1)
    color = np.repeat((alpha > 0)[..., None], 3, axis=2)
    return color.astype(np.float32), alpha.astype(np.float32)


def resized(plane: np.ndarray, size: int) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


@pytest.mark.user("B1")
def test_a_soft_disc_gets_no_dark_fringe(tmp_path: Path) -> None:
    color, alpha = soft_disc(24)
    inside = premultiply(color, alpha)
    larger = np.stack([resized(inside[..., c], 96) for c in range(3)], axis=2)
    opacity = np.clip(resized(alpha, 96), 0, 1)
    restored = Picture(unpremultiply(larger, opacity), opacity, mode="RGBA")
    write(restored, tmp_path / "disc.png")
    found = read(tmp_path / "disc.png")
    assert found.alpha is not None
    shows = found.alpha > 0
    assert ((found.alpha > 0.1) & (found.alpha < 0.9)).sum() > 300
    assert found.color[shows].min() >= 1 - 2 / 255

    naive = np.stack([resized(color[..., c], 96) for c in range(3)], axis=2)
    assert naive[shows].min() < 1 - 20 / 255, "the test would not notice a fringe"


def test_over_white_is_what_a_viewer_shows() -> None:
    color = np.array([[[0.0, 0.5, 1.0]]], np.float32)
    for opacity in (0.0, 0.25, 1.0):
        laid = over(color, np.array([[opacity]], np.float32), 1.0)
        np.testing.assert_allclose(laid, color * opacity + (1 - opacity), atol=1e-7)


def test_colour_under_full_transparency_is_kept_in_files(tmp_path: Path) -> None:
    color = np.full((4, 4, 3), 0.2, np.float32)
    for suffix in (".png", ".webp", ".tif"):
        write(Picture(color, np.zeros((4, 4), np.float32)), tmp_path / f"a{suffix}")
        found = read(tmp_path / f"a{suffix}")
        np.testing.assert_array_equal(quantise(found.color, 8), quantise(color, 8))


def test_opaque_alpha_is_no_loss_for_jpeg(tmp_path: Path) -> None:
    opaque = Picture(np.full((4, 4, 3), 0.2, np.float32), np.ones((4, 4), np.float32))
    assert write(opaque, tmp_path / "a.jpg") == ()


@pytest.mark.parametrize(
    ("color", "alpha"),
    [
        (np.zeros((4, 4), np.float32), None),
        (np.zeros((4, 4, 2), np.float32), None),
        (np.zeros((4, 4, 3), np.float64), None),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 5), np.float32)),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.int32)),
    ],
)
def test_planes_of_the_wrong_kind_are_refused(color: np.ndarray, alpha: np.ndarray | None) -> None:
    with pytest.raises(UsageError):
        Picture(color, alpha)


def test_what_shows_a_little_is_kept_and_what_does_not_is_black() -> None:
    """At every depth, in the type it has."""
    for dtype in (np.uint8, np.uint16, np.float32):
        color = np.full((2, 3, 3), 1, dtype)
        alpha = np.array([[0, 1e-3, 1], [0, 0.5, 0]], np.float32)
        found = visible(Picture(color, alpha))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found[..., 0], [[0, 1, 1], [0, 1, 0]])
        assert visible(Picture(color)) is color
