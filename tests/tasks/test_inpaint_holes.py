"""What is to be filled: masks, words, grown, feathered, expanded; and the boxes around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from restorekit_inpaint import TASK, holes, scratches
from restorekit_inpaint.forms import margins
from task_kit import blot, inpainted, restorer, texture, unchanged

import restorekit as rk
from restorekit.images import from_array, to_like

HOLE = blot(60, 70, (20, 25, 12, 9), (50, 0, 10, 5))


@pytest.mark.user("H2")
@pytest.mark.parametrize("channels", [3, 4])
def test_the_alpha_channel_marks_what_is_clear(inpaint_model: Path, channels: int) -> None:
    image = texture(60, 70, "uint16", 4)
    image[..., 3] = 65535
    image[..., 3][HOLE] = np.arange(HOLE.sum()) * 300 % 65535
    if channels == 3:
        with pytest.raises(rk.UsageError, match="--mask alpha: the picture has no transparency"):
            inpainted(restorer("inpaint", inpaint_model, mask="alpha"), image[..., :3])
        return
    made = inpainted(restorer("inpaint", inpaint_model, mask="alpha"), image)
    unchanged(made[..., :3], image[..., :3], HOLE)
    assert (made[..., 3] == 65535).all()


@pytest.mark.user("H2")
@pytest.mark.parametrize("word", ["#ff0080", "#FF0080"])
def test_a_colour_marks_what_has_it(inpaint_model: Path, word: str) -> None:
    image = texture(60, 70) // 2
    image[HOLE] = (255, 0, 128)
    image[20, 25] = (247, 8, 120)  # what JPEG does to an even colour
    image[0, 60] = (246, 0, 128)  # another colour
    made = inpainted(restorer("inpaint", inpaint_model, mask=word), image)
    unchanged(made, image, HOLE)


def test_a_word_that_marks_nothing_changes_nothing(inpaint_model: Path) -> None:
    image = texture(60, 70) // 2
    made = inpainted(restorer("inpaint", inpaint_model, mask="#ff00ff"), image)
    np.testing.assert_array_equal(made, image)


def test_scratches_are_found_and_nothing_smooth() -> None:
    rows, columns = torch.meshgrid(torch.arange(80.0), torch.arange(90.0), indexing="ij")
    image = (torch.sin(rows / 30) * torch.cos(columns / 25) * 0.5).expand(1, 3, 80, 90).clone()
    assert not scratches.scratches(image).any()
    for value in (0.9, -0.9):
        scratched = image.clone()
        scratched[..., :, 40:43] = value
        found = scratches.scratches(scratched)[0, 0]
        assert found[:, 40:43].all()
        assert not found[:, :38].any()
        assert not found[:, 45:].any()


@pytest.mark.user("H2")
@pytest.mark.parametrize("kind", ["L", "RGB", "LA", "uint16"])
def test_a_mask_of_any_kind(inpaint_model: Path, kind: str) -> None:
    """White is filled, and what is brighter than the middle counts as white."""
    image, mask = texture(60, 70), np.where(HOLE, 128, 127).astype(np.uint8)
    masks = {
        "L": mask,
        "RGB": np.repeat(mask[..., None], 3, 2),
        "LA": np.stack([mask, np.full_like(mask, 9)], 2),
        "uint16": mask.astype(np.uint16) * 257,
    }
    made = restorer("inpaint", inpaint_model)(
        from_array(image), companions={"mask": from_array(masks[kind])}
    )
    unchanged(to_like(made, image), image, HOLE)


@pytest.mark.user("H2")
def test_a_mask_that_does_not_fit(inpaint_model: Path) -> None:
    image, small = texture(60, 70), blot(30, 35, (10, 12, 6, 5))
    with pytest.raises(rk.UsageError) as raised:
        inpainted(restorer("inpaint", inpaint_model), image, small)
    for words in ("35 x 30", "70 x 60", "--mask-fit"):
        assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    made = inpainted(restorer("inpaint", inpaint_model, mask_fit=True), image, small)
    unchanged(made, image, blot(60, 70, (20, 24, 12, 10)))


@pytest.mark.user("H2")
def test_a_mask_that_is_missing_or_empty(inpaint_model: Path) -> None:
    image = texture(60, 70)
    for nothing in ({}, {"expand": "left=0"}, {"expand": " , "}):
        with pytest.raises(rk.UsageError, match="inpaint needs --mask, or --expand"):
            inpainted(restorer("inpaint", inpaint_model, **nothing), image)
    with pytest.raises(rk.UsageError, match="nothing in the mask is white"):
        inpainted(restorer("inpaint", inpaint_model), image, np.zeros((60, 70), bool))
    made = inpainted(
        restorer("inpaint", inpaint_model, expand="top=3"), image, np.zeros((60, 70), bool)
    )
    unchanged(made[3:], image, np.zeros((60, 70), bool))


def test_a_word_that_is_none(inpaint_model: Path) -> None:
    for word in ("alfa", "#ff00f", "#ff00ff0", "scratches ", "#gg0000"):
        with pytest.raises(rk.UsageError, match="is none of its words"):
            restorer("inpaint", inpaint_model, mask=word)


@pytest.mark.user("H4")
def test_a_grown_mask_takes_the_edge_of_a_thing_away(inpaint_model: Path) -> None:
    image, hole = texture(60, 70), blot(60, 70, (20, 25, 12, 9))
    made = inpainted(restorer("inpaint", inpaint_model, grow=4), image, hole)
    unchanged(made, image, blot(60, 70, (16, 21, 20, 17)))
    halo = image.copy()
    halo[17:35, 22:37] = 255  # inside what is filled: none of it comes back
    remade = inpainted(restorer("inpaint", inpaint_model, grow=4), halo, hole)
    np.testing.assert_array_equal(made, remade)


@pytest.mark.user("H4")
def test_a_feather_stays_inside_the_hole(inpaint_model: Path) -> None:
    image, hole = texture(60, 70, "uint16"), blot(60, 70, (20, 20, 21, 25))
    plain = inpainted(restorer("inpaint", inpaint_model), image, hole).astype(float)
    made = inpainted(restorer("inpaint", inpaint_model, feather=4), image, hole)
    unchanged(made, image, hole)
    depth = np.minimum.reduce(
        [n + 1 for n in np.meshgrid(np.r_[0:11, 9:-1:-1], np.r_[0:13, 11:-1:-1], indexing="ij")]
    )
    weight = np.minimum(depth / 5, 1)[..., None]
    inside = slice(20, 41), slice(20, 45)
    expected = image[inside] + weight * (plain[inside] - image[inside])
    assert np.abs(made[inside] - expected).max() <= 1.5


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_expanded_picture_keeps_what_it_was(
    inpaint_model: Path, channels: int, dtype: str
) -> None:
    image = texture(40, 50, dtype, channels)
    made = inpainted(
        restorer("inpaint", inpaint_model, expand="left=7,top=3, right=20,bottom=1"), image
    )
    assert made.shape == (44, 77, *image.shape[2:])
    np.testing.assert_array_equal(made[3:43, 7:57], image)
    if channels == 4:
        beyond = np.ones((44, 77), bool)
        beyond[3:43, 7:57] = False
        opaque = 1 if dtype == "float32" else np.iinfo(dtype).max
        assert (made[..., 3][beyond] == opaque).all()


def test_an_expanded_picture_with_a_mask_of_its_own(inpaint_model: Path) -> None:
    image = texture(60, 70)
    made = inpainted(restorer("inpaint", inpaint_model, expand="right=9,top=5"), image, HOLE)
    unchanged(made[5:, :70], image, HOLE)


def test_a_feather_does_not_fade_in_from_what_never_was(inpaint_model: Path) -> None:
    """Beyond a white picture there is nothing, not grey."""
    image = np.full((40, 40, 3), 255, np.uint8)
    options = {"expand": "left=12", "strength": 0.0, "feather": 8}
    made = inpainted(restorer("inpaint", inpaint_model, **options), image)
    np.testing.assert_array_equal(made, np.full((40, 52, 3), 255))


NONSENSE = ["left", "left=", "left=-3", "up=3", "left=3;right=4", "left=1e3", "left=3.5", "left=999999",
            "LEFT=3", "=3", "left=3 right=4", "left==3", "0"]  # fmt: skip


def test_margins() -> None:
    assert margins("") == (0, 0, 0, 0)
    assert margins("left=1,right=2,top=3,bottom=4") == (3, 4, 1, 2)
    assert margins(" bottom = 20 ,") == (0, 20, 0, 0)


@pytest.mark.parametrize("text", NONSENSE)
def test_margins_that_are_none(text: str) -> None:
    with pytest.raises(rk.UsageError) as raised:
        margins(text)
    assert repr(text) in str(raised.value)
    assert "left=64,right=64" in str(raised.value)
    with pytest.raises(rk.UsageError, match="left=64,right=64"):
        TASK.check_options({"expand": text})


@pytest.mark.user("H3")
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 6), st.integers(0, 2**31))
def test_areas_hold_every_hole_and_lie_in_the_picture(
    height: int, width: int, count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hole = torch.zeros(1, 1, height, width)
    for _ in range(count):
        top, left = rng.integers(height), rng.integers(width)
        hole[..., top : top + rng.integers(1, 80), left : left + rng.integers(1, 80)] = 1
    found = holes.areas(hole)
    covered = torch.zeros(height, width)
    for top, left, tall, wide in found:
        assert top >= 0
        assert left >= 0
        assert top + tall <= height
        assert left + wide <= width
        assert hole[..., top : top + tall, left : left + wide].any()
        covered[top : top + tall, left : left + wide] += 1
    assert not (hole[0, 0] > covered).any()
    assert len(set(found)) == len(found)


def test_areas_of_holes_far_apart_are_apart() -> None:
    hole = torch.zeros(1, 1, 1000, 700)
    hole[..., 70:80, 10:20] = hole[..., 900:910, 600:610] = hole[..., 130, 70] = 1
    assert holes.areas(hole) == ((64, 0, 128, 128), (896, 576, 64, 64))
    assert holes.areas(torch.zeros(1, 1, 9, 9)) == ()
    assert holes.areas(torch.ones(1, 1, 9, 70)) == ((0, 0, 9, 70),)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 9), st.integers(0, 2**31))
def test_growing_and_eroding_are_by_squares(
    height: int, width: int, pixels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random((height, width)) < 0.2
    plane = torch.from_numpy(hole).float()[None, None]
    grown, eroded = holes.grow(plane, pixels)[0, 0], holes.eroded(plane, pixels)[0, 0]
    for row in range(height):
        for column in range(width):
            near = hole[
                max(0, row - pixels) : row + pixels + 1,
                max(0, column - pixels) : column + pixels + 1,
            ]
            assert bool(grown[row, column]) == near.any()
            assert bool(eroded[row, column]) == near.all()
