"""What a CUDA card does with the upscaler: megapixels a second, shares of its peaks, memory, equality.

Every part takes its device, so that the same code runs on a processor, only without graphs.
"""

from __future__ import annotations

import datetime
import math
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import quality
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from restorekit import device as devices
from restorekit import evaluation, plugins
from restorekit.cli.evaluate import restoring
from restorekit.images import from_array
from restorekit.jobs.restorer import Restorer
from restorekit.jobs.settings import Settings

SIZE = (1024, 1024)  # a megapixel out
BATCHES = (1, 2, 4, 8, 16)
TILES = (256, 512, 1024, 2048)
CHANNELS_LAST = torch.channels_last

Call = Callable[[], Any]


def available() -> bool:
    """Whether there is a card to measure."""
    return torch.cuda.is_available()


def card() -> dict[str, str]:
    """The card, its driver and the date, which belong beside every figure."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
        driver = told.stdout.splitlines()[0].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        driver = "unknown"
    return {
        "card": torch.cuda.get_device_name(),
        "memory_gib": f"{torch.cuda.get_device_properties(0).total_memory / 2**30:.1f}",
        "driver": driver,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "date": datetime.date.today().isoformat(),
    }


def figures() -> dict[str, Any]:
    """Everything, on the first card."""
    device = torch.device("cuda")
    measured = peaks(device)
    return {
        "peaks": measured,
        **{f"network, {name}": row for name, row in variants(device, measured).items()},
        **{f"batch of {count}": row for count, row in batches(device).items()},
        **{f"tile of {side}": row for side, row in tiles(device).items()},
        **{f"picture, {name}": row for name, row in pictures(device).items()},
        "against the processor": equality(device),
    }


def seconds(call: Call, device: torch.device, runs: int = 20, warm: int = 3) -> float:
    """The median of a call's seconds, until the device has done it."""
    for _ in range(warm):
        call()
    taken = []
    for _ in range(runs):
        devices.synchronise(device)
        started = time.perf_counter()
        call()
        devices.synchronise(device)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def peaks(device: torch.device, side: int = 8192, runs: int = 20) -> dict[str, float]:
    """What the device reaches at most: bf16 products of matrices, and a copy, read and written."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    product = seconds(lambda: a @ b, device, runs)
    source = torch.empty(4 * side * side, device=device, dtype=torch.bfloat16)
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / seconds(lambda: target.copy_(source), device, runs)
    return {"bf16_tflops": 2 * side**3 / product / 1e12, "gigabytes_a_second": copied / 1e9}


def upscaler(device: torch.device, look: str = "faithful", **common: Any) -> Restorer:
    """The default upscaler at ×4 on a device."""
    loaded = plugins.load("upscale")
    settings = Settings.of(loaded.task, {"look": look, "device": str(device), **common})
    return Restorer(loaded, {"scale": 4.0}, settings)


def network_call(
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format,
    size: tuple[int, int] = SIZE,
    batch: int = 1,
) -> tuple[nn.Module, Call]:
    """(the network, its call alone on tensors that are ready), as the faithful look makes it."""
    model = upscaler(device).model
    network = model.denoiser(device, dtype).network
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    image = torch.rand(batch, 3, *size, device=device).mul(2).sub(1).to(dtype)
    image = image.to(memory_format=layout)
    scale = [2.0 if name == "scale" else 0.0 for name in model.config.numbers]
    numbers, t = torch.tensor([scale], device=device), torch.ones(1, device=device)

    def call() -> Tensor:
        with torch.inference_mode():
            return network(None, image, t, numbers)

    return network, call


def _graphed(call: Call) -> Call:
    """The call recorded as a CUDA graph; a replay writes into the same memory."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def _compiled(network: nn.Module, call: Call) -> Call:
    network.compile()
    return call


VARIANTS: dict[
    str, tuple[torch.dtype, torch.memory_format, Callable[[nn.Module, Call], Call] | None]
] = {
    "float32": (torch.float32, torch.contiguous_format, None),
    "bf16": (torch.bfloat16, torch.contiguous_format, None),
    "bf16, channels_last": (torch.bfloat16, CHANNELS_LAST, None),
    "bf16, channels_last, graph": (torch.bfloat16, CHANNELS_LAST, lambda _, call: _graphed(call)),
    "bf16, channels_last, compiled": (torch.bfloat16, CHANNELS_LAST, _compiled),
}


