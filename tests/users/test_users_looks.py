"""E: what the shipped weights make of pictures: strength, colours, faces, blur, text, grain.

Bounds are what a person relies on, with room for other weights; figures in docs/design/users.md.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import REPOSITORY, Run, pixels_of, save
from PIL import Image, ImageDraw, ImageFont

import restorekit
from restorekit import reduce, to_levels
from restorekit.metrics import period_energy, psnr

LOOKS = ("faithful", "sharp")
PHOTOGRAPHS = {
    "face": ("astronaut", (0, 128)),
    "fur": ("chelsea", (20, 100)),
    "wood": ("coffee", (100, 200)),
    "brick": ("brick", (0, 0)),
    "gravel": ("gravel", (0, 0)),
}


def photograph(name: str, side: int = 256) -> np.ndarray:
    """(side, side, 3) uint8: a part of one of scikit-image's photographs."""
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    source, (top, left) = PHOTOGRAPHS[name]
    pixels = getattr(data, source)()[top : top + side, left : left + side]
    return np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels


def reduced(pixels: np.ndarray, scale: int, levels: bool = True) -> np.ndarray:
    """The picture at 1/scale of its size, by antialiased bicubic; as 8 bits, or as floats."""
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    image = torch.from_numpy(planes.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    small = reduce(image, (pixels.shape[0] // scale, pixels.shape[1] // scale))
    small = to_levels(small) if levels else small
    values = (small[0].permute(1, 2, 0).numpy() + 1) * 127.5
    return (
        np.rint(values).astype(np.uint8).reshape(*values.shape[:2], *pixels.shape[2:])
        if levels
        else values
    )


def fine(pixels: np.ndarray) -> float:
    """Energy of brightness above half of the Nyquist frequency of a quarter-size picture."""
    light = pixels.mean(2) - pixels.mean()
    power = np.abs(np.fft.fft2(light)) ** 2
    rows, columns = (np.fft.fftfreq(length) for length in light.shape)
    return float(power[np.hypot(rows[:, None], columns[None]) > 0.125].sum())


@pytest.mark.user("E1")
@pytest.mark.parametrize("name", ["fur", "wood", "brick", "gravel"])
def test_texture_is_not_smoothed_away(name: str) -> None:
    """Of clean texture, denoising keeps most; enlarging has far more than a plain resize, and the
    sharp look about what the original had."""
    truth = photograph(name)
    assert fine(restorekit.denoise(truth)) >= 0.6 * fine(truth)
    small = reduced(truth, 4)
    plain = fine(restorekit.upscale(small, scale=4, strength=0))
    faithful, sharp = (fine(restorekit.upscale(small, scale=4, look=look)) for look in LOOKS)
    assert faithful >= 1.8 * plain
    assert sharp >= max(faithful, 0.3 * fine(truth))


@pytest.mark.user("E1")
def test_clean_pictures_pass_the_denoiser_nearly_unchanged() -> None:
    for name in PHOTOGRAPHS:
        truth = photograph(name)
        assert psnr(restorekit.denoise(truth), truth) >= 35


@pytest.mark.user("E2")
@pytest.mark.user("E4")
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_result_reduced_again_is_the_input(name: str, look: str) -> None:
    """In the mean of each channel within 1/255, and pixel by pixel at 40 dB or more: what is added
    is only what the input cannot hold."""
    small = reduced(photograph(name), 4)
    again = reduced(restorekit.upscale(small, scale=4, look=look), 4, levels=False)
    assert np.abs(again.mean((0, 1)) - small.mean((0, 1))).max() <= 1
    assert 10 * np.log10(255**2 / np.mean((again - small) ** 2)) >= 40


@pytest.mark.user("E2")
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_denoising_does_not_shift_colours(name: str) -> None:
    truth = photograph(name)
    drift = restorekit.denoise(truth).mean((0, 1)) - truth.mean((0, 1))
    assert np.abs(drift).max() <= 1


@pytest.mark.user("D2")
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ["face", "fur", "wood"])
def test_no_grid_is_laid_over_what_jpeg_coded(name: str, look: str) -> None:
    """Neither of the period of its blocks nor of a part of it, at the period's own frequency over those
    beside it."""
    pixels, file = photograph(name), io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=20)
    made = restorekit.denoise(np.array(Image.open(file)), look=look)
    for period in (2, 4, 8):
        assert period_energy(made, period) < 1.5 * max(1.0, period_energy(pixels, period)), period


@pytest.mark.user("E2")
@pytest.mark.parametrize("task", ["upscale", "denoise"])
@pytest.mark.parametrize("kind", ["chart", "checkerboard"])
def test_grey_gets_no_tint(task: str, kind: str) -> None:
    """Exactly, also where it is kept as RGB."""
    rows, columns = np.mgrid[0:48, 0:48]
    grey = (rows // 8 * 6 + columns // 8) * 7 if kind == "chart" else 255 * ((rows + columns) % 2)
    picture = np.dstack([grey.astype(np.uint8)] * 3)
    call = getattr(restorekit, task)
    options: dict[str, Any] = {"scale": 2} if task == "upscale" else {}
    alone = call(picture, **options)
    assert np.array_equal(alone[..., 0], alone[..., 1])
    assert np.array_equal(alone[..., 0], alone[..., 2])


@pytest.mark.user("E2")
def test_a_grey_chart_beside_a_colour_gets_next_to_no_tint() -> None:
    """Where the picture as a whole is not grey, so that nothing but the weights keeps it so."""
    rows, columns = np.mgrid[0:48, 0:48]
    grey = np.pad((rows // 8 * 6 + columns // 8).astype(np.uint8) * 7, ((0, 0), (0, 64)))
    picture = np.dstack([grey] * 3)
    picture[:, -16:, 0] = 200
    for look in LOOKS:
        result = restorekit.upscale(picture, scale=2, look=look).astype(float)[:, :96]
        assert np.abs(result - result.mean(2, keepdims=True)).mean() <= 1.5


@pytest.mark.user("E3")
@pytest.mark.parametrize("look", LOOKS)
def test_a_face_is_treated_as_any_other_part(look: str) -> None:
    """No generator of faces, and no frame around one: what becomes of a face depends on nothing
    farther away than the network sees, whether or not the rest of the person is there."""
    from restorekit.models import store
    from restorekit.models.find import find

    small = reduced(np.hstack([photograph("wood"), photograph("face")]), 2)
    radius = -(-int(store.load(find("upscale")).config.radius) // 2)
    face = slice(150, 190)  # in columns of the input
    covered = small.copy()
    covered[:, : face.start - radius - 2] = 90  # two more for the resize
    options = {"scale": 2, "look": look, "seed": 3}
    whole, part = (restorekit.upscale(picture, **options) for picture in (small, covered))
    features = slice(2 * face.start, 2 * face.stop)
    np.testing.assert_array_equal(whole[:, features], part[:, features])
    assert np.any(whole != part)


@pytest.mark.user("E3")
def test_a_face_is_nearer_to_the_truth_than_by_plain_resize() -> None:
    """Eyes, nose and mouth, 60 pixels wide in the input."""
    truth = photograph("face")
    small = reduced(truth, 4)
    plain = restorekit.upscale(small, scale=4, strength=0)
    features = (slice(60, 160), slice(40, 140))
    for look, gain in (("faithful", 1.0), ("sharp", 0.3)):
        result = restorekit.upscale(small, scale=4, look=look)
        assert (
            psnr(result[features], truth[features]) >= psnr(plain[features], truth[features]) + gain
        )


def bokeh(side: int = 384) -> np.ndarray:
    """(side, side, 3) uint8: discs of light far out of focus, blurred by a deviation of 12 pixels."""
    rng = np.random.default_rng(2)
    rows, columns = np.mgrid[0:side, 0:side]
    light = np.zeros((side, side, 3))
    for _ in range(25):
        top, left = rng.integers(0, side, 2)
        inside = np.hypot(rows - top, columns - left) < rng.uniform(30, 70)
        light[inside] = 0.3 * light[inside] + 0.7 * rng.uniform(40, 230, 3)
    kernel = np.exp(-0.5 * (np.arange(-36, 37) / 12) ** 2)
    for axis in (0, 1):
        padded = np.pad(light, [(36, 36) if a == axis else (0, 0) for a in range(3)], "edge")
        rolled = np.lib.stride_tricks.sliding_window_view(padded, 73, axis)
        light = rolled @ (kernel / kernel.sum())
    return light.astype(np.uint8)


@pytest.mark.user("E4")
@pytest.mark.parametrize("look", LOOKS)
def test_what_is_out_of_focus_stays_so(look: str) -> None:
    truth = bokeh()
    result = restorekit.upscale(reduced(truth, 4), scale=4, look=look)
    assert psnr(result, truth) >= 43
    slopes = [np.abs(np.diff(p.astype(float), axis=0)) for p in (result, truth)]
    steepest = [np.quantile(slope, 0.999) for slope in slopes]
    assert steepest[0] <= steepest[1] + 3, steepest


LINES = (
    "The quick brown fox jumps over the lazy dog while",
    "five wizards box a dozen liquor jugs, 1234567890.",
    "Quartz glyph job vext cwm finks; prices rose 8.5%",
    "from 260 to 282 on Monday, said Mr. J. B. Whitlock.",
    "Sphinx of black quartz, judge my vow (page 397).",
)


def text(size: int) -> np.ndarray:
    """(H, W) uint8, multiples of 4: the lines in dark grey on white, letters of this size."""
    page = Image.new("L", (28 * size // 4 * 4, 9 * size // 4 * 4), 255)
    for number, line in enumerate(LINES):
        place = (size, size + int(1.45 * number * size))
        ImageDraw.Draw(page).text(place, line, fill=20, font=ImageFont.load_default(size))
    return np.asarray(page)


def misread(pixels: np.ndarray, folder: Path) -> int:
    """Characters that tesseract reads wrongly: the edit distance to the lines (Levenshtein 1966)."""
    Image.fromarray(pixels).save(folder / "page.png")
    command = ["tesseract", str(folder / "page.png"), "-", "--psm", "6"]
    alone = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    ran = subprocess.run(command, env=alone, capture_output=True, text=True, check=True, timeout=60)
    read, truth = ("".join(t.split()) for t in (ran.stdout, "".join(LINES)))
    row = list(range(len(read) + 1))
    for i, wanted in enumerate(truth, 1):
        above, row = row, [i]
        for j, seen in enumerate(read, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (wanted != seen)))
    return row[-1]


@pytest.mark.user("E5")
@pytest.mark.skipif(
    not shutil.which("tesseract"), reason="tesseract, which reads text, is not here"
)
def test_text_is_read_no_worse_than_after_a_plain_resize(
    tmp_path: Path, record_property: Any
) -> None:
    """Letters of 7 to 10 pixels, by the default look, all misreadings together; one letter in a
    hundred is chance."""
    wrong = {"plain": 0, "faithful": 0}
    for size in (28, 32, 36, 40):
        small = reduced(text(size), 4)
        for name, strength in (("plain", 0), ("faithful", 1)):
            larger = restorekit.upscale(small, scale=4, strength=strength)
            wrong[name] += misread(larger, tmp_path)
    record_property("misread", wrong)
    assert wrong["plain"] > 0  # else the text was too large to tell
    letters = 4 * len("".join("".join(LINES).split()))
    assert wrong["faithful"] <= wrong["plain"] + 0.01 * letters, wrong


@pytest.mark.user("E6")
@pytest.mark.parametrize("sigma", [5, 10, 25, 50, 75])
def test_every_level_of_noise_is_lowered(sigma: int) -> None:
    """Up to a deviation of 75, far beyond what the network has seen; nobody tells it the level."""
    for name in ("fur", "wood"):
        truth = photograph(name)
        noise = np.random.default_rng(sigma).normal(0, sigma, truth.shape)
        noisy = np.clip(np.rint(truth + noise), 0, 255).astype(np.uint8)
        assert psnr(restorekit.denoise(noisy), truth) >= psnr(noisy, truth) + 1
    flat = np.clip(np.rint(120 + noise[:128, :128]), 0, 255).astype(np.uint8)
    assert restorekit.denoise(flat).std() <= 0.25 * flat.std()


@pytest.mark.user("E8")
def test_one_picture_is_tried_at_several_strengths_as_documented(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands of docs/folders.md: one page with all of it, pixel for pixel, to lay over each
    other; more strength, more change."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "part.jpg", reduced(photograph("fur"), 4))
    text = (REPOSITORY / "docs" / "folders.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n((?:restorekit .*\n)+restorekit compare .*)\n```", text)
    for line in block.splitlines():
        ran = run(*shlex.split(line)[1:])
        assert ran.code == 0, ran.err
    page = (tmp_path / "try.html").read_text(encoding="utf-8")
    shown = re.findall(r'"data:image/\w+;base64,([^"]+)"', page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for data in shown]
    assert sizes == [(256, 256)] * 3
    plain, half, full = (
        pixels_of(tmp_path / "try" / name / "part.jpg").astype(float)
        for name in ("plain", "half", "full")
    )
    assert 0 < np.abs(half - plain).mean() < np.abs(full - plain).mean()


@pytest.mark.user("E7")
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_strength_says_how_much_grain_is_left(share: float) -> None:
    """Level and spectrum on a flat patch: the rest of the grain is the grain, only fainter."""
    grain = np.random.default_rng(0).normal(0, 10, (128, 128, 3))
    film = np.clip(np.rint(120 + grain), 0, 255).astype(np.uint8)
    left = restorekit.denoise(film, strength=share).astype(float)
    assert left.std() == pytest.approx((1 - share) * film.std(), rel=0.2, abs=0.5)
    before, after = (np.abs(np.fft.fft2(p.mean(2) - p.mean())) ** 2 for p in (film, left))
    rows, columns = np.meshgrid(*(np.abs(np.fft.fftfreq(128)),) * 2, indexing="ij")
    for low, high in ((0.05, 0.2), (0.2, 0.5)):
        band = (np.hypot(rows, columns) >= low) & (np.hypot(rows, columns) < high)
        shares = [p[band].sum() / p[1:].sum() for p in (before, after)]
        assert shares[1] == pytest.approx(shares[0], rel=0.2)
