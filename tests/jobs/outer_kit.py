"""What the tests of the outer layers share: a tiny model, small pictures, the command line."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from restorekit import plugins
from restorekit.api import split_options
from restorekit.cli import main
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.jobs.manifest import is_manifest
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings
from restorekit.models import store
from restorekit.models.card import Card, Look

REPOSITORY = Path(__file__).resolve().parents[2]


def tiny_network(seed: int = 0) -> UNet:
    """An awake network with a small receptive field."""
    config = UNetConfig(
        factor=2,
        widths=(8, 16),
        blocks=(1, 1),
        embedding=16,
        numbers=("scale", "noise", "look"),
    )
    return awake(config, seed)


def awake(config: UNetConfig, seed: int = 0) -> UNet:
    """A network in which everything that enters matters; always the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        network = UNet(config)
    for name, value in network.named_parameters():
        wide = 1.0 if "embed" in name else 0.5
        with torch.no_grad():
            spread = wide / max(1, value[0].numel()) ** 0.5 if value.ndim > 1 else 0.02
            value.copy_(spread * torch.randn(value.shape, generator=generator))
    return network


def card(network: UNet, **others: Any) -> Card:
    """The card of a model with both looks."""
    facts: dict[str, Any] = {
        "name": "tiny",
        "task": "upscale",
        "licence": "Apache-2.0",
        "network": network.config.to_dict(),
        "path": "flow_from_source",
        "path_parameters": {"sigma": 0.1},
        "deviation": 0.12,
        "looks": {
            "faithful": Look({"look": 0.0}, start_noise=0.0),
            "sharp": Look({"look": 1.0}, start_noise=1.0),
        },
        "date": "2026-11-21",
    }
    return Card(**{**facts, **others})


def write_model(path: Path, seed: int = 0, **others: Any) -> Path:
    """A model file of random weights; always the same for a seed."""
    network = tiny_network(seed)
    store.save(path, card(network, **others), network.state_dict())
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the tiny model."""
    return write_model(tmp_path_factory.mktemp("models") / "tiny.safetensors")


@pytest.fixture
def restorer(model: Path) -> Callable[..., Restorer]:
    """A Restorer of the tiny model with these options."""

    def build(**options: Any) -> Restorer:
        loaded = plugins.load("upscale")
        own, common = split_options(loaded.task, {"scale": 2.0, "model": str(model), **options})
        return Restorer(loaded, own, Settings.of(loaded.task, common))

    return build


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`restorekit` with these arguments, in this process; every sentence on one line, no traceback."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["restorekit", *(str(a) for a in arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err + said.out
        return Ran(int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def inpaint(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`restorekit inpaint` with a tiny model."""
    config = UNetConfig(
        factor=2, concat=4, widths=(8, 16), blocks=(1, 1), embedding=16, numbers=("stage", "look")
    )
    network, path = awake(config), tmp_path_factory.mktemp("models") / "inpaint.safetensors"
    store.save(path, card(network, task="inpaint"), network.state_dict())
    return lambda *arguments: run("inpaint", *arguments, "--model", path)


@pytest.fixture
def denoise_render(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`restorekit denoise-render` with a tiny model."""
    config = UNetConfig(
        factor=2,
        concat=9,
        widths=(8, 16),
        blocks=(1, 1),
        embedding=16,
        numbers=("albedo", "normal"),
    )
    network, path = awake(config), tmp_path_factory.mktemp("models") / "render.safetensors"
    known = card(network, task="denoise-render", looks={"faithful": Look({}, 0.0)})
    store.save(path, known, network.state_dict())
    return lambda *arguments: run("denoise-render", *arguments, "--model", path)


@pytest.fixture
def upscale(run: Run, model: Path) -> Run:
    """`restorekit upscale` by 2 with the tiny model."""

    def call(*arguments: object) -> Ran:
        scaled = any(str(a) in ("--scale", "--size", "--long-edge") for a in arguments)
        chosen = [] if scaled else ["--scale", 2]
        named = [] if "--model" in [str(a) for a in arguments] else ["--model", model]
        return run("upscale", *chosen, *named, *arguments)

    return call


@pytest.fixture
def fresh_plugins() -> Iterator[Callable[[], None]]:
    """Forget what is known of plugins, now when called and once more after the test."""

    def forget() -> None:
        from restorekit import api

        plugins.listings.cache_clear()
        api.task_function.cache_clear()
        api._restorer.cache_clear()

    yield forget
    forget()


def noise(height: int = 16, width: int = 24, channels: int = 3, seed: int = 0) -> np.ndarray:
    """(H, W, C) uint8: a smooth picture with some texture, or (H, W) for one channel."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        128 + 70 * np.sin(rows / (3 + c) + c) * np.cos(columns / (4 + c)) for c in range(channels)
    ]
    texture = rng.normal(0, 12, (height, width, 1))
    pixels = np.clip(np.stack(planes, 2) + texture, 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def save(path: Path, pixels: np.ndarray | None = None, **options: Any) -> Path:
    """A picture file, its folder made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise() if pixels is None else pixels).save(path, **options)
    return path


def pixels_of(path: Path) -> np.ndarray:
    """A file's pixels as Pillow reads them."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture, photo.png."""
    return save(tmp_path / "photo.png")


def hole(path: Path, height: int = 16, width: int = 24, white: bool = True) -> Path:
    """A mask, white in its middle or nowhere."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2 : height // 2 + 3, 5:9] = 255 * white
    return save(path, mask)


def notes_of(ran: Ran) -> list[str]:
    """The notes that were printed, without their first word."""
    return [
        line.removeprefix("note: ") for line in ran.err.splitlines() if line.startswith("note: ")
    ]


def one_sentence(text: str, *words: str) -> None:
    """The text is one line that says all of these."""
    lines = [line for line in text.splitlines() if not line.startswith("Usage:")]
    lines = [line for line in lines if line and not line.startswith("Try ")]
    assert len(lines) == 1, text
    for word in words:
        assert word in lines[0], text


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG whose header promises far more pixels than it has bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">L", len(data)) + body + struct.pack(">L", zlib.crc32(body))

    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(name, data) for name, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but manifests, hidden ones too: name → bytes."""
    files = (p for p in folder.rglob("*") if p.is_file() and not is_manifest(p))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that runs some code."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
