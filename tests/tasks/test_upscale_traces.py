"""JPEG's blocks are seen where they show, and nowhere else; what shows them is cleaned first."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import restorekit_upscale
import torch
from PIL import Image
from restorekit_upscale.traces import blocks_show, worn
from skimage import data
from torch import Tensor

import restorekit as rk
from restorekit import plugins
from restorekit.images import read
from restorekit.images.picture import Metadata
from restorekit.jobs.layers import said
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings
from restorekit.metrics import psnr
from restorekit.training.drawn import draw_pictures

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")


def photograph(name: str) -> np.ndarray:
    return getattr(data, name)()[:300, :400]


def coded(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Pixels after JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_blocks_show_in_jpeg_wherever_they_begin_and_not_before(name: str) -> None:
    pixels = photograph(name)
    assert not blocks_show(tensor(pixels))
    for quality in (20, 40, 60, 75):
        image = tensor(coded(pixels, quality))
        assert blocks_show(image)
        assert blocks_show(image[..., 5:, 3:])
    grey = tensor(coded(pixels, 60)).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert blocks_show(grey)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_jpeg_that_was_reduced_since_shows_none(name: str) -> None:
    image = tensor(coded(photograph(name), 60))
    for ratio in (2, 3):
        size = (image.shape[2] // ratio, image.shape[3] // ratio)
        assert not blocks_show(rk.to_levels(rk.reduce(image, size)))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_picture_that_was_enlarged_by_eight_shows_none(name: str) -> None:
    small = Image.fromarray(photograph(name)).resize((50, 38), Image.Resampling.BOX)
    for method in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        for factor in (8, 16):
            large = small.resize((50 * factor, 38 * factor), method)
            assert not blocks_show(tensor(np.array(large)))


def test_what_is_drawn_or_even_or_noise_is_no_jpeg() -> None:
    drawn = [picture[None].float() / 127.5 - 1 for picture in draw_pictures(15, 256, seed=1)]
    ramp = torch.linspace(0, 255, 1024).round().expand(1, 3, 512, 1024) / 127.5 - 1
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for image in (*drawn, ramp, ramp.transpose(2, 3), noise, torch.zeros(1, 3, 200, 200)):
        assert not blocks_show(image)


def test_edges_that_lie_eight_apart_are_no_jpeg_s() -> None:
    """Pixel art, what was enlarged by its nearest pixels, and paper with a grid."""
    small = Image.fromarray(data.astronaut()[:200, 150:350]).resize((40, 40), Image.Resampling.BOX)
    for factor in (8, 16, 24):
        size = (40 * factor, 40 * factor)
        assert not blocks_show(tensor(np.array(small.resize(size, Image.Resampling.NEAREST))))
    noise = np.random.default_rng(0).normal(0, 1, (400, 400, 1))
    for depth in (10, 20, 60):
        for grain in (0, 2, 6):
            paper = np.full((400, 400, 3), 250.0)
            paper[::8] -= depth
            paper[:, ::8] -= depth
            grid = (paper + grain * noise).clip(0, 255).astype(np.uint8)
            assert not blocks_show(tensor(grid))


def test_chance_makes_no_blocks_in_small_pictures() -> None:
    for seed in range(40):
        walk = torch.randn(1, 3, 80, 80, generator=torch.Generator().manual_seed(seed))
        smooth = walk.cumsum(2).cumsum(3)
        assert not blocks_show(smooth / smooth.abs().max())
    assert not blocks_show(tensor(coded(photograph("coffee"), 40))[..., :60, :200])


@pytest.mark.parametrize(
    ("quality", "options", "cleaned"),
    [
        (60, {}, True),
        (0, {}, False),
        (0, {"clean": "always"}, True),
        (60, {"clean": "never"}, False),
        (60, {"noise": 0.05}, False),
        (60, {"scale": 0.5}, False),
        (60, {"scale": 1.0}, True),
    ],
)
def test_what_is_cleaned_first(quality: int, options: dict[str, object], cleaned: bool) -> None:
    pixels = photograph("coffee")
    image = tensor(coded(pixels, quality) if quality else pixels)
    checked = restorekit_upscale.TASK.check_options(options)
    answer = restorekit_upscale.restorekit_prepare({"image": image}, checked, {})
    assert (isinstance(answer, rk.Stage) and answer.task == "denoise") == cleaned


def test_a_jpeg_is_cleaned_unasked_and_the_report_says_so() -> None:
    worn = coded(photograph("coffee")[:120, :160], 50)
    found = {
        clean: rk.upscale(worn, scale=1.5, clean=clean) for clean in ("auto", "always", "never")
    }
    assert np.array_equal(found["auto"], found["always"])
    assert not np.array_equal(found["auto"], found["never"])
    image = tensor(worn)
    checked = restorekit_upscale.TASK.check_options({"scale": 1.5})
    plan = restorekit_upscale.restorekit_prepare({"image": image, "stage": image}, checked, {})
    assert isinstance(plan, rk.Plan)
    assert "--clean never" in str(plan.note["clean"])


def sky(quality: int) -> io.BytesIO:
    """An even sky as a JPEG file: most of its blocks have no frequency but their mean."""
    rows = np.linspace(0, 1, 96)[:, None, None]
    pixels = np.array([90, 130, 200]) + rows * np.array([60, 60, 30]) + np.zeros((96, 128, 1))
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file


def test_a_jpeg_is_known_by_its_file_where_its_pixels_show_nothing(tmp_path: Path) -> None:
    coarse, fine = (Image.open(sky(quality)) for quality in (40, 96))
    assert not worn(tensor(np.array(coarse)))
    made = {c: np.array(rk.upscale(coarse, scale=2, clean=c)) for c in ("auto", "always", "never")}
    assert np.array_equal(made["auto"], made["always"])
    assert not np.array_equal(made["auto"], made["never"])
    assert np.array_equal(
        np.array(rk.upscale(fine, scale=2)), np.array(rk.upscale(fine, scale=2, clean="never"))
    )
    (tmp_path / "sky.jpg").write_bytes(sky(40).getvalue())
    picture = read(tmp_path / "sky.jpg")
    assert said(picture) == {"jpeg_quality": 40}
    assert said(replace(picture, metadata=Metadata())) == {}


def test_a_smooth_jpeg_is_nearer_to_the_truth_for_its_file_s_word() -> None:
    """A sky with a little grain, of a camera, saved at 40."""
    rows = np.linspace(0, 1, 480)[:, None, None]
    truth = np.array([90, 130, 200]) + rows * np.array([60, 60, 30]) + np.zeros((480, 640, 1))
    small = truth.reshape(240, 2, 320, 2, 3).mean((1, 3))
    grainy = np.rint(small + np.random.default_rng(0).normal(0, 1, small.shape)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grainy).save(file, "JPEG", quality=40)
    assert not worn(tensor(np.array(Image.open(file))))
    told, left = (
        psnr(
            np.array(rk.upscale(Image.open(file), scale=2, clean=clean)),
            np.rint(truth).astype(np.uint8),
        )
        for clean in ("auto", "never")
    )
    assert told > left + 1.5


def test_a_stage_is_told_of_the_file_where_its_picture_is_the_file_s() -> None:
    """Above fourfold a first stage enlarges the picture itself, and cleans it; the second does not."""
    loaded = plugins.load("upscale")
    restorer = Restorer(loaded, {"scale": 8.0}, Settings.of(loaded.task, {}))
    image, ran = tensor(np.array(Image.open(sky(40)))[:32, :32]), []

    def staged(worker: Restorer, plan: rk.Plan, picture: Tensor, depth: int) -> Tensor:
        ran.append((worker.task.name, plan.size, depth))
        return torch.zeros(1, 3, *plan.size)

    for file, first in (({"jpeg_quality": 40}, [("denoise", (32, 32), 1)]), ({}, [])):
        ran.clear()
        restorer.planned({"image": image}, restorer.options, staged, file)
        assert ran == [*first, ("upscale", (128, 128), 0)]
