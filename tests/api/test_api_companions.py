"""`restorekit.inpaint(image, mask)`: further images, words, and options of every kind."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import noise
from PIL import Image

import restorekit
from restorekit.errors import UsageError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tasks"))

from task_kit import blot, write_model

HOLE = blot(40, 50, (10, 12, 9, 11))
MASK = np.where(HOLE, 255, 0).astype(np.uint8)

Fill = Callable[..., Any]


@pytest.fixture
def fill(tmp_path_factory: pytest.TempPathFactory) -> Fill:
    """`restorekit.inpaint` with the tiny model."""
    model = write_model(tmp_path_factory.mktemp("models") / "inpaint.safetensors", "inpaint")

    def call(*images: Any, **options: Any) -> Any:
        return restorekit.inpaint(*images, **{"model": str(model), **options})

    return call


@pytest.fixture
def image() -> np.ndarray:
    return noise(40, 50)


def test_a_mask_by_place_or_by_name(fill: Fill, image: np.ndarray) -> None:
    made = fill(image, MASK)
    np.testing.assert_array_equal(made[~HOLE], image[~HOLE])
    assert np.any(made[HOLE] != image[HOLE])
    np.testing.assert_array_equal(fill(image, mask=MASK), made)
    np.testing.assert_array_equal(fill(image, MASK, grow=None), made)


@pytest.mark.user("M4")
def test_masks_of_any_kind_whatever_the_picture_is(fill: Fill, image: np.ndarray) -> None:
    made = fill(image, MASK)
    masks = {
        "float": MASK / 255,
        "deep": MASK.astype(np.uint16) * 257,
        "one channel": MASK[..., None],
        "colours": np.repeat(MASK[..., None], 3, 2),
        "tensor": torch.from_numpy(MASK)[None],
        "plane": torch.from_numpy(MASK),
        "truth values": HOLE,
        "tensor of truth values": torch.from_numpy(HOLE),
        "float tensor": torch.from_numpy(HOLE)[None, None].float(),
        "L": Image.fromarray(MASK),
        "1": Image.fromarray(MASK).convert("1"),
        "P": Image.fromarray(MASK).convert("P"),
    }
    for name, mask in masks.items():
        np.testing.assert_array_equal(fill(image, mask), made, err_msg=name)
    pillow = fill(Image.fromarray(image), MASK)
    assert isinstance(pillow, Image.Image)
    np.testing.assert_array_equal(np.asarray(pillow), made)
    tensor = fill(torch.from_numpy(image).permute(2, 0, 1), Image.fromarray(MASK))
    np.testing.assert_array_equal(tensor.permute(1, 2, 0).numpy(), made)


def test_neither_image_is_changed(fill: Fill, image: np.ndarray) -> None:
    before, mask = image.copy(), MASK.copy()
    fill(image, mask, grow=2, feather=1)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(mask, MASK)


def test_words_by_place_or_by_name(fill: Fill, image: np.ndarray) -> None:
    image[HOLE] = (255, 0, 255)
    made = fill(image, "#ff00ff")
    np.testing.assert_array_equal(made[~HOLE], image[~HOLE])
    assert np.any(made[HOLE] != image[HOLE])
    np.testing.assert_array_equal(fill(image, mask="#FF00FF"), made)
    clear = np.dstack([image, np.where(HOLE, 0, 255).astype(np.uint8)])
    whole = fill(clear, "alpha")
    assert (whole[..., 3] == 255).all()
    np.testing.assert_array_equal(whole[~HOLE], clear[~HOLE])


def test_an_image_expanded_without_a_mask(fill: Fill, image: np.ndarray) -> None:
    made = fill(image, expand="left=8,bottom=3")
    assert made.shape == (43, 58, 3)
    np.testing.assert_array_equal(made[:40, 8:], image)
    small = Image.fromarray(image).convert("RGBA")
    assert fill(small, expand="top=1").size == (50, 41)


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((MASK, MASK), {}, "inpaint takes 2 images at most"),
    ((MASK,), {"mask": MASK}, "mask is given twice"),
    (("alfa",), {}, "mask 'alfa' is no image and no word that inpaint knows"),
    ((), {"mask": "mask.png"}, "mask 'mask.png' is no image and no word"),
    ((), {}, "inpaint needs --mask"),
    ((7,), {}, "not int"),
    ((Path("mask.png"),), {}, "an image must be"),
    ((MASK[:, :49],), {}, "the mask is 49 x 40 and the picture 50 x 40"),
    ((MASK * 0,), {}, "nothing in the mask is white"),
    ((MASK * 0 + 255,), {}, "all of the picture is to be filled"),
    ((MASK,), {"grow": -1}, "--grow -1 is out of range"),
    ((MASK,), {"feather": 65}, "at most 64"),
    ((MASK,), {"expand": "left"}, "--expand 'left'"),
    ((MASK,), {"mask_fit": "yes"}, "--mask-fit 'yes' is not true or false"),
    ((MASK,), {"degradation": "thin"}, "has no option 'degradation'"),
]


@pytest.mark.user("H2")
@pytest.mark.parametrize(("others", "options", "words"), WRONG, ids=[w for *_, w in WRONG])
def test_what_cannot_be_is_one_sentence(
    fill: Fill, image: np.ndarray, others: tuple, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        fill(image, *others, **options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


OPTIONS: dict[str, dict[str, Any]] = {
    "grow": {"grow": 2},
    "feather": {"feather": 2},
    "expand": {"expand": "left=3"},
    "mask": {"mask": np.roll(MASK, 3)},
    "look": {"look": "sharp"},
}


@pytest.mark.user("M6")
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_changes_the_result(fill: Fill, image: np.ndarray, name: str) -> None:
    one, two = fill(image, mask=MASK), fill(image, **{"mask": MASK, **OPTIONS[name]})
    assert one.shape != two.shape or np.any(one != two)


def test_the_mask_is_in_the_signature_and_the_help() -> None:
    parameters = inspect.signature(restorekit.inpaint).parameters
    assert list(parameters)[:2] == ["image", "mask"]
    assert parameters["mask"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert parameters["mask"].default is None
    assert "    mask: Where to fill, white" in restorekit.inpaint.__doc__


def test_a_task_without_companions_takes_one_image(image: np.ndarray) -> None:
    with pytest.raises(UsageError, match="denoise takes one image at most"):
        restorekit.denoise(image, MASK)
    assert list(inspect.signature(restorekit.denoise).parameters)[1] == "look"
