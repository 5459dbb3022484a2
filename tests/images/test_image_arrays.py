from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_samples import SRGB, ramp
from PIL import Image

from restorekit.errors import RestoreError, UsageError
from restorekit.images import from_array, to_like

torch = pytest.importorskip("torch")

SIDES = st.integers(1, 7)
SHAPES = st.one_of(
    st.tuples(SIDES, SIDES),
    st.tuples(SIDES, SIDES, st.integers(1, 4)),
)
DTYPES = st.sampled_from(["u1", "<u2", ">u2", "f2", "f4", "f8"])


@st.composite
def images(draw: Any) -> np.ndarray:
    dtype = np.dtype(draw(DTYPES))
    width = min(8 * dtype.itemsize, 32)
    elements = st.floats(0, 1, width=width) if dtype.kind == "f" else None
    return draw(arrays(dtype, draw(SHAPES), elements=elements))


@settings(max_examples=120, deadline=None)
@given(images())
def test_arrays_come_back_as_they_were(image: np.ndarray) -> None:
    found = from_array(image)
    assert found.color.dtype == np.float32
    assert 0 <= found.color.min() <= found.color.max() <= 1
    assert found.depth == {"u1": 8, "u2": 16, "f2": 32, "f4": 32, "f8": 32}[image.dtype.str[1:]]
    back = to_like(found, image)
    assert (back.dtype, back.shape) == (image.dtype, image.shape)
    np.testing.assert_array_equal(back, image)


@st.composite
def tensors(draw: Any) -> Any:
    kind = draw(st.sampled_from(["uint8", "float16", "bfloat16", "float32", "float64"]))
    shape = (draw(st.integers(1, 4)), draw(SIDES), draw(SIDES))
    shape = (1, *shape) if draw(st.booleans()) else shape
    elements = st.integers(0, 255)
    values = torch.from_numpy(draw(arrays(np.uint8, shape, elements=elements)))
    dtype = getattr(torch, kind)
    return values if kind == "uint8" else (values.to(torch.float32) / 256).to(dtype)


@settings(max_examples=80, deadline=None)
@given(tensors())
def test_tensors_come_back_as_they_were(image: Any) -> None:
    found = from_array(image)
    back = to_like(found, image)
    assert (back.dtype, back.shape, back.device) == (image.dtype, image.shape, image.device)
    assert torch.equal(back, image)
    assert found.color.shape[:2] == tuple(image.shape[-2:])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F", "RGBX", "RGBa"])