def variants(
    device: torch.device,
    measured: dict[str, float],
    names: tuple[str, ...] = tuple(VARIANTS),
    size: tuple[int, int] = SIZE,
    runs: int = 20,
) -> dict[str, dict[str, Any]]:
    """Each way of running the network: its rate, and its shares of the peaks measured before."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        dtype, layout, prepare = VARIANTS[name]
        network, call = network_call(device, dtype, layout, size)
        work, traffic = operations(call), least_traffic(network, call)
        try:
            taken = seconds(prepare(network, call) if prepare else call, device, runs)
        except RuntimeError as error:  # graphs and compilers are not everywhere
            found[name] = {"not_run": str(error).strip().splitlines()[0]}
            continue
        found[name] = {
            "megapixels_a_second": size[0] * size[1] / 1e6 / taken,
            "milliseconds": 1e3 * taken,
            "share_of_bf16_peak": work / taken / 1e12 / measured["bf16_tflops"],
            "share_of_bandwidth": traffic / taken / 1e9 / measured["gigabytes_a_second"],
        }
    return found


def operations(call: Call) -> int:
    """Floating-point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def least_traffic(network: nn.Module, call: Call) -> int:
    """Bytes that the convolutions of a call read and write when each touches its tensors once."""
    total = 0

    def count(layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal total
        tensors = (*given, result, *layer.parameters())
        total += sum(t.nbytes for t in tensors if isinstance(t, Tensor))

    convolutions = (m for m in network.modules() if isinstance(m, nn.Conv2d))
    hooks = [layer.register_forward_hook(count) for layer in convolutions]
    call()
    for hook in hooks:
        hook.remove()
    return total


def batches(
    device: torch.device,
    counts: tuple[int, ...] = BATCHES,
    size: tuple[int, int] = (512, 512),
    runs: int = 10,
) -> dict[int, dict[str, float]]:
    """Rate and memory of the network on batches of small pictures."""
    found = {}
    for count in counts:
        _, call = network_call(device, devices.precision(device), CHANNELS_LAST, size, count)
        _peak_memory(device)
        taken = seconds(call, device, runs)
        found[count] = {
            "megapixels_a_second": count * size[0] * size[1] / 1e6 / taken,
            "gibibytes": _peak_memory(device),
        }
    return found


def _peak_memory(device: torch.device) -> float:
    """GiB of the card taken at most since the last question; nan for a processor."""
    if device.type != "cuda":
        return math.nan
    peak = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def tiles(
    device: torch.device, sides: tuple[int, ...] = TILES, low: int = 512, runs: int = 3
) -> dict[int, dict[str, float]]:
    """Rate and memory of whole restorations, ×4 from `low` pixels a side, by the side of a tile."""
    pixels = np.random.default_rng(0).integers(0, 256, (low, low, 3), np.uint8)
    found = {}
    for side in sides:
        restorer = upscaler(device, tile=side)
        _peak_memory(device)
        taken = seconds(lambda r=restorer: r(from_array(pixels)), device, runs, warm=1)
        found[side] = {
            "megapixels_a_second": 16 * low * low / 1e6 / taken,
            "gibibytes": _peak_memory(device),
        }
    return found


def pictures(
    device: torch.device, lows: tuple[int, ...] = (256, 1024), runs: int = 5
) -> dict[str, dict[str, float]]:
    """Rate of whole restorations in memory, from picture to picture, for each look."""
    found = {}
    for look in ("faithful", "sharp"):
        restorer = upscaler(device, look)
        for low in lows:
            picture = from_array(np.random.default_rng(0).integers(0, 256, (low, low, 3), np.uint8))
            taken = seconds(lambda r=restorer, p=picture: r(p), device, runs, warm=1)
            megapixels = 16 * low * low / 1e6
            found[f"{look}, {megapixels:.0f} MP"] = {"megapixels_a_second": megapixels / taken}
    return found


def equality(device: torch.device, limit: int | None = None) -> dict[str, float]:
    """The device's results beside the processor's on the bundled photographs, in every look.

    Scores are against the truth; LPIPS is left out where its weights are missing.
    """
    suite = next(s for s in quality.bundled() if s.task == "upscale")
    cases = list(suite.cases())[:limit]
    loaded = plugins.load("upscale")
    options = loaded.task.check_options(suite.options)
    methods = {
        f"{look} on {name}": restoring(loaded, options, {"look": look, "device": name})
        for look in loaded.task.looks
        for name in ("cpu", str(device))
    }
    found = evaluation.evaluate(cases, methods, ("psnr", "lpips"), scale=4, keep=len(cases))
    differences = [
        np.abs(shown[f"{look} on cpu"].astype(int) - shown[f"{look} on {device}"])
        for shown in found.pictures.values()
        for look in loaded.task.looks
    ]
    rows = {
        "largest_difference": float(max(d.max() for d in differences)),
        "share_more_than_a_level_off": float(np.mean([np.mean(d > 1) for d in differences])),
    }
    for metric in found.metrics:
        changes = (
            abs(a - b)
            for look in loaded.task.looks
            for a, b in zip(
                found.values[f"{look} on cpu"][metric],
                found.values[f"{look} on {device}"][metric],
                strict=True,
            )
        )
        rows[f"largest_change_of_{metric}"] = max(changes)
    return rows
