"""What a picture decides for its file: one answer for its alpha and all its frames, told as it was."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outer_kit import Run
from PIL import Image
from skimage import data

import restorekit as rk
from restorekit.contract import wrong_answer
from restorekit.errors import UsageError
from restorekit.images import from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.transparency import keep_even_parts

PHOTOGRAPH = data.coffee()[100:196, 200:328]


def worn(pixels: np.ndarray, quality: int = 30) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@pytest.mark.parametrize("first", [True, False])
def test_the_first_frame_decides_for_all(upscale: Run, tmp_path: Path, first: bool) -> None:
    frames = [worn(PHOTOGRAPH), PHOTOGRAPH] if first else [PHOTOGRAPH, worn(PHOTOGRAPH)]
    images = [Image.fromarray(frame) for frame in frames]
    (tmp_path / "in").mkdir()
    images[0].save(tmp_path / "in" / "a.png", save_all=True, append_images=images[1:])
    ran = upscale(tmp_path / "in", "-o", tmp_path / "out", "--scale", "1")
    assert ran.code == 0
    assert ("JPEG's traces show" in ran.err) == first
    clean = "always" if first else "never"
    with Image.open(tmp_path / "out" / "a.png") as made:
        for number, image in enumerate(images):
            made.seek(number)
            image.save(tmp_path / "frame.png")
            one = tmp_path / f"frame{number}.png"
            ran = upscale(tmp_path / "frame.png", "-o", one, "--scale", "1", "--clean", clean)
            assert ran.code == 0
            with Image.open(one) as alone:
                assert np.array_equal(np.asarray(made.convert("RGB")), np.asarray(alone))


def test_facts_of_frames_are_the_largest_and_name_the_weights_of_a_stage(
    upscale: Run, tmp_path: Path
) -> None:
    frames = [worn(PHOTOGRAPH, 10), worn(PHOTOGRAPH, 90)]
    images = [Image.fromarray(frame) for frame in frames]
    (tmp_path / "in").mkdir()
    images[0].save(tmp_path / "in" / "a.png", save_all=True, append_images=images[1:])
    images[0].save(tmp_path / "in" / "b.png")
    images[1].save(tmp_path / "in" / "c.png")
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--scale", "1.25").code == 0
    (manifest,) = (tmp_path / "out").rglob("*.jsonl")
    lines = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    facts = {Path(line["source"]).stem: line["facts"] for line in lines if "facts" in line}
    assert facts["a"]["reprojection"] == facts["b"]["reprojection"]
    assert facts["b"]["denoise_sha256"] == facts["a"]["denoise_sha256"]
    assert len(facts["b"]["denoise_sha256"]) == 64
    assert facts["b"]["denoise_sha256"].encode() in (tmp_path / "out" / "b.png").read_bytes()
    assert ("denoise_sha256" in facts["c"]) == ("clean" in facts["c"])


def test_alpha_is_made_as_its_colours_are(restorer: Callable[..., Restorer]) -> None:
    """Of an alpha with JPEG's blocks and of clean colours nothing is cleaned, and nothing is said."""
    alpha = worn(PHOTOGRAPH)[..., :1]
    picture = from_array(np.concatenate([PHOTOGRAPH, alpha], 2))
    auto, never, always = (
        restorer(scale=1.25, clean=clean)(picture) for clean in ("auto", "never", "always")
    )
    assert auto.alpha is not None
    assert never.alpha is not None
    assert always.alpha is not None
    assert np.array_equal(auto.alpha, never.alpha)
    assert not np.array_equal(auto.alpha, always.alpha)


def test_what_is_settled_must_be_named() -> None:
    pairs: Any = [("clean", "never")]
    plan = rk.Plan((20, 24), settled=pairs)
    image = {"image": np.zeros((1, 3, 20, 24))}
    assert "as settled, not values" in wrong_answer("restorekit_prepare", plan, {"inputs": image})


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5, 4.0])
def test_a_hard_edge_of_alpha_gets_no_line_beside_it(scale: float) -> None:
    source = np.zeros((24, 30), np.float32)
    source[:, 15:] = 1
    made = np.random.default_rng(0).random((int(24 * scale), int(30 * scale)), np.float32)
    keep_even_parts(made, source)
    away = np.abs((np.arange(made.shape[1]) + 0.5) / scale - 15) > max(1, 1 / scale) - 0.5
    even = np.where(np.arange(made.shape[1]) >= made.shape[1] / 2, 1.0, 0.0)
    assert away.sum() > made.shape[1] // 2
    assert np.array_equal(made[:, away], np.broadcast_to(even[away], made[:, away].shape))


def test_a_thin_line_of_alpha_may_be_sharpened() -> None:
    source = np.zeros((9, 9), np.float32)
    source[:, 4] = 0.4
    made = np.full((36, 36), 0.9, np.float32)
    keep_even_parts(made, source)
    free = np.flatnonzero(made[18] == np.float32(0.9))
    assert (free.min(), free.max()) == (14, 21)  # up to the middles of the pixels beside it
    assert np.array_equal(made[:, :14], np.zeros((36, 14)))


@pytest.mark.parametrize("size", [(300, 1), (1, 300), (7, 300), (40, 30)])
def test_no_result_is_larger_than_asked(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    made = rk.upscale(pixels, max_size="100")
    assert 50 <= made.shape[0] * made.shape[1] <= 100


def test_defaults_that_are_spelled_out_contradict_nothing() -> None:
    plain = rk.upscale(PHOTOGRAPH, scale=1.25)
    assert np.array_equal(rk.upscale(PHOTOGRAPH, scale=1.25, noise=0.0, clean="auto"), plain)
    with pytest.raises(UsageError, match="--noise and --clean contradict"):
        rk.upscale(PHOTOGRAPH, scale=1.25, noise=0.0, clean="always")
