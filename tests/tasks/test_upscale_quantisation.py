"""The quality at which JPEG coded a picture is read from its pixels, and from nothing else."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from restorekit_upscale.quantisation import coded_quality
from restorekit_upscale.traces import worn
from skimage import data
from torch import Tensor

import restorekit as rk
from restorekit.training.drawn import draw_pictures

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")


def photograph(name: str) -> np.ndarray:
    return getattr(data, name)()[:300, :400]


def coded(pixels: np.ndarray, **how: Any) -> np.ndarray:
    """Pixels after libjpeg."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **how)
    return np.array(Image.open(file))


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("quality", [10, 30, 50, 60, 75, 90, 95])
def test_the_quality_is_libjpeg_s_own(name: str, quality: int) -> None:
    """Also of a part, of one that was turned or mirrored, and of grey."""
    image = tensor(coded(photograph(name), quality=quality))
    grey = image.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    for seen in (image, image[..., 5:, 3:], image.transpose(2, 3), image.flip(3), grey):
        found = coded_quality(seen)
        assert found is not None
        assert abs(found - quality) <= 1  # tables of neighbours differ in few steps, by one


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_chroma_of_any_resolution_hides_nothing(subsampling: str) -> None:
    assert (
        coded_quality(tensor(coded(photograph("coffee"), quality=70, subsampling=subsampling)))
        == 70
    )


def test_few_blocks_are_enough() -> None:
    small = tensor(coded(photograph("coffee")[100:164, 100:164], quality=80))
    assert coded_quality(small) == 80


def test_the_table_of_mozjpeg_is_known() -> None:
    """As it writes at quality 70, where steps are three fifths of those at 50."""
    at_50 = """
    16 16 16 18 25 37 56 85 16 17 20 27 34 40 53 75 16 20 24 31 43 62 91 135 18 27 31 40 53 74 106 156
    25 34 43 53 69 94 131 189 37 40 62 74 94 124 169 238 56 53 91 106 131 169 226 311
    85 75 135 156 189 238 311 418
    """
    steps = [int(0.6 * int(step) + 0.5) for step in at_50.split()]
    assert coded_quality(tensor(coded(photograph("coffee"), qtables=[steps, steps]))) == 70


def test_of_two_codings_the_harder_is_told() -> None:
    first = coded(photograph("chelsea"), quality=40)
    assert coded_quality(tensor(coded(first, quality=80))) == 40
    assert coded_quality(tensor(coded(first[3:, 2:], quality=92))) == 40


def test_photographs_that_are_no_jpeg_have_none() -> None:
    for name in PHOTOGRAPHS:
        image = tensor(coded(photograph(name), quality=60))
        for ratio in (2, 3):
            size = (image.shape[2] // ratio, image.shape[3] // ratio)
            assert coded_quality(rk.to_levels(rk.reduce(image, size))) is None
        webp = io.BytesIO()
        Image.fromarray(photograph(name)).save(webp, "WEBP", quality=50)
        assert coded_quality(tensor(np.array(Image.open(webp)))) is None


def test_what_is_drawn_or_even_or_noise_has_none() -> None:
    drawn = [picture[None].float() / 127.5 - 1 for picture in draw_pictures(15, 256, seed=1)]
    ramp = torch.linspace(0, 255, 1024).round().expand(1, 3, 512, 1024) / 127.5 - 1
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for image in (*drawn, ramp, ramp.transpose(2, 3), noise, torch.zeros(1, 3, 200, 200)):
        assert coded_quality(image) is None
    paper = np.full((400, 400, 3), 250.0)  # with a grid of a line every eight pixels
    paper[::8] -= 20
    paper[:, ::8] -= 20
    for grain in (0, 2, 6):
        grid = paper + grain * np.random.default_rng(0).normal(0, 1, (400, 400, 1))
        assert coded_quality(tensor(grid.clip(0, 255).astype(np.uint8))) is None


def test_tiles_of_blocks_size_have_none() -> None:
    """As old consoles draw: few tiles of 8 by 8 and few colours, again and again."""
    for seed, tiles in enumerate((2, 4, 8, 32, 128)):
        draw = np.random.default_rng(seed)
        colours = draw.integers(0, 256, (4, 3), np.uint8)
        drawn = colours[draw.integers(0, 4, (tiles, 8, 8))]
        rows = drawn[draw.integers(0, tiles, (30, 32))]
        picture = rows.transpose(0, 2, 1, 3, 4).reshape(240, 256, 3)
        assert coded_quality(tensor(picture)) is None


@pytest.mark.parametrize("sides", [(1, 1), (15, 400), (16, 16), (17, 23)])
def test_a_picture_too_small_to_tell_is_no_jpeg(sides: tuple[int, int]) -> None:
    height, width = sides
    image = tensor(coded(photograph("coffee"), quality=40)[:height, :width])
    assert coded_quality(image) is None


def test_several_pictures_and_other_numbers_are_looked_at_alike() -> None:
    image = tensor(coded(photograph("coffee"), quality=60))
    assert coded_quality(torch.cat([image, image.flip(2)])) == 60
    assert coded_quality(image.double()) == 60
    image[0, 0, 50:90, 50:90] = torch.nan
    assert coded_quality(image) is None


def test_a_good_jpeg_is_not_worn() -> None:
    pixels = photograph("coffee")
    found = [worn(tensor(coded(pixels, quality=quality))) for quality in (60, 85, 92, 95)]
    assert found == [True, True, True, False]


def test_tables_that_are_not_known_leave_their_blocks_to_be_seen() -> None:
    image = tensor(coded(photograph("chelsea"), qtables=[[6] * 64] * 2))
    assert coded_quality(image) not in range(91)
    assert worn(image)
