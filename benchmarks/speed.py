"""Times and memory, as ratios within one run: medians of several, spread beside them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import device as devices
from restorekit import plugins
from restorekit.engine.conditioning import Condition
from restorekit.engine.tiles import Box
from restorekit.images import from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.samples import to_tensor
from restorekit.jobs.settings import Settings

MEGAPIXEL = (1024, 1024)


def timed(function: Callable[[], Any], runs: int = 5, warm: int = 1) -> dict[str, float]:
    """Median, least and greatest seconds of a call."""
    for _ in range(warm):
        function()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return {"median": statistics.median(seconds), "least": min(seconds), "greatest": max(seconds)}


def paired(first: Callable[[], Any], second: Callable[[], Any], runs: int = 7) -> dict[str, float]:
    """The ratio first/second, run by run in turn, so that a machine's drift meets both."""
    first(), second()
    ratios, ones, others = [], [], []
    for _ in range(runs):
        ones.append(_once(first))
        others.append(_once(second))
        ratios.append(ones[-1] / others[-1])
    return {
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "greatest": max(ratios),
        "seconds": statistics.median(ones),
        "seconds_of_other": statistics.median(others),
    }


def _once(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def restorer(look: str = "faithful", **common: Any) -> Restorer:
    """The default upscaler at ×4."""
    loaded = plugins.load("upscale")
    settings = Settings.of(loaded.task, {"look": look, **common})
    return Restorer(loaded, {"scale": 4.0}, settings)


def bare_call(upscaler: Restorer, size: tuple[int, int], look: float = 0.0) -> Callable[[], Tensor]:
    """The network's call alone, on tensors that are ready, at an output size.

    The faithful look (0) gives the network nothing but the source, as the engine does.
    """
    denoiser = upscaler.engine.denoise
    dtype = denoiser.dtype  # type: ignore[attr-defined]
    image = torch.rand(1, 3, *size, dtype=torch.float32).mul(2).sub(1).to(dtype)
    numbers, t = torch.tensor([[2.0, 0.0, look]]), torch.ones(1)
    noise = image.clone() if look else None
    network = denoiser.network  # type: ignore[attr-defined]

    def call() -> Tensor:
        with torch.inference_mode():
            return network(noise, image, t, numbers)

    return call


def denoising(runs: int = 5) -> dict[str, float]:
    """A megapixel denoised over one of the upscaler's output."""
    loaded = plugins.load("denoise")
    work = Restorer(loaded, {}, Settings.of(loaded.task, {}))
    noise = from_array(np.random.default_rng(0).integers(0, 256, (*MEGAPIXEL, 3), np.uint8))
    enlarged = restorer()
    low = from_array(np.zeros((MEGAPIXEL[0] // 4, MEGAPIXEL[1] // 4, 3), np.uint8))
    return paired(lambda: work(noise), lambda: enlarged(low), runs)


def filling(runs: int = 5) -> dict[str, dict[str, float]]:
    """Inpainting a hole of 256²: its time a megapixel of hole over one of the upscaler's output, and
    its seconds in a small and in a large picture, there also at strength 0: the mask, checks, copies."""
    loaded = plugins.load("inpaint")

    def filled(side: int, strength: float = 1.0) -> Callable[[], Any]:
        work = Restorer(
            loaded, loaded.task.check_options({}), Settings.of(loaded.task, {"strength": strength})
        )
        image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        mask = np.zeros((side, side, 1), np.uint8)
        mask[128:384, 128:384] = 255
        companions = {"mask": from_array(mask)}
        return lambda: work(from_array(image), companions=companions)

    enlarged = restorer()
    low = from_array(np.zeros((MEGAPIXEL[0] // 4, MEGAPIXEL[1] // 4, 3), np.uint8))
    share = paired(filled(512), lambda: enlarged(low), runs)
    for name in ("ratio", "least", "greatest"):
        share[name] *= MEGAPIXEL[0] * MEGAPIXEL[1] / 256**2
    return {
        "over_upscaler": share,
        "seconds_in_a_quarter_megapixel": timed(filled(512), runs),
        "seconds_in_16_megapixels": timed(filled(4096), runs),
        "the_same_without_a_network": timed(filled(4096, 0.0), runs),
    }


def engine_overhead(
    height: int, width: int, *, runs: int, budget: int | None = None
) -> dict[str, float]:
    """A restoration (condition, sampling, tiles, result in memory) over the bare network's calls.

    The network is called on as many pixels as the output has, in as many calls as the engine makes
    tiles, without margins: what a perfect tiling would cost. budget: pixels of the largest call; by
    default what the restorer takes on this machine.
    """
    upscaler = restorer()
    low = np.random.default_rng(0).random((height // 4, width // 4, 3), np.float32)
    picture = from_array((low * 255).astype(np.uint8))
    if budget:
        upscaler.budget = budget
    engine = replace(upscaler.engine, budget=upscaler.budget)
    calls = len(engine.regions((height, width), upscaler.runs()))
    rows = round(height / calls / 64) * 64
    bare = bare_call(upscaler, (rows, width))
    share = rows * calls / height

    def all_calls() -> None:
        for _ in range(calls):
            bare()

    def whole() -> None:
        upscaler(picture)

    found = paired(whole, all_calls, runs)
    ratios = {k: found[k] * share for k in ("ratio", "least", "greatest")}
    return {**found, **ratios, "calls": calls}


def peak_rate(dtype: torch.dtype, runs: int = 9) -> float:
    """GFLOP/s of a 3×3 convolution of 128 channels on 256² points, channels_last: the median run."""
    layer = torch.nn.Conv2d(128, 128, 3, padding=1).to(dtype)
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(1, 128, 256, 256).to(dtype).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = timed(lambda: layer(x), runs, warm=3)["median"]
    return 2 * 9 * 128 * 128 * 256 * 256 / seconds / 1e9


def copy_rate(runs: int = 9) -> dict[str, float]:
    """GB/s of a copy of 256 MiB, read and written."""
    source = torch.ones(1 << 26)
    target = torch.empty_like(source)
    return {
        "gigabytes_a_second": 2
        * source.nbytes
        / timed(lambda: target.copy_(source), runs)["median"]
        / 1e9
    }


def network_share(runs: int = 7) -> dict[str, float]:
    """The network's rate at one megapixel out, and its share of the peak measured around it."""
    from torch.utils.flop_counter import FlopCounterMode

    upscaler = restorer()
    call = bare_call(upscaler, MEGAPIXEL)
    with FlopCounterMode(display=False) as counter:
        call()
    dtype = devices.precision(upscaler.device)
    shares, rates = [], []
    for _ in range(runs):
        before, seconds, after = (
            peak_rate(dtype, 5),
            timed(call, 1, 1)["median"],
            peak_rate(dtype, 5),
        )
        rates.append(counter.get_total_flops() / seconds / 1e9)
        shares.append(rates[-1] / max(before, after))
    return {
        "share_of_peak": statistics.median(shares),
        "least": min(shares),
        "greatest": max(shares),
        "gflop_per_second": statistics.median(rates),
        "kmac_per_pixel": counter.get_total_flops() / 2e3 / (MEGAPIXEL[0] * MEGAPIXEL[1]),
    }


def against_rrdbnet(runs: int = 3) -> dict[str, float]:
    """One step of the upscaler over Real-ESRGAN's network (random weights), a megapixel out each."""
    from peers import rrdbnet

    upscaler = restorer()
    dtype = devices.precision(upscaler.device)
    big = rrdbnet().to(dtype).eval()
    big = big.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    low = torch.rand(1, 3, 256, 256).to(dtype).to(memory_format=torch.channels_last)

    def other() -> None:
        with torch.inference_mode():
            big(low)

    return paired(bare_call(upscaler, MEGAPIXEL), other, runs)


def pieces(runs: int = 5) -> dict[str, float]:
    """Seconds a megapixel of what stands around the network: condition, noise, result."""
    from restorekit.engine.noise import noise_at
    from restorekit.jobs.samples import to_samples

    upscaler = restorer()
    low = to_tensor(np.random.default_rng(0).random((256, 256, 3), np.float32))
    plan = upscaler.hooks.restorekit_prepare(
        inputs={"image": low}, options=upscaler.options, file={}
    )
    box = Box(0, 0, *plan.size)

    def condition() -> Condition:
        return upscaler.hooks.restorekit_condition(plan=plan, box=box)

    x0 = condition().source
    return {
        "condition": timed(condition, runs)["median"],
        "noise": timed(lambda: noise_at(box, 3, seed=1), runs)["median"],
        "to_samples": timed(lambda: to_samples(x0, 8), runs)["median"],
        "sharp_over_faithful": paired(
            lambda: restorer_call("sharp"), lambda: restorer_call("faithful"), runs
        )["ratio"],
    }


_KEPT: dict[str, tuple[Restorer, Any]] = {}


def restorer_call(look: str) -> None:
    """A megapixel restored in a look; the restorer is kept between calls."""
    if look not in _KEPT:
        low = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
        _KEPT[look] = (restorer(look), from_array(low))
    upscaler, picture = _KEPT[look]
    upscaler(picture)


def tile_invariance(side: int = 320) -> dict[str, float]:
    """The greatest difference in levels of 255 between a picture made whole and made in tiles."""
    low = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    found = {}
    for look in ("faithful", "sharp"):
        whole, tiled = (
            restorer(look, tile=tile)(from_array(low)).color.astype(np.int64) for tile in (None, 64)
        )
        found[look] = float(np.abs(whole - tiled).max())
    return found


def large_picture(height: int = 4000, width: int = 6000) -> dict[str, float]:
    """Peak memory and seconds of the command on a picture of noise, ×4, PNG to PNG."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "large.png"
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(source, compress_level=1)
        del pixels
        seconds, gibibytes = command("upscale", str(source), "-o", str(Path(folder) / "out"))
        written = (Path(folder) / "out" / "large.png").stat().st_size
    return {
        "gibibytes": gibibytes,
        "seconds": seconds,
        "megapixels_out": 16 * height * width / 1e6,
        "written_gigabytes": written / 1e9,
    }


_MEASURED = (
    "import resource, subprocess, sys; ran = subprocess.run(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(ran.returncode)"
)


def command(*arguments: str) -> tuple[float, float]:
    """Seconds of one `restorekit` from its start to its end, and GiB at its peak. RuntimeError where
    it fails."""
    started = time.perf_counter()
    # By a small process between: a child's peak begins at that of the process which it is begun from.
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            _MEASURED,
            sys.executable,
            "-m",
            "restorekit",
            *arguments,
            "--quiet",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"restorekit {' '.join(arguments)}: exit code {ran.returncode}")
    return time.perf_counter() - started, int(ran.stdout.split()[-1]) / 2**20


def start_up(runs: int = 9) -> dict[str, float]:
    """Seconds of `restorekit --help` beyond `python -c "import click, pluggy"`."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments: str) -> Callable[[], Any]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, capture_output=True)

    found = paired(run("-m", "restorekit", "--help"), run("-c", "import click, pluggy"), runs)
    return {
        "extra_seconds": found["seconds"] - found["seconds_of_other"],
        "help_seconds": found["seconds"],
    }
