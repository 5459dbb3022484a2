"""Known pixels are bit-identical, whatever is asked for; and the tiles of a fill do not show."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from task_kit import blot, inpainted, restorer, sampled, texture, unchanged

import restorekit

HEIGHT, WIDTH = 101, 150
HOLES = blot(HEIGHT, WIDTH, (10, 12, 30, 25), (70, 90, 31, 60), (0, 149, 3, 1))


@pytest.mark.user("H1")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_known_pixels_at_every_depth_and_mode(
    inpaint_model: Path, channels: int, dtype: str
) -> None:
    image = texture(HEIGHT, WIDTH, dtype, channels)
    made = inpainted(restorer("inpaint", inpaint_model), image, HOLES)
    unchanged(made, image, HOLES)
    if channels in (2, 4):  # an exact task leaves alpha alone, inside the hole too
        np.testing.assert_array_equal(made[..., -1], image[..., -1])


@pytest.mark.user("H1")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_known_pixels_of_grey_that_is_kept_as_rgb(inpaint_model: Path, dtype: str) -> None:
    """The three channels' mean is not always their value in the last bit."""
    grey = texture(HEIGHT, WIDTH, dtype, 1)
    image = np.repeat(grey[..., None], 3, 2)
    made = inpainted(restorer("inpaint", inpaint_model), image, HOLES)
    unchanged(made, image, HOLES)
    np.testing.assert_array_equal(made[..., 0], made[..., 1])
    np.testing.assert_array_equal(made[..., 0], made[..., 2])


@pytest.mark.user("H1")
@pytest.mark.parametrize("name", restorekit.SAMPLERS)
def test_known_pixels_and_tiles_with_every_sampler(tmp_path: Path, name: str) -> None:
    model = sampled(tmp_path / "model.safetensors", name)
    image = texture(HEIGHT, WIDTH, "uint16")
    whole = inpainted(restorer("inpaint", model, seed=3), image, HOLES)
    unchanged(whole, image, HOLES)
    tiled = inpainted(restorer("inpaint", model, seed=3, tile=64), image, HOLES)
    np.testing.assert_array_equal(tiled, whole)


OPTIONS: dict[str, dict[str, Any]] = {
    "sharp": {"look": "sharp"},
    "faithful": {"look": "faithful"},
    "both looks": {"fidelity": 0.3},
    "four steps": {"steps": 4},
    "half strength": {"strength": 0.5},
    "no strength": {"strength": 0.0},
    "everything": {"fidelity": 0.6, "steps": 2, "strength": 0.7, "feather": 3, "seed": 7},
}


@pytest.mark.user("H1")
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("chosen", OPTIONS)
def test_known_pixels_and_tiles_with_every_option(
    inpaint_model: Path, chosen: str, dtype: str
) -> None:
    image = texture(HEIGHT, WIDTH, dtype)
    whole = inpainted(restorer("inpaint", inpaint_model, **OPTIONS[chosen]), image, HOLES)
    unchanged(whole, image, HOLES)
    tiled = inpainted(restorer("inpaint", inpaint_model, tile=64, **OPTIONS[chosen]), image, HOLES)
    np.testing.assert_array_equal(tiled, whole)


@pytest.mark.user("H1")
@pytest.mark.parametrize("seed", range(10))
def test_known_pixels_and_tiles_with_anything_at_once(inpaint_model: Path, seed: int) -> None:
    """Sizes, depths, modes and options drawn at random; large holes go through a stage."""
    chance = random.Random(seed)
    height, width = chance.randint(2, 240), chance.randint(2, 240)
    dtype, channels = chance.choice(["uint8", "uint16", "float32"]), chance.randint(1, 4)
    image = texture(height, width, dtype, channels, seed)
    boxes = [
        (chance.randrange(height), chance.randrange(width), *chance.choices(range(1, 180), k=2))
        for _ in range(chance.randint(1, 4))
    ]
    hole = blot(height, width, *boxes)
    hole[chance.randrange(height), chance.randrange(width)] = False
    options = {
        "look": chance.choice(["faithful", "sharp"]),
        "steps": chance.choice([1, 2, 3]),
        "strength": chance.choice([0.5, 1.0]),
        "feather": chance.choice([0, 5]),
        "expand": chance.choice(["", "left=70,bottom=9"]),
        "seed": seed,
    }
    whole = inpainted(restorer("inpaint", inpaint_model, **options), image, hole)
    left = 70 if options["expand"] else 0
    inside = whole[:height, left : left + width]
    np.testing.assert_array_equal(inside[~hole], image[~hole])
    tiled = inpainted(restorer("inpaint", inpaint_model, tile=64, **options), image, hole)
    np.testing.assert_array_equal(tiled, whole)


