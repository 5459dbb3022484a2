"""Degradations against libjpeg, scipy and kornia, and by the laws they state."""

from __future__ import annotations

import io
import math
from functools import cache

import kornia
import numpy as np
import pytest
import torch
from engine_oracles import images
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from restorekit.degradations import blur, jpeg, quantisation_tables, sensor_noise, to_levels


@cache
def photograph() -> Tensor:
    """(1, 3, 250, 250) in [−1, 1], whole levels: a photograph that scikit-image brings along."""
    from skimage import data

    pixels = torch.from_numpy(data.astronaut()[20:270, 100:350].copy())
    return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1


def to_pixels(image: Tensor) -> np.ndarray:
    levels = (image[0] + 1) * 127.5
    assert float((levels - levels.round()).abs().max()) < 1e-3
    return levels.round().byte().permute(1, 2, 0).numpy()


def through_libjpeg(image: Tensor, quality: int, subsampling: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(to_pixels(image)).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.square(a.astype(np.float64) - b).mean()
    return 10 * math.log10(255**2 / error)


@pytest.mark.parametrize("subsampling", [0, 2], ids=["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", [10, 30, 50, 75, 85, 95])
def test_jpeg_agrees_with_libjpeg(quality: int, subsampling: int) -> None:
    image = photograph()
    original = to_pixels(image)
    real = through_libjpeg(image, quality, subsampling)
    made = to_pixels(jpeg(image, torch.tensor([float(quality)]), halve_chroma=subsampling == 2))
    assert psnr(made, original) == pytest.approx(psnr(real, original), abs=0.03)
    # They differ by libjpeg's integer transforms: by a level, here and there.
    assert psnr(made, real) > 44


def test_jpeg_of_every_quality_in_one_batch_is_each_alone() -> None:
    batch = photograph()[..., :40, :52].expand(3, -1, -1, -1)
    qualities = torch.tensor([10.0, 50.0, 90.0])
    together = jpeg(batch, qualities)
    for item in range(3):
        alone = jpeg(batch[item : item + 1], qualities[item : item + 1])
        torch.testing.assert_close(together[item : item + 1], alone, rtol=0, atol=1e-6)


def test_jpeg_of_a_grey_block_is_a_rounded_mean() -> None:
    """A constant block has a DC coefficient only: 8 (v − 128), rounded to the table's multiple."""
    for value in (0, 77, 128, 200, 255):
        image = torch.full((1, 3, 16, 16), value / 127.5 - 1)
        step = float(quantisation_tables(torch.tensor([20.0]))[0, 0, 0, 0])
        expected = min(max(round(8 * (value - 128) / step) * step / 8 + 128, 0), 255)
        made = to_pixels(jpeg(image, torch.tensor([20.0])))
        assert abs(made.astype(int) - round(expected)).max() <= 1


def test_quantisation_tables_are_libjpeg_s_for_every_quality() -> None:
    tables = quantisation_tables(torch.arange(1, 101)).int()
    grey = Image.new("RGB", (16, 16))
    for quality in range(1, 101):
        file = io.BytesIO()
        grey.save(file, "JPEG", quality=quality)
        written = Image.open(file).quantization
        for component in (0, 1):
            assert tables[quality - 1, component].flatten().tolist() == list(written[component])


@pytest.mark.parametrize("deviation", [0.4, 0.8, 1.3, 1.8])
def test_isotropic_blur_is_scipy_s_and_kornia_s(deviation: float) -> None:
    image = photograph()[..., :60, :50]
    spread = torch.tensor([deviation])
    made = blur(image, spread, spread, torch.tensor([0.7]))
    by_scipy = gaussian_filter(
        image.numpy(), (0, 0, deviation, deviation), mode="nearest", radius=7
    )
    np.testing.assert_allclose(made.numpy(), by_scipy, rtol=0, atol=2e-6)
    by_kornia = kornia.filters.gaussian_blur2d(image, 15, (deviation, deviation), "replicate")
    torch.testing.assert_close(made, by_kornia, rtol=0, atol=2e-6)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, 2.2])
def test_an_anisotropic_blur_has_the_covariance_it_is_asked_for(angle: float) -> None:
    """Turning diag(across², along²) by the angle: x goes right, y down."""
    across, along = 1.7, 1.0
    image = torch.zeros(1, 1, 31, 31, dtype=torch.float64)
    image[..., 15, 15] = 1
    kernel = blur(image, *(torch.tensor([v]) for v in (across, along, angle)), radius=12)[0, 0]
    y, x = torch.meshgrid(*(torch.arange(-15.0, 16.0).double() for _ in "yx"), indexing="ij")
    cos, sin = math.cos(angle), math.sin(angle)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-6)
    found = [float((kernel * a * b).sum()) for a, b in ((x, x), (y, y), (x, y))]
    expected = [
        across**2 * cos**2 + along**2 * sin**2,
        across**2 * sin**2 + along**2 * cos**2,
        (across**2 - along**2) * cos * sin,
    ]
    assert found == pytest.approx(expected, abs=2e-3)


def test_each_image_of_a_batch_has_its_own_blur() -> None:
    batch = torch.cat(images(3, 1, 3, 20, 22, dtype=torch.float32))
    strengths = [torch.tensor(v) for v in ((0.5, 1.0, 1.6), (0.5, 0.7, 1.2), (0.0, 0.4, 2.0))]
    together = blur(batch, *strengths)
    for item in range(3):
        one = slice(item, item + 1)
        alone = blur(batch[one], *(s[one] for s in strengths))
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("read", "shot"), [(0.05, 0.0), (0.0, 0.05), (0.03, 0.04)])
def test_noise_has_the_variance_of_its_law(read: float, shot: float) -> None:
    """read² + shot² b at brightness b in [0, 1]; a range of 1 is 2 of ours."""
    for brightness in (0.0, 0.3, 1.0):
        flat = torch.full((1, 1, 300, 300), 2 * brightness - 1)
        noisy = sensor_noise(
            flat, torch.tensor([read]), torch.tensor([shot]), torch.Generator().manual_seed(8)
        )
        difference = ((noisy - flat) / 2).double()
        expected = read**2 + shot**2 * brightness
        # 90,000 draws know a variance to √(2/n) = .47 %.
        assert float(difference.var()) == pytest.approx(expected, rel=0.019, abs=1e-12)
        assert abs(float(difference.mean())) <= 4 * math.sqrt(expected / 90_000)


def test_noise_is_its_seed_s() -> None:
    (image,) = images(1, 2, 3, 8, 8, dtype=torch.float32)
    strength = torch.tensor([0.1, 0.1])
    one, again, other = (
        sensor_noise(image, strength, strength, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0] - image[0], one[1] - image[1])


def test_levels_are_those_of_an_8_bit_file() -> None:
    (image,) = images(1, 1, 3, 40, 40, dtype=torch.float32)
    made = to_levels(image)
    levels = (made + 1) * 127.5
    assert float((levels - levels.round()).abs().max()) < 1e-4
    assert (float(made.min()), float(made.max())) == (-1.0, 1.0)
    inside = image.abs() < 1
    assert float((made - image)[inside].abs().max()) <= 1 / 255 + 1e-6
    assert torch.equal(to_levels(made), made)
    assert len(to_levels(image, levels=3).unique()) == 4
