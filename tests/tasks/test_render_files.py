"""`restorekit denoise-render` on files and arrays: layers, light, alpha and the rest come through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Ran, card, one_sentence, save
from task_kit import awake

import restorekit as rk
from restorekit.engine.unet import UNetConfig
from restorekit.images import read, write
from restorekit.images.exr_display import from_display
from restorekit.models import store
from restorekit.models.card import Look

OpenEXR = pytest.importorskip("OpenEXR")
NETWORK = UNetConfig(
    factor=2, concat=9, widths=(12, 24), blocks=(1, 1), embedding=16, numbers=("albedo", "normal")
)
HEIGHT, WIDTH = 44, 70


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "render.safetensors"
    network = awake(NETWORK)
    looks = {"faithful": Look({}, 0.0)}
    store.save(path, card(network, task="denoise-render", looks=looks), network.state_dict())
    return path


def light(seed: int = 0, top: float = 80.0) -> np.ndarray:
    return (np.random.default_rng(seed).random((HEIGHT, WIDTH, 3)) ** 5 * top).astype(np.float32)


def layered(path: Path, dtype: Any = np.float16) -> Path:
    """A file as Cycles writes it, in half precision, its data window away from its display window."""
    rng = np.random.default_rng(1)
    channels = {}
    albedo = rng.random((HEIGHT, WIDTH, 3), np.float32)
    for name, values in (
        ("Combined", light() * albedo),
        ("Denoising Albedo", albedo),
        ("Denoising Normal", np.tile(np.float32([0, 0, 1]), (HEIGHT, WIDTH, 1))),
        ("Mist Of A Very Long Name Indeed And Longer", light(3)),
    ):
        letters = "XYZ" if "Normal" in name else "RGB"
        channels |= {
            f"View.{name}.{c}": values[..., i].astype(dtype) for i, c in enumerate(letters)
        }
    channels["View.Combined.A"] = rng.random((HEIGHT, WIDTH), np.float32).astype(dtype)
    header = {
        "dataWindow": (np.array([3, 4], np.int32), np.array([WIDTH + 2, HEIGHT + 3], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([99, 79], np.int32)),
        "Camera": "left",
    }
    OpenEXR.File([OpenEXR.Part(header, channels, "")]).write(str(path))
    return path


def channels_of(path: Path) -> dict[str, np.ndarray]:
    part = OpenEXR.File(str(path), separate_channels=True).parts[0]
    return {name: channel.pixels for name, channel in part.channels.items()}


@pytest.fixture
def denoise(run: Callable[..., Ran], model: Path) -> Callable[..., Ran]:
    return lambda *arguments: run("denoise-render", *arguments, "--model", model, "--device", "cpu")


@pytest.mark.user("I6")
@pytest.mark.user("I7")
def test_a_layered_file_keeps_everything_but_its_beauty(denoise: Any, tmp_path: Path) -> None:
    source = layered(tmp_path / "shot.exr")
    ran = denoise(source, "-o", tmp_path / "out.exr")
    assert ran.code == 0, ran.err
    before, after = channels_of(source), channels_of(tmp_path / "out.exr")
    assert before.keys() == after.keys()
    for name, had in before.items():
        assert after[name].dtype == had.dtype
        beauty = name.startswith("View.Combined.") and not name.endswith("A")
        assert np.array_equal(after[name], had) != beauty, name
    headers = [
        OpenEXR.File(str(p), separate_channels=True).parts[0].header
        for p in (source, tmp_path / "out.exr")
    ]
    for name in ("dataWindow", "displayWindow"):
        np.testing.assert_array_equal(headers[0][name], headers[1][name])
    assert headers[1]["Camera"] == "left"


def test_passes_in_the_file_are_used_like_files_of_their_own(denoise: Any, tmp_path: Path) -> None:
    source = layered(tmp_path / "shot.exr", np.float32)
    assert denoise(source, "-o", tmp_path / "whole.exr").code == 0
    planes = channels_of(source)

    def alone(name: str, layer: str, letters: str) -> Path:
        own = np.stack([planes[f"View.{layer}.{c}"] for c in letters], 2)
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": own}).write(str(tmp_path / name))
        return tmp_path / name

    beauty = alone("b.exr", "Combined", "RGB")
    beside = ["--albedo", alone("a.exr", "Denoising Albedo", "RGB")]
    beside += ["--normal", alone("n.exr", "Denoising Normal", "XYZ")]
    assert denoise(beauty, "-o", tmp_path / "out.exr", *beside).code == 0
    assert denoise(beauty, "-o", tmp_path / "bare.exr").code == 0
    whole, apart, bare = (channels_of(tmp_path / f"{n}.exr") for n in ("whole", "out", "bare"))
    np.testing.assert_array_equal(whole["View.Combined.G"], apart["G"])
    assert not np.array_equal(apart["G"], bare["G"])


def test_light_above_one_and_the_scale_come_through(model: Path) -> None:
    albedo = np.random.default_rng(5).random((HEIGHT, WIDTH, 3), np.float32)
    image = light() * albedo
    once = rk.denoise_render(image, albedo, model=str(model), device="cpu")
    assert once.dtype == np.float32
    assert once.max() > 10
    for factor in (0.01, 100.0):
        scaled = rk.denoise_render(
            image * np.float32(factor), albedo, model=str(model), device="cpu"
        )
        np.testing.assert_allclose(scaled / factor, once, rtol=0.01, atol=1e-4)


@pytest.mark.user("I8")
def test_arrays_and_tensors_are_the_same_picture(model: Path) -> None:
    albedo = np.random.default_rng(5).random((HEIGHT, WIDTH, 3), np.float32)
    normal = np.tile(np.float32([0, 0, 1]), (HEIGHT, WIDTH, 1))
    planes = (light() * albedo, albedo, normal)
    tensors = [torch.from_numpy(plane).permute(2, 0, 1) for plane in planes]
    first, again = (rk.denoise_render(*planes, model=str(model), device="cpu") for _ in range(2))
    np.testing.assert_array_equal(first, again)  # no chance in it: frames differ by their own noise
    made = rk.denoise_render(*tensors, model=str(model), device="cpu")
    np.testing.assert_array_equal(made.permute(1, 2, 0).numpy(), first)


def test_no_strength_is_the_render(model: Path) -> None:
    kept = rk.denoise_render(light(), model=str(model), device="cpu", strength=0.0)
    np.testing.assert_allclose(kept, light(), rtol=1e-4, atol=1e-5)


def test_tiles_do_not_show(model: Path) -> None:
    image = np.tile(light(), (5, 5, 1))
    whole, tiled = (
        rk.denoise_render(image, model=str(model), device="cpu", tile=tile) for tile in (None, 64)
    )
    np.testing.assert_array_equal(whole, tiled)


@pytest.mark.user("I3")
def test_a_broken_pixel_is_mended_and_counted(denoise: Any, tmp_path: Path) -> None:
    values = light()
    values[4, 5] = np.inf
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": values}).write(str(tmp_path / "a.exr"))
    assert denoise(tmp_path / "a.exr", "-o", tmp_path / "out").code == 0
    assert np.isfinite(read(tmp_path / "out" / "a.exr").color).all()
    assert '"repaired": 1' in next((tmp_path / "out").glob("*.jsonl")).read_text()


def test_pfm_and_png_stay_what_they_are(denoise: Any, tmp_path: Path) -> None:
    from restorekit.images.pfm import write_pfm

    with (tmp_path / "a.pfm").open("wb") as file:
        write_pfm(file, light())
    save(tmp_path / "b.png")
    assert denoise(tmp_path / "a.pfm", "-o", tmp_path / "out.pfm").code == 0
    assert denoise(tmp_path / "b.png", "-o", tmp_path / "out.png", "--ldr").code == 0
    assert read(tmp_path / "out.pfm").color.max() > 1
    assert read(tmp_path / "out.png").depth == 8


def test_light_can_be_saved_for_a_display_and_back(tmp_path: Path) -> None:
    from restorekit.images.pfm import write_pfm

    with (tmp_path / "a.pfm").open("wb") as file:
        write_pfm(file, light())
    notes = write(read(tmp_path / "a.pfm"), tmp_path / "a.png")
    assert any("display-coded" in note for note in notes)
    seen = read(tmp_path / "a.png")
    assert (seen.alpha, seen.color.max()) == (None, 1)
    write(seen, tmp_path / "b.exr")
    inside = np.clip(light(), 0, 1)
    np.testing.assert_allclose(read(tmp_path / "b.exr").color, inside, atol=0.005)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_alpha_of_light_is_alpha_for_a_display(tmp_path: Path, share: float) -> None:
    """Colours of light are multiplied by it, those of a PNG are not; of 0 or 1 alone it is none."""
    alpha = np.full((HEIGHT, WIDTH), share, np.float32)
    if share == 0.5:
        alpha[:, :9], alpha[:, -9:] = 0, 1
    own = light(top=1)
    shown = own * (alpha[..., None] if share == 0.5 else 1)
    channels = {c: shown[..., i].copy() for i, c in enumerate("RGB")} | {"A": alpha}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(tmp_path / "a.exr"))
    write(read(tmp_path / "a.exr"), tmp_path / "a.png")
    made = read(tmp_path / "a.png")
    if share != 0.5:
        assert made.alpha is None
        alpha = np.ones_like(alpha)
    else:
        assert made.alpha is not None
        np.testing.assert_allclose(made.alpha, alpha, atol=0.003)
    np.testing.assert_allclose(
        from_display(made.color) * alpha[..., None], own * alpha[..., None], atol=0.005
    )


def test_other_tasks_refuse_light(run: Any, tmp_path: Path) -> None:
    ran = run("upscale", layered(tmp_path / "a.exr"), "-o", tmp_path / "out")
    assert ran.code != 0
    assert "holds linear light, which upscale does not take" in ran.err


def test_a_file_without_a_beauty_is_told(denoise: Any, tmp_path: Path) -> None:
    channels = {f"{layer}.{c}": light()[..., 0] for layer in ("One", "Two") for c in "RGB"}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(tmp_path / "a.exr"))
    ran = denoise(tmp_path / "a.exr", "-o", tmp_path / "out.exr")
    assert ran.code == 1
    assert "it has One, Two" in ran.err
    assert not (tmp_path / "out.exr").exists()
    one_sentence("\n".join(line for line in ran.err.splitlines() if "One, Two" in line))


def two_layers(path: Path, **more: np.ndarray) -> Path:
    """A file of layers whose names say nothing."""
    named = {"One": light(1), "Two": light(2), **more}
    channels = {
        f"{layer}.{c}": np.ascontiguousarray(values[..., i])
        for layer, values in named.items()
        for i, c in enumerate("RGB")
    }
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(path))
    return path


def test_a_layer_that_is_named_is_denoised_and_no_other(denoise: Any, tmp_path: Path) -> None:
    source = two_layers(tmp_path / "a.exr")
    ran = denoise(source, "-o", tmp_path / "out.exr", "--layer", "Two")
    assert ran.code == 0, ran.err
    before, after = channels_of(source), channels_of(tmp_path / "out.exr")
    for name, had in before.items():
        assert np.array_equal(after[name], had) == name.startswith("One"), name


def test_a_dim_layer_is_compared_with_itself(denoise: Any, tmp_path: Path) -> None:
    """Not with the beauty, which is hundreds of times as bright."""
    source = two_layers(tmp_path / "a.exr", Dim=light(3, 0.3), beauty=light(4))
    ran = denoise(source, "-o", tmp_path / "out.exr", "--layer", "Dim")
    assert ran.code == 0, ran.err


def test_light_that_is_called_display_coded_is_refused(denoise: Any, tmp_path: Path) -> None:
    ran = denoise(layered(tmp_path / "a.exr"), "-o", tmp_path / "out.exr", "--ldr")
    assert ran.code == 1
    assert "it is light, so leave --ldr out" in ran.err
    assert "does not look like" not in ran.err
    assert not (tmp_path / "out.exr").exists()


def test_a_grey_file_stays_grey(denoise: Any, tmp_path: Path) -> None:
    planes = {"Y": light()[..., 0], "A": light(1)[..., 0]}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(tmp_path / "a.exr"))
    ran = denoise(tmp_path / "a.exr", "-o", tmp_path / "out.exr")
    assert ran.code == 0, ran.err
    before, after = channels_of(tmp_path / "a.exr"), channels_of(tmp_path / "out.exr")
    assert after.keys() == before.keys()
    assert not np.array_equal(after["Y"], before["Y"])
    np.testing.assert_array_equal(after["A"], before["A"])


def test_a_file_that_ends_early_is_one_line(denoise: Any, tmp_path: Path) -> None:
    source = layered(tmp_path / "a.exr")
    source.write_bytes(source.read_bytes()[:-1])
    ran = denoise(source, "-o", tmp_path / "out.exr")
    assert ran.code == 1
    one_sentence("\n".join(line for line in ran.err.splitlines() if "ends early" in line))


def test_passes_can_be_layers_of_any_name(denoise: Any, tmp_path: Path) -> None:
    albedo = np.random.default_rng(6).random((HEIGHT, WIDTH, 3), np.float32)
    odd = two_layers(tmp_path / "odd.exr", Three=albedo)
    usual = two_layers(tmp_path / "usual.exr", albedo=albedo)
    assert (
        denoise(odd, "-o", tmp_path / "1.exr", "--layer", "One", "--albedo", "layer:Three").code
        == 0
    )
    assert denoise(usual, "-o", tmp_path / "2.exr", "--layer", "One").code == 0
    assert denoise(odd, "-o", tmp_path / "3.exr", "--layer", "One").code == 0
    named, found, bare = (channels_of(tmp_path / f"{n}.exr")["One.G"] for n in (1, 2, 3))
    np.testing.assert_array_equal(named, found)
    assert not np.array_equal(named, bare)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--layer", "Four"), "there is no layer 'Four'; the file has One, Two"),
        (("--layer", "One", "--normal", "layer:Four"), "there is no layer 'Four'"),
        (("--layer", "One", "--passes"), "it has no light passes of a name that is known"),
    ],
)
def test_layers_that_are_not_there_are_told(
    denoise: Any, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    ran = denoise(two_layers(tmp_path / "a.exr"), "-o", tmp_path / "out.exr", *flags)
    assert ran.code == 1
    assert said in ran.err
    assert not (tmp_path / "out.exr").exists()


def test_a_picture_without_layers_has_none_to_name(denoise: Any, tmp_path: Path) -> None:
    save(tmp_path / "b.png")
    ran = denoise(tmp_path / "b.png", "-o", tmp_path / "out.png", "--ldr", "--layer", "One")
    assert ran.code == 1
    assert "only OpenEXR files have layers" in ran.err


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_light_passes_still_make_the_beauty(denoise: Any, tmp_path: Path, dtype: Any) -> None:
    """Cycles: colour times direct and indirect light, and emission; 1e-3 of each value."""
    rng = np.random.default_rng(7)
    colour = (0.2 + 0.8 * rng.random((HEIGHT, WIDTH, 3))).astype(np.float32)
    layers = {"DiffDir": light(3, 8.0), "DiffInd": light(4, 8.0), "DiffCol": colour}
    layers |= {"Emit": light(5, 2.0), "Mist": light(6)}
    beauty = colour * (layers["DiffDir"] + layers["DiffInd"]) + layers["Emit"]
    layers["Combined"] = beauty
    channels = {
        f"View.{layer}.{c}": np.ascontiguousarray(values[..., i].astype(dtype))
        for layer, values in layers.items()
        for i, c in enumerate("RGB")
    }
    source = tmp_path / "a.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(source))
    ran = denoise(source, "-o", tmp_path / "out.exr", "--passes")
    assert ran.code == 0, ran.err
    before, after = channels_of(source), channels_of(tmp_path / "out.exr")
    for c in "RGB":
        got = {layer: after[f"View.{layer}.{c}"].astype(np.float64) for layer in layers}
        made = got["DiffCol"] * (got["DiffDir"] + got["DiffInd"]) + got["Emit"]
        np.testing.assert_allclose(made, got["Combined"], rtol=1e-3, atol=1e-5)
        for layer in layers:
            stays = layer in ("DiffCol", "Mist")
            assert np.array_equal(after[f"View.{layer}.{c}"], before[f"View.{layer}.{c}"]) == stays


def test_passes_stay_within_what_they_were(denoise: Any, tmp_path: Path) -> None:
    """Black stays black, an even pass even, and no pass outgrows its brightest pixel."""
    even = np.full((HEIGHT, WIDTH, 3), 0.01, np.float32)
    colour = np.random.default_rng(7).random((HEIGHT, WIDTH, 3)).astype(np.float32)
    layers = {"DiffDir": light(3, 8.0), "DiffInd": even, "DiffCol": colour, "Emit": 0 * even}
    layers["Combined"] = colour * (layers["DiffDir"] + even)
    source = two_layers(tmp_path / "a.exr", **layers)
    ran = denoise(source, "-o", tmp_path / "out.exr", "--passes")
    assert ran.code == 0, ran.err
    after = channels_of(tmp_path / "out.exr")
    for c in "RGB":
        assert not after[f"Emit.{c}"].any()
        np.testing.assert_allclose(after[f"DiffInd.{c}"], 0.01, rtol=1e-5)
        assert after[f"DiffDir.{c}"].min() >= 0
        assert after[f"DiffDir.{c}"].max() <= 8.001


def test_it_is_scored_on_clean_pictures_alone(run: Any, model: Path, tmp_path: Path) -> None:
    save(tmp_path / "clean" / "a.png")
    told = ("--data", tmp_path / "clean", "--model", model, "--device", "cpu")
    told += ("--against", "input", "--metrics", "psnr-y", "--degrade", "samples=4")
    for ldr in ((), ("--ldr",)):
        ran = run("evaluate", "denoise-render", *told, *ldr)
        assert ran.code == 0, ran.err
        assert "faithful" in ran.out
