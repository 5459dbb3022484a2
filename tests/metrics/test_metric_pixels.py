"""PSNR, SSIM and luma: closed forms, identities, scikit-image, and refusals."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from metric_pictures import photo, unhurried

from restorekit.errors import ModelError, UsageError
from restorekit.metrics import lpips_distance, luma, psnr, ssim

pictures = hnp.arrays(np.uint8, st.sampled_from([(9, 12, 3), (9, 12), (1, 1, 3), (300, 2)]))


@pytest.mark.parametrize("d", [0.5, 0.1, 1 / 255, 1e-6])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (600, 4, 3)])
def test_constant_error(d: float, shape: tuple[int, ...]) -> None:
    zero = np.zeros(shape)
    assert psnr(zero + d, zero) == pytest.approx(-20 * math.log10(d), abs=1e-9)


@pytest.mark.parametrize("d", [0.5, 0.1, 1 / 255])
def test_constant_error_on_y_is_smaller_by_the_studio_range(d: float) -> None:
    zero = np.zeros((6, 7, 3))
    expected = -20 * math.log10(d * 219 / 255)
    assert psnr(zero + d, zero, channels="y") == pytest.approx(expected, abs=1e-9)


@unhurried
@given(pictures)
def test_identical_pictures(picture: np.ndarray) -> None:
    assert psnr(picture, picture) == math.inf
    assert psnr(picture, picture, channels="y") == math.inf


@unhurried
@given(pictures, st.integers(0, 2**32 - 1), st.sampled_from(["rgb", "y"]))
def test_psnr_is_symmetric_and_one_for_all_dtypes(a: np.ndarray, seed: int, channels: str) -> None:
    b = np.random.default_rng(seed).integers(0, 256, a.shape).astype(np.uint8)
    once = psnr(a, b, channels=channels)
    assert psnr(b, a, channels=channels) == pytest.approx(once, abs=1e-9)
    assert psnr(a / 255, b / 255, channels=channels) == pytest.approx(once, abs=1e-9)
    assert psnr(a / 255, b, channels=channels) == pytest.approx(once, abs=1e-9)


@unhurried
@given(hnp.arrays(np.uint8, (9, 12)), hnp.arrays(np.uint8, (9, 12)))
def test_grey_scores_as_its_rgb_copy(a: np.ndarray, b: np.ndarray) -> None:
    rgb = [np.stack([grey] * 3, -1) for grey in (a, b)]
    for channels in ("rgb", "y"):
        expected = pytest.approx(psnr(*rgb, channels=channels), abs=1e-9)
        assert psnr(a, b, channels=channels) == expected


def test_psnr_and_ssim_equal_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = photo(seed=1), photo(seed=2)
    assert psnr(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(a, b), abs=1e-9)
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = metrics.structural_similarity(a, b, channel_axis=-1, data_range=255, **wang)
    assert ssim(a, b) == pytest.approx(expected, abs=1e-9)
    y = [luma(image) * 255 for image in (a, b)]
    expected = metrics.structural_similarity(*y, data_range=255, **wang)
    assert ssim(a, b, channels="y") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("channels", ["rgb", "y"])
def test_ssim_of_identical_is_one_and_of_constants_is_closed(channels: str) -> None:
    pytest.importorskip("skimage")
    assert ssim(photo(), photo(), channels=channels) == pytest.approx(1, abs=1e-12)
    low, high = np.full((16, 16), 0.25), np.full((16, 16), 0.75)
    m, n = (luma(low)[0, 0], luma(high)[0, 0]) if channels == "y" else (0.25, 0.75)
    expected = (2 * m * n + 1e-4) / (m**2 + n**2 + 1e-4)
    assert ssim(low, high, channels=channels) == pytest.approx(expected, abs=1e-9)


def test_the_border_is_not_looked_at() -> None:
    pytest.importorskip("skimage")
    a, b = photo(seed=1), photo(seed=2)
    spoilt = a.copy()
    spoilt[:4], spoilt[-4:], spoilt[:, :4], spoilt[:, -4:] = 0, 255, 0, 255
    for metric in (psnr, ssim):
        assert metric(spoilt, b, border=4) == metric(a, b, border=4)
        assert metric(a, b, border=4) == metric(a[4:-4, 4:-4], b[4:-4, 4:-4])
        assert metric(spoilt, b, border=3) != metric(a, b, border=3)


def test_luma_of_the_colour_bars() -> None:
    """BT.601, Table 3: the 100 % bars white, yellow, cyan, green, magenta, red, blue, black."""
    bars = np.array([[7, 6, 3, 2, 5, 4, 1, 0]]).T
    rgb = (bars[..., None] >> np.array([2, 1, 0]) & 1).astype(float)
    levels = np.round(luma(rgb) * 255).astype(int).ravel().tolist()
    assert levels == [235, 210, 170, 145, 106, 81, 41, 16]
    assert luma(np.zeros((2, 3)))[0, 0] == 16 / 255


U8 = np.zeros((32, 32, 3), np.uint8)


@pytest.mark.user("K1")
@pytest.mark.parametrize("metric", [psnr, ssim, lpips_distance])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.full((32, 32, 3), -1.0), ["-1", "[0, 1]"]),
        (np.full((32, 32, 3), 255.0), ["255", "[0, 1]"]),
        (np.full((32, 32, 3), np.nan), ["nan", "[0, 1]"]),
        (np.zeros((32, 32, 3), np.uint16), ["uint16", "uint8"]),
        (np.zeros((32, 32, 3), bool), ["bool", "uint8"]),
        (np.zeros((3, 32, 32)), ["(3, 32, 32)", "(H, W, 3)"]),
        (np.zeros((32, 32, 4)), ["(32, 32, 4)", "(H, W, 3)"]),
        (np.zeros((0, 32, 3)), ["(0, 32, 3)"]),
        ([[0.0]], ["list", "numpy"]),
    ],
)
def test_wrong_pictures_are_refused(metric, bad, words: list[str]) -> None:
    for pair, which in (((bad, U8), "first"), ((U8, bad), "second")):
        with pytest.raises(UsageError) as caught:
            metric(*pair)
        assert all(word in str(caught.value) for word in [*words, which])


@pytest.mark.parametrize("metric", [psnr, ssim, lpips_distance])
def test_two_shapes_are_both_named(metric) -> None:
    with pytest.raises(UsageError, match=r"\(32, 32, 3\) but the second has \(32, 33, 3\)"):
        metric(U8, np.zeros((32, 33, 3)))
    with pytest.raises(UsageError, match=r"\(32, 32, 3\) but the second has \(32, 32\)"):
        metric(U8, np.zeros((32, 32)))


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_wrong_border_and_channels_are_refused(metric) -> None:
    with pytest.raises(UsageError, match="border is 16 pixels for a picture of 32x32; give 0 to"):
        metric(U8, U8, border=16)
    with pytest.raises(UsageError, match="border is -1"):
        metric(U8, U8, border=-1)
    with pytest.raises(UsageError, match="channels is 'Y'"):
        metric(U8, U8, channels="Y")


def test_ssim_needs_its_window() -> None:
    with pytest.raises(UsageError, match="SSIM needs 11 pixels"):
        ssim(U8, U8, border=11)


def test_absent_scikit_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(ModelError, match=r"pip install 'restorekit\[metrics\]'"):
        ssim(U8, U8)