def test_tiles_do_not_show_in_a_hole_larger_than_a_tile(inpaint_model: Path) -> None:
    """A frame around a picture: its box is the whole, its tiles in the middle are wholly known."""
    image = texture(70, 200)
    results = [
        inpainted(restorer("inpaint", inpaint_model, expand="left=40,right=40,top=36", **options), image)
        for options in ({}, {"tile": 64}, {"tile": 128}, {"tile": 64, "steps": 1})
    ]  # fmt: skip
    np.testing.assert_array_equal(results[0][36:, 40:240], image)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


@pytest.mark.user("M6")
def test_options_change_the_fill(inpaint_model: Path) -> None:
    image = texture(HEIGHT, WIDTH)
    results = [
        inpainted(restorer("inpaint", inpaint_model, **o), image, HOLES)[HOLES].tobytes()
        for o in (*OPTIONS.values(), {"look": "sharp", "seed": 1})
    ]
    assert len(set(results)) == len(results)
    again = inpainted(restorer("inpaint", inpaint_model), image, HOLES)[HOLES].tobytes()
    assert again == results[list(OPTIONS).index("faithful")]


@pytest.mark.user("D4")
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (5, 97), (33, 31)])
def test_pictures_of_any_size(inpaint_model: Path, size: tuple[int, int]) -> None:
    image = texture(*size)
    if size == (1, 1):
        with pytest.raises(restorekit.UsageError, match="all of the picture is to be filled"):
            inpainted(restorer("inpaint", inpaint_model), image, np.ones(size, bool))
        return
    hole = np.zeros(size, bool)
    hole[size[0] // 3 : size[0] // 3 + 5, size[1] // 3 : size[1] // 3 + 7] = True
    hole[-1, -1] = False
    unchanged(inpainted(restorer("inpaint", inpaint_model), image, hole), image, hole)


def test_one_known_pixel_is_enough(inpaint_model: Path) -> None:
    image = texture(30, 20)
    hole = np.ones((30, 20), bool)
    hole[7, 4] = False
    unchanged(inpainted(restorer("inpaint", inpaint_model), image, hole), image, hole)


def test_one_pixel_grows_to_a_picture(inpaint_model: Path) -> None:
    image = texture(1, 1, "uint16")
    made = inpainted(restorer("inpaint", inpaint_model, expand="right=9,bottom=4"), image)
    assert made.shape == (5, 10, 3)
    np.testing.assert_array_equal(made[0, 0], image[0, 0])


@pytest.mark.user("E1")
def test_without_strength_it_is_the_smooth_fill(inpaint_model: Path) -> None:
    """Exactly a constant, where the known pixels are."""
    image = np.full((60, 60, 3), [200, 30, 90], np.uint8)
    hole = blot(60, 60, (20, 20, 15, 15))
    made = inpainted(restorer("inpaint", inpaint_model, strength=0.0), image, hole)
    np.testing.assert_array_equal(made, image)


@pytest.mark.user("H3")
def test_a_fill_depends_on_nothing_far_away(inpaint_model: Path) -> None:
    image, hole = texture(64, 1200), blot(64, 1200, (20, 500, 30, 40))
    other = texture(64, 1200, seed=1)
    other[:, 200:900] = image[:, 200:900]
    made, remade = (inpainted(restorer("inpaint", inpaint_model), i, hole) for i in (image, other))
    np.testing.assert_array_equal(made[hole], remade[hole])
    near = image.copy()
    near[:, 545] ^= 255
    assert np.any(inpainted(restorer("inpaint", inpaint_model), near, hole)[hole] != made[hole])


@pytest.mark.user("H5")
def test_the_same_mask_and_seed_repeat_the_result(inpaint_model: Path) -> None:
    image = texture(HEIGHT, WIDTH)
    results = [
        inpainted(restorer("inpaint", inpaint_model, look="sharp", seed=seed), image, HOLES)
        for seed in (5, 5, 6)
    ]
    np.testing.assert_array_equal(results[0], results[1])
    assert np.any(results[0] != results[2])
