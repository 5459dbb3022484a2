"""Runs of whole folders: `python benchmarks/folders.py PART [--NAME N]...`, on a quiet machine.

photos: a folder of JPEGs from the command's start to its end, over the network's own time. small:
the network on pictures of 64 to 256 pixels, one a call and several. memory: what a run of 10,000 files
holds. large: a TIFF of 100 megapixels, doubled. kills: runs killed at 200 moments and finished. Each
part is written into benchmarks/results/folders.json with its machine and date.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import inspect
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import quality
import speed
import torch
from PIL import Image

from restorekit.cli.scores import write_json
from restorekit.evaluation import machine
from restorekit.images import from_array, probe
from restorekit.jobs import run as jobs
from restorekit.jobs import scan
from restorekit.jobs.report import Step

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "folders.json"
MANIFEST = "restorekit-manifest.jsonl"


def photos(count: int = 200, width: int = 640, height: int = 480, runs: int = 5) -> dict[str, Any]:
    """Seconds of `restorekit upscale` on JPEGs, its start counted, over those of the bare network.

    The network is timed before and after, on tensors that are ready, in as many calls as the run
    makes. stages: seconds that each stage took; reading and writing overlap with restoring.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "in"), Path(place, "out")
        folder.mkdir()
        pictures = [pixels for _, pixels in quality.photographs()]
        for number in range(count):
            image = Image.fromarray(pictures[number % len(pictures)]).resize((width, height))
            shifted = np.roll(np.asarray(image), 7 * number, axis=1)
            Image.fromarray(shifted).save(folder / f"{number:04}.jpg", quality=88)
        upscaler = speed.restorer()
        sizes = [
            (region.height, region.width)
            for region in upscaler.engine.regions((4 * height, 4 * width), upscaler.runs())
        ]
        calls = {size: speed.bare_call(upscaler, size) for size in set(sizes)}

        def network() -> float:
            each = {size: speed.timed(call, runs)["median"] for size, call in calls.items()}
            return sum(each[size] for size in sizes)

        before = network()
        words = (
            "upscale",
            str(folder),
            "-o",
            str(out),
            "--clean",
            "never",
        )  # the bare network does not
        seconds, _ = speed.command(*words)
        bare = count * (before + network()) / 2
        stages: collections.Counter[str] = collections.Counter()
        for line in (out / MANIFEST).read_text(encoding="utf-8").splitlines():
            stages.update(json.loads(line)["seconds"])
        again, _ = speed.command(*words)
    return {
        "pictures": count,
        "pixels": [width, height],
        "scale": 4,
        "seconds": seconds,
        "network_seconds": bare,
        "ratio": seconds / bare,
        "stages": {name: round(total, 3) for name, total in stages.items()},
        "seconds_with_nothing_to_do": again,
    }


