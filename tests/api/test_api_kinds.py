"""The Python call: the same kind, type and layout come back, and every option does what it says."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import noise, write_model
from PIL import Image

import restorekit
from restorekit import plugins
from restorekit.errors import ModelError, PluginError, RestoreError, UsageError
from restorekit.jobs.settings import COMMON_OPTIONS


@pytest.fixture
def enlarge(model: Path) -> Any:
    def call(image: Any, **options: Any) -> Any:
        return restorekit.upscale(image, **{"scale": 2, "model": str(model), **options})

    return call


ARRAY_SHAPES = [(16, 24), (16, 24, 1), (16, 24, 2), (16, 24, 3), (16, 24, 4)]


def array(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    channels = shape[2] if len(shape) > 2 else 1
    samples = noise(16, 24, channels).reshape(shape)
    if dtype == "uint16":
        return samples.astype(np.uint16) * 257
    return samples if dtype == "uint8" else (samples / 255).astype(dtype)


@pytest.mark.user("M4")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", ARRAY_SHAPES)
def test_arrays_come_back_as_they_went_in(enlarge: Any, shape: tuple[int, ...], dtype: str) -> None:
    given = array(shape, dtype)
    before = given.copy()
    result = enlarge(given)
    assert type(result) is np.ndarray
    assert result.dtype == given.dtype
    assert result.shape == (32, 48, *shape[2:])
    np.testing.assert_array_equal(given, before)
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    assert abs(result.mean() / top - given.mean() / top) < 0.02


@pytest.mark.user("M4")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("lead", [(), (1,)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tensors_come_back_as_they_went_in(
    enlarge: Any, channels: int, lead: tuple[int, ...], dtype: torch.dtype
) -> None:
    samples = np.moveaxis(array((16, 24, channels), "uint8"), 2, 0).copy()
    given = torch.from_numpy(samples).reshape(*lead, channels, 16, 24)
    given = given if dtype == torch.uint8 else (given / 255).to(dtype)
    result = enlarge(given)
    assert isinstance(result, torch.Tensor)
    assert result.dtype == dtype
    assert result.shape == (*lead, channels, 32, 48)
    assert not result.requires_grad


@pytest.mark.user("M4")
def test_a_plane_comes_back_as_a_plane(enlarge: Any) -> None:
    plane = torch.from_numpy(array((16, 24), "uint8"))
    result = enlarge(plane)
    assert torch.equal(result, enlarge(plane[None])[0])


@pytest.mark.user("M4")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "F", "YCbCr"])
def test_pillow_images_come_back_as_they_went_in(enlarge: Any, mode: str) -> None:
    image = Image.fromarray(noise())
    if mode == "F":
        image = Image.fromarray(noise(channels=1).astype(np.float32) / 255)
    elif mode == "I;16":
        image = Image.fromarray(noise(channels=1).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    result = enlarge(image)
    assert isinstance(result, Image.Image)
    assert result.size == (48, 32)
    assert result.mode == {"P": "RGB", "1": "L"}.get(mode, mode)


@pytest.mark.user("M4")
def test_all_kinds_give_the_same_picture(enlarge: Any) -> None:
    eight = noise()
    result = enlarge(eight)
    np.testing.assert_array_equal(np.asarray(enlarge(Image.fromarray(eight))), result)
    tensor = torch.from_numpy(eight).permute(2, 0, 1)
    np.testing.assert_array_equal(enlarge(tensor).permute(1, 2, 0).numpy(), result)
    unit = eight.astype(np.float32) / 255
    assert np.abs(enlarge(unit) * 255 - result).max() <= 0.5 + 1e-3
    assert np.abs(enlarge(unit.astype(np.float64)) * 255 - result).max() <= 0.5 + 1e-3
    deep = enlarge(eight.astype(np.uint16) * 257)
    assert np.abs(deep / 257.0 - result).max() <= 0.51


def test_layouts_in_memory_do_not_matter(enlarge: Any) -> None:
    picture = noise()
    result = enlarge(picture)
    wide = np.zeros((32, 48, 3), np.uint8)
    wide[::2, ::2] = picture
    np.testing.assert_array_equal(enlarge(wide[::2, ::2]), result)
    np.testing.assert_array_equal(enlarge(np.asfortranarray(picture)), result)
    locked = picture.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(enlarge(locked), result)
    flipped = np.ascontiguousarray(picture[:, ::-1])[:, ::-1]
    np.testing.assert_array_equal(enlarge(flipped), result)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None]
    channels_last = tensor.contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(enlarge(channels_last).numpy(), enlarge(tensor).numpy())
    big_endian = (picture.astype(np.uint16) * 257).astype(">u2")
    deep = enlarge(picture.astype(np.uint16) * 257)
    np.testing.assert_array_equal(enlarge(big_endian).astype(np.uint16), deep)


def test_a_tensor_that_wants_gradients_is_taken(enlarge: Any) -> None:
    given = torch.rand(3, 8, 8, requires_grad=True)
    assert not enlarge(given).requires_grad


WRONG: list[tuple[Any, str]] = [
    ("photo.jpg", "not str"),
    (None, "not NoneType"),
    (noise().tolist(), "not list"),
    (np.zeros((0, 5, 3), np.uint8), "5 x 0 pixels"),
    (np.zeros((5, 5, 5), np.uint8), "C = 1 to 4"),
    (np.zeros((2, 5, 5, 3), np.uint8), "must be"),
    (np.zeros(5, np.uint8), "must be"),
    (np.zeros((5, 5), np.int32), "int32"),
    (np.zeros((5, 5), bool), "bool"),
    (np.zeros((5, 5), complex), "complex"),
    (np.full((5, 5), np.nan, np.float32), "NaN"),
    (np.full((5, 5), 200.0), "[0, 1]"),
    (np.full((5, 5), -0.1), "[0, 1]"),
    (np.full((5, 5), np.inf), "[0, 1]"),
    (torch.zeros(2, 3, 5, 5), "(1, C, H, W)"),
    (torch.zeros(5), "C, H, W"),
    (Image.new("RGB", (0, 5)), "0 x 5 pixels"),
    (torch.zeros(3, 5, 5, dtype=torch.int64), "int64"),
    (torch.zeros(3, 0, 5), "5 x 0 pixels"),
    (torch.zeros(3, 5, 5, dtype=torch.int8), "a tensor must be floating or uint8"),
    (torch.zeros(3, 5, 5, device="meta"), "a value for each pixel"),
    (torch.zeros(3, 5, 5).to_sparse(), "a value for each pixel"),
]


@pytest.mark.user("M3")
@pytest.mark.parametrize(("image", "words"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_what_is_no_image_is_a_usage_error(enlarge: Any, image: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        enlarge(image)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"scael": 2}, "has no option 'scael'"),
    ({"look": "pretty"}, "faithful, sharp"),
    ({"look": 3}, "faithful, sharp"),
    ({"scale": "abc"}, "--scale 'abc' is not a number"),
    ({"scale": 0}, "above 0"),
    ({"scale": float("nan")}, "above 0"),
    ({"scale": True}, "--scale True is not a number"),
    ({"scale": [2, 3]}, "--scale [2, 3] is not a number"),
    ({"scale": {"x": 2}}, "is not a number"),
    ({"scale": 2 + 1j}, "is not a number"),
    ({"scale": None, "size": [10, 20, 30]}, "--size"),
    ({"scale": None, "size": (10.5, 20)}, "--size"),
    ({"scale": None, "size": (float("inf"), 20)}, "--size"),
    ({"scale": None, "size": 10}, "--size"),
    ({"scale": None, "size": (0, 5)}, "at least 1"),
    ({"steps": 1.5}, "whole number"),
    ({"steps": 10**400}, "whole number"),
    ({"seed": -1}, "at least 0"),
    ({"tile": 10}, "at least 64"),
    ({"device": "nonsense"}, "auto, cuda, mps, xpu, cpu"),
    ({"look": "sharp", "fidelity": 0.5}, "twice"),
    ({"out": "x"}, "has no option 'out'"),
]


@pytest.mark.user("M6")
@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[str(o) for o, _ in OPTIONS])
def test_wrong_options_are_usage_errors_that_name_them(
    enlarge: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as raised:
        enlarge(noise(), **options)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_values_of_many_types_are_taken(enlarge: Any) -> None:
    result = enlarge(noise())
    for scale in (2, 2.0, "2", np.float32(2), np.int64(2), torch.tensor(2.0), None):
        options = {"scale": scale} if scale is not None else {"scale": None, "size": (48, 32)}
        np.testing.assert_array_equal(enlarge(noise(), **options), result)
    for size in ((48, 32), [48, 32], "48x32", np.array([48, 32]), (np.int64(48), 32.0)):
        np.testing.assert_array_equal(enlarge(noise(), scale=None, size=size), result)
    for device in ("cpu", torch.device("cpu")):
        np.testing.assert_array_equal(enlarge(noise(), device=device), result)


def test_none_means_the_default(enlarge: Any, model: Path) -> None:
    everything = {option.name: None for option in (*task().options, *COMMON_OPTIONS)}
    everything |= {"model": model, "device": "cpu"}
    result = restorekit.upscale(noise(5, 6), **everything)
    np.testing.assert_array_equal(result, restorekit.upscale(noise(5, 6), model=str(model)))


def task() -> Any:
    return plugins.load("upscale").task


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scale": ({"scale": 2}, {"scale": 2.5}),
    "size": ({}, {"scale": None, "size": (40, 30)}),
    "long_edge": ({}, {"scale": None, "long_edge": 40}),
    "max_size": ({}, {"max_size": "1KP"}),
    "noise": ({"noise": 0.0}, {"noise": 0.1}),
    "clean": ({"clean": "never"}, {"clean": "always"}),
    "look": ({"look": "faithful"}, {"look": "sharp"}),
    "fidelity": ({"fidelity": 0.2}, {"fidelity": 0.8}),
    "strength": ({"strength": 1.0}, {"strength": 0.5}),
    "steps": ({"steps": 1}, {"steps": 3}),
    "seed": ({"look": "sharp", "seed": 1}, {"look": "sharp", "seed": 2}),
}
SAME = {"tile", "device"}  # documented not to change the result


@pytest.mark.user("M6")
@pytest.mark.parametrize("name", CHANGES)
def test_every_option_changes_the_result(enlarge: Any, name: str) -> None:
    one, two = (enlarge(noise(), **options) for options in CHANGES[name])
    assert one.shape != two.shape or np.any(one != two)


@pytest.mark.user("M6")
def test_no_option_is_left_out_of_these_tests(tmp_path: Path) -> None:
    names = {option.name for option in (*task().options, *COMMON_OPTIONS)}
    assert names == {*CHANGES, *SAME, "model"}
    one, two = (str(write_model(tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    results = [restorekit.upscale(noise(), scale=2, model=model) for model in (one, two)]
    assert np.any(results[0] != results[1])


def test_a_model_file_that_was_replaced_is_loaded_anew(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a.safetensors")
    first = restorekit.upscale(noise(), scale=2, model=str(path))
    write_model(path, seed=1)
    second = restorekit.upscale(noise(), scale=2, model=str(path))
    assert np.any(first != second)
    path.unlink()
    with pytest.raises(ModelError, match=r"a\.safetensors"):
        restorekit.upscale(noise(), scale=2, model=str(path))


def test_the_call_is_documented_and_has_a_signature() -> None:
    signature = inspect.signature(restorekit.upscale)
    options = [*task().options, *COMMON_OPTIONS]
    assert list(signature.parameters) == ["image", *(option.name for option in options)]
    for option in options:
        parameter = signature.parameters[option.name]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default == option.default
        assert f"    {option.name}: " in restorekit.upscale.__doc__
    assert "float in [0, 1]" in restorekit.upscale.__doc__
    assert "float, of any height" in restorekit.denoise_render.__doc__
    assert restorekit.upscale.__name__ == "upscale"
    assert "upscale" in dir(restorekit)


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(restorekit, "upscaler")
    assert not hasattr(restorekit, "_private")
    with pytest.raises(AttributeError, match="no task is named so"):
        restorekit.upscaler  # noqa: B018
    with pytest.raises(PluginError, match=r"installed tasks: .*upscale"):
        plugins.load("upscaler")


def test_every_error_on_purpose_is_a_restore_error() -> None:
    for name in ("UsageError", "ImageError", "ModelError", "PluginError", "DeviceError"):
        assert issubclass(getattr(restorekit, name), RestoreError)
