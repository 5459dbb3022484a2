"""How fast other people's tools are beside restorekit: pictures to pictures, in one run, in turn.

A ratio below 1 means that restorekit takes less time. What is not installed here is named and not run.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from peers import load_peer
from speed import paired, restorer
from torch import Tensor, nn

import restorekit
from restorekit import device as devices
from restorekit import plugins
from restorekit.errors import ModelError
from restorekit.images import from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings

SIDE = 256  # pixels of what is made 4 times as large: a megapixel out
WIDTHS, LAYERS = (32, 64, 128), 2  # of diffusers' network: 3.5 million parameters, ours has 2.9
UPSCALERS = ("realesr-general-x4v3", "lsdir-compact-x4", "rlfn-x4")
PACKAGES = ("diffusers", "spandrel", "opencv-python", "opencv-python-headless", "bm3d", "pyoidn")

Work = Callable[[], Any]


def figures(runs: int = 5) -> dict[str, dict[str, float | str]]:
    """Of every rival: restorekit's seconds over its own; or why it was not run."""
    low = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    high = np.random.default_rng(1).integers(0, 256, (2 * SIDE, 2 * SIDE, 3), np.uint8)
    light = _light()
    upscaler, denoiser = restorer(), _denoiser()
    ours: dict[str, Work] = {
        "upscale": lambda: upscaler(from_array(low)),
        "denoise": lambda: denoiser(from_array(high)),
        "denoise-render": lambda: restorekit.denoise_render(*light.values()),
    }
    rivals: list[tuple[str, str, Callable[[], Work]]] = [
        *(("upscale", name, lambda name=name: _by_peer(name, low)) for name in UPSCALERS),
        ("upscale", "one step of diffusers", lambda: _by_diffusers(low)),
        ("denoise", "OpenCV's fastNlMeans", lambda: _by_opencv(high)),
        ("denoise", "BM3D", lambda: _by_bm3d(high)),
        ("denoise-render", "Open Image Denoise", lambda: _by_open_image_denoise(light)),
    ]
    found: dict[str, dict[str, float | str]] = {}
    for task, name, prepare in rivals:
        try:
            found[f"{task} over {name}"] = {**paired(ours[task], prepare(), runs)}
        except (ImportError, ModelError) as error:
            found[f"{task} over {name}"] = {"not run": str(error)}
    return found


def versions() -> dict[str, str]:
    """Of the rivals' packages that are installed."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _denoiser() -> Restorer:
    loaded = plugins.load("denoise")
    return Restorer(loaded, {}, Settings.of(loaded.task, {}))


def _by_peer(name: str, low: np.ndarray) -> Work:
    """A network of the folder of peers, in the precision that restorekit works in here."""
    return _by_network(load_peer(name), low)


def _by_network(network: nn.Module, low: np.ndarray) -> Work:
    dtype = devices.precision(torch.device("cpu"))
    placed = network.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def work() -> np.ndarray:
        image = torch.from_numpy(low).permute(2, 0, 1)[None].to(dtype).div_(255)
        with torch.inference_mode():
            made: Tensor = placed(image.contiguous(memory_format=torch.channels_last))
        return made.float().mul(255).round().clamp(0, 255).byte()[0].permute(1, 2, 0).numpy()

    return work


class _Step(nn.Module):
    """A pixel-space diffusion step on an enlarged picture, as diffusers' pipelines run it."""

    def __init__(self, network: nn.Module, scheduler: Any) -> None:
        super().__init__()
        self.network, self.scheduler = network, scheduler

    def forward(self, image: Tensor) -> Tensor:
        large = nn.functional.interpolate(image, scale_factor=4, mode="bicubic")
        t = self.scheduler.timesteps[0]
        return self.scheduler.step(self.network(large, t).sample, t, large).prev_sample


def _by_diffusers(low: np.ndarray) -> Work:
    """UNet2DModel with as many parameters as the upscaler, random weights, and one DDIM step."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # its build may not match torch's; diffusers does without
        sys.modules["torchvision"] = None  # type: ignore[assignment]
    diffusers = importlib.import_module("diffusers")
    network = diffusers.UNet2DModel(
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D",) * 3,
        up_block_types=("UpBlock2D",) * 3,
        layers_per_block=LAYERS,
        add_attention=False,
    )
    scheduler = diffusers.DDIMScheduler()
    scheduler.set_timesteps(1)
    return _by_network(_Step(network, scheduler).eval(), low)


def _by_bm3d(picture: np.ndarray) -> Work:
    bm3d = importlib.import_module("bm3d")
    return lambda: bm3d.bm3d_rgb(picture / 255, 25 / 255)


def _light() -> dict[str, np.ndarray]:
    """A megapixel of noisy light with its albedo and normals."""
    draw = np.random.default_rng(2)
    albedo = draw.uniform(0.1, 0.9, (4 * SIDE, 4 * SIDE, 3)).astype(np.float32)
    color = albedo * draw.exponential(1, (4 * SIDE, 4 * SIDE, 1)).astype(np.float32)
    return {"color": color, "albedo": albedo, "normal": np.full_like(color, 3**-0.5)}


def _by_open_image_denoise(light: dict[str, np.ndarray]) -> Work:
    oidn = importlib.import_module("pyoidn")
    return lambda: oidn.denoise(
        light["color"], albedo=light["albedo"], normal=light["normal"], hdr=True
    )


def _by_opencv(picture: np.ndarray) -> Work:
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(torch.get_num_threads())
    return lambda: cv2.fastNlMeansDenoisingColored(picture, None, 10, 10, 7, 21)