def test_pillow_images_come_back_in_their_mode(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(ramp()[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(ramp()[..., 0].astype(np.float32) / 255)
    else:
        image = Image.fromarray(ramp(channels=4)).convert(mode)
    back = to_like(from_array(image), image)
    assert (back.mode, back.size) == (mode, image.size)
    tolerance = 2 if mode in ("RGBX", "RGBa") else 0
    shown, seen = np.asarray(image).astype(float), np.asarray(back).astype(float)
    np.testing.assert_allclose(seen[..., :3], shown[..., :3], atol=tolerance)


@pytest.mark.user("B1")
def test_palettes_and_bilevel_come_back_in_full_colour_and_grey() -> None:
    colours = Image.fromarray(ramp()).quantize(8)
    back = to_like(from_array(colours), colours)
    assert back.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(back), np.asarray(colours.convert("RGB")))
    sheer = Image.fromarray(ramp(channels=4)).quantize(8)
    assert to_like(from_array(sheer), sheer).mode == "RGBA"
    bilevel = Image.fromarray(ramp()).convert("1")
    assert to_like(from_array(bilevel), bilevel).mode == "L"


def test_what_a_pillow_image_carries_comes_back() -> None:
    image = Image.fromarray(ramp())
    image.info.update(icc_profile=SRGB, dpi=(300, 300), transparency=(1, 2, 3))
    found = from_array(image)
    assert (found.metadata.icc, found.metadata.dpi) == (SRGB, (300, 300))
    assert found.alpha is not None
    back = to_like(found, image)
    assert back.mode == "RGBA"
    assert back.info == {"icc_profile": SRGB, "dpi": (300, 300)}


def test_dtype_decides_the_range() -> None:
    dark = np.ones((2, 2, 3), np.uint8)
    assert from_array(dark).color.max() == np.float32(1 / 255)
    assert from_array(dark.astype(np.uint16)).color.max() == np.float32(1 / 65535)
    assert from_array(dark.astype(np.float32)).color.min() == 1
    assert from_array(torch.ones(3, 2, 2, dtype=torch.uint8)).color.max() == np.float32(1 / 255)


def test_results_outside_the_range_are_clipped() -> None:
    like = np.zeros((2, 2, 3), np.float32)
    wild = from_array(like)
    wild.color[:] = 1.5
    assert to_like(wild, like).max() == 1
    assert to_like(wild, like.astype(np.uint8)).max() == 255


def test_another_number_of_channels_is_the_pictures_own() -> None:
    colour = from_array(ramp())
    assert to_like(colour, np.zeros((4, 4), np.uint8)).shape == (24, 40, 3)
    assert to_like(colour, Image.new("L", (4, 4))).mode == "RGB"
    assert to_like(colour, torch.zeros(1, 1, 4, 4)).shape == (1, 3, 24, 40)
    with pytest.raises(UsageError, match="numpy array"):
        to_like(colour, Image.new("I;16", (4, 4)))


def test_an_input_is_never_changed_nor_shared() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    found = from_array(image)
    found.color[:] = 1
    assert image.max() == 0


def test_a_matrix_is_taken_as_the_array_it_is() -> None:
    grey = ramp(channels=1)[..., 0]
    for samples in (grey, grey / 256):
        found = from_array(samples.view(np.matrix))
        assert type(found.color) is np.ndarray
        np.testing.assert_array_equal(found.color, from_array(samples).color)
        back = to_like(found, samples.view(np.matrix))
        np.testing.assert_array_equal(back, samples)


def test_a_tensor_whose_sign_is_yet_to_be_changed() -> None:
    given = torch.rand(3, 4, 5)
    negated = torch._neg_view(-given)
    assert negated.is_neg()
    np.testing.assert_array_equal(from_array(negated).color, from_array(given).color)
    assert torch.equal(to_like(from_array(negated), negated), given)


def test_half_precision_light_stays_finite() -> None:
    light = np.full((2, 2, 3), 60000, np.float16)
    found = from_array(light, light=True)
    found.color[:] *= 2
    assert to_like(found, light, light=True).max() == 65504


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((2, 2), 1.5, np.float32), r"must lie in \[0, 1\] and it spans 1.5 to 1.5"),
        (np.full((2, 2), -0.1), "it spans -0.1"),
        (np.array([[0.5, np.nan]]), "it holds NaN"),
        (np.zeros((2, 2), np.int32), "not int32"),
        (np.zeros((2, 2), bool), "not bool"),
        (np.ma.masked_equal(np.zeros((2, 2), np.uint8), 1), "mask would be lost"),
        (np.zeros((3, 20, 20), np.uint8), r"not \(3, 20, 20\)"),
        (np.zeros((0, 20, 3), np.uint8), r"20 x 0 pixels"),
        (np.zeros(5, np.uint8), r"not \(5,\)"),
        (torch.zeros(2, 3, 4, 4), r"not \(2, 3, 4, 4\)"),
        (torch.zeros(4), r"not \(4,\)"),
        (torch.zeros(5, 4, 3), r"not \(5, 4, 3\)"),
        (torch.full((3, 2, 2), 2.0), "it spans 2 to 2"),
        (torch.zeros(3, 2, 2, dtype=torch.int64), "not torch.int64"),
        (Image.new("I", (2, 2)), "mode I"),
        ("photo.png", "not str"),
        (None, "not NoneType"),
    ],
)
def test_what_cannot_be_taken_is_said(image: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        from_array(image)


def test_a_pillow_image_of_a_broken_file_is_our_error(tmp_path: Any) -> None:
    Image.fromarray(ramp(90, 90)).save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").write_bytes((tmp_path / "a.bmp").read_bytes()[:9000])
    with Image.open(tmp_path / "a.bmp") as image, pytest.raises(RestoreError, match=r"a\.bmp"):
        from_array(image)