def small(least: int = 64, most: int = 256, batch: int = 8, runs: int = 9) -> dict[str, Any]:
    """Milliseconds a picture that the ×4 network takes for small squares, by pictures a call.

    Also whether the picture is the same to the bit, and what a whole restoration in memory takes.
    Rounds of all batches, so that a machine's drift meets each; medians.
    """
    upscaler = speed.restorer()
    found: dict[str, Any] = {}
    sizes = [2**n for n in range(batch.bit_length())]
    for side in (least << n for n in range((most // least).bit_length())):
        calls = {b: _batched(upscaler, 4 * side, b) for b in sizes}
        equal = {b: bool(torch.equal(call()[0], calls[1]()[0])) for b, call in calls.items()}
        taken: dict[int, list[float]] = {b: [] for b in sizes}
        for _ in range(runs):
            for b, call in calls.items():
                started = time.perf_counter()
                call()
                taken[b].append((time.perf_counter() - started) / b)
        picture = from_array(np.zeros((side, side, 3), np.uint8))
        found[f"{side} pixels"] = {
            "milliseconds": {b: 1e3 * statistics.median(t) for b, t in taken.items()},
            "equal": equal,
            "milliseconds_of_a_restoration": 1e3
            * speed.timed(lambda p=picture: upscaler(p), runs)["median"],
        }
    return found


def _batched(upscaler: Any, side: int, batch: int) -> Callable[[], torch.Tensor]:
    """The network's call on so many pictures at once, the first always the same; numbers as for one."""
    denoiser = upscaler.engine.denoise
    images = torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))
    images = images.mul(2).sub(1).to(denoiser.dtype)
    numbers, t = torch.tensor([[2.0, 0.0, 0.0]]), torch.ones(1)

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return denoiser.network(None, images, t, numbers)

    return call


def memory(count: int = 10_000, side: int = 24) -> dict[str, Any]:
    """Resident memory of one process after each tenth of a folder of small PNGs, in MiB."""
    resident: dict[int, float] = {}
    marks = {max(1, count * tenth // 10) for tenth in range(1, 11)}

    def tell(step: Step) -> None:
        if step.share == 1.0 and step.number in marks:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident[step.number] = round(pages * resource.getpagesize() / 2**20, 2)

    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "in"), Path(place, "out")
        folder.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "00000.png")
        first = (folder / "00000.png").read_bytes()
        for number in range(1, count):
            (folder / f"{number:05}.png").write_bytes(first)
        targets = scan.targets(scan.scan([folder], out), out, "keep")
        report = jobs.run(speed.restorer(), targets, out, tell=tell)
    if report.done != count:
        raise RuntimeError(report.summary())
    early, late = resident[min(resident)], resident[max(resident)]
    return {"files": count, "mebibytes": resident, "growth": late / early - 1}


def large(side: int = 10_000) -> dict[str, Any]:
    """Time and peak memory of `restorekit upscale --scale 2` on a square TIFF, and what --plan said."""
    with tempfile.TemporaryDirectory() as place:
        photo, out = Path(place, "large.tif"), Path(place, "out")
        pixels = next(pixels for _, pixels in quality.photographs())
        times = [-(-side // length) for length in pixels.shape[:2]]
        tiled = np.tile(pixels, (*times, 1))[:side, :side]
        Image.fromarray(tiled).save(photo, compression="tiff_adobe_deflate")
        given = ["upscale", str(photo), "-o", str(out), "--scale", "2"]
        plan = subprocess.run(
            [sys.executable, "-m", "restorekit", *given, "--plan"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        seconds, gibibytes = speed.command(*given)
        result = probe(out / photo.name)
    return {
        "megapixels": side * side / 1e6,
        "result": [result.width, result.height],
        "seconds": seconds,
        "gibibytes": gibibytes,
        "plan": plan.stdout.splitlines()[1:],
    }


def kills(count: int = 200, pictures: int = 50) -> dict[str, Any]:
    """The outcome of tests/jobs/test_jobs_killed.py with so many kills."""
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/jobs/test_jobs_killed.py"],
        env={
            **os.environ,
            "RESTOREKIT_KILLS": str(count),
            "RESTOREKIT_PICTURES": str(pictures),
        },
        check=False,
        cwd=ROOT,
    )
    if ran.returncode:
        raise RuntimeError("a killed run was not finished as it should be")
    return {"kills": count, "pictures": pictures, "seconds": time.perf_counter() - started}


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    part.__name__: part for part in (photos, small, memory, large, kills)
}


def main() -> None:
    """Run one part and keep its figures beside those of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, part in PARTS.items():
        command = parts.add_parser(name, help=(part.__doc__ or "").splitlines()[0])
        for option in inspect.signature(part).parameters.values():
            command.add_argument(f"--{option.name}", type=int, default=option.default)
        command.add_argument("--out", type=Path, default=RESULTS)
    given = vars(parser.parse_args())
    name, out = given.pop("part"), given.pop("out")
    found = {
        "command": " ".join(["python benchmarks/folders.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        **PARTS[name](**given),
    }
    print(json.dumps(found, indent=1))
    before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    write_json(out, {**before, name: found})


if __name__ == "__main__":
    main()
