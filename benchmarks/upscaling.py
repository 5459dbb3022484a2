"""What scores of clean reductions do not say of the upscaler: grain, grids, worn pictures, cascades.

    python benchmarks/upscaling.py --data TESTSETS --json benchmarks/results/upscaling.json

spectra: sharp, ×4, against the originals — the power by frequency up to .8 of Nyquist, the energy at
periods of 2 and 4 pixels, and of what a high-pass leaves in the flattest tenth of the patches.
worn: ×4 of reductions saved as JPEG, and of blurred, noisy ones saved as JPEG, by default and without
cleaning them, beside a network that was trained for such pictures. cleaning: by JPEG's quality, what it
is worth; seen: how many pictures of a set are taken to need it. cascade: ×8 beside ×4 and bicubic.
augmentation: ×8 where the second pass is given the first's picture with noise, and told how much
(conditioning augmentation, Ho 2022).
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import load_peer
from quality import peer_method
from restorekit_upscale import traces
from torch import Tensor

import restorekit as rk
from restorekit import evaluation, metrics, plugins
from restorekit.cli.evaluate import restoring
from restorekit.evaluation import BASELINES, Case, Method, machine, truths_in
from restorekit.images import from_array

NYQUIST_SHARE, BANDS = 0.8, 32
QUALITIES = (95, 90, 85, 75, 60, 40)
AUGMENTATIONS = (0.0, 0.005, 0.01, 0.02, 0.04)  # deviations, of the full range
Truths = Callable[[int], Iterable[tuple[str, np.ndarray]]]


def low(truth: np.ndarray, scale: int, wear: str, seed: int) -> np.ndarray:
    """A picture reduced by a scale and worn, by JPEG of the quality that ends its name; (H, W, 3) uint8
    both."""
    clean = _coded(truth)
    height, width = (side // scale for side in truth.shape[:2])
    draw = torch.Generator().manual_seed(seed)
    if wear == "blur, noise and JPEG 60":
        spread, angle = torch.tensor([1.0]), torch.tensor([0.0])
        clean = rk.blur(clean, spread, spread, angle)
    image = rk.to_levels(rk.reduce(clean, (height, width)))
    if wear == "blur, noise and JPEG 60":
        noisy = image + 2 * 4 / 255 * torch.randn(image.shape, generator=draw)
        image = rk.to_levels(noisy)
    if wear:
        image = rk.to_levels(rk.jpeg(image, torch.tensor([float(wear.split()[-1])])))
    return _pixels(image)


def _coded(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _pixels(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).add(1).mul(127.5).round().clamp(0, 255).byte().numpy()


def cases(truths: Truths, scale: int, wear: str = "") -> Iterator[Case]:
    """Reduced pictures and their originals."""
    for number, (name, truth) in enumerate(truths(scale)):
        yield Case(name, {"image": from_array(low(truth, scale, wear, number))}, truth)


def looks(scale: float, model: str | None, **more: float | str) -> dict[str, Method]:
    """Both looks at a scale, with more of the task's options."""
    loaded = plugins.load("upscale")
    options = loaded.task.check_options({"scale": scale, **more})
    return {
        look: restoring(loaded, options, {"look": look, "model": model})
        for look in ("faithful", "sharp")
    }


def spectra(truths: Truths, model: str | None) -> dict[str, Any]:
    """Sharp against the originals: medians over pictures, and the worst band of their mean spectra."""
    sharp = looks(4.0, model)["sharp"]
    rows, ours, theirs = [], [], []
    for case in cases(truths, 4):
        made = sharp(case, case.truth.shape[:2])
        ours.append(metrics.radial_spectrum(made, BANDS)[1])
        theirs.append(metrics.radial_spectrum(case.truth, BANDS)[1])
        rows.append(
            {
                f"period {n}": metrics.period_energy(made, n) / metrics.period_energy(case.truth, n)
                for n in (2, 4)
            }
            | {"flat": metrics.flat_patch_highpass(made, case.truth)}
        )
    gap = (np.mean(ours, 0) - np.mean(theirs, 0))[: round(NYQUIST_SHARE * BANDS)]
    medians = {key: round(float(np.median([row[key] for row in rows])), 3) for key in rows[0]}
    return medians | {
        "worst band, dB": round(float(gap[np.abs(gap).argmax()]), 2),
        "bands, dB": [round(float(value), 2) for value in gap],
    }


def scored(made: Iterable[Case], methods: Mapping[str, Method], scale: int) -> dict[str, Any]:
    """Mean PSNR-Y and LPIPS of each method."""
    results = evaluation.evaluate(made, methods, ("psnr-y", "lpips"), scale=scale)
    print(results.table(), flush=True)
    record = results.to_json()["methods"]
    return {
        name: {
            metric: round(float(np.mean(row[metric]["values"])), 4) for metric in results.metrics
        }
        for name, row in record.items()
    }


def cleaning(truths: Truths, model: str | None) -> dict[str, Any]:
    """By quality: what cleaning first is worth at ×4, faithful in dB and sharp in LPIPS."""
    rows: dict[str, Any] = {}
    for wear in _saved():
        methods = {
            f"{look}, {clean}": method
            for clean in ("always", "never")
            for look, method in looks(4.0, model, clean=clean).items()
        }
        means = scored(cases(truths, 4, wear), methods, 4)
        psnr, lpips = (
            means[f"{look}, always"][metric] - means[f"{look}, never"][metric]
            for look, metric in (("faithful", "psnr-y"), ("sharp", "lpips"))
        )
        rows[wear or "clean"] = {"dB": round(psnr, 3), "lpips": round(lpips, 4)}
    return rows


def seen(truths: Truths) -> dict[str, Any]:
    """By quality and reduction: how many pictures are taken for worn, and cleaned unasked."""
    return {
        wear or "clean": {
            f"1/{scale}": sum(
                traces.worn(_coded(low(truth, scale, wear, 0))) for _, truth in truths(scale)
            )
            for scale in (1, 2, 4)
        }
        for wear in _saved()
    }


def _saved() -> list[str]:
    return ["", *(f"JPEG {quality}" for quality in QUALITIES)]


def cascade(truths: Truths, model: str | None) -> dict[str, Any]:
    """×8 by two passes, beside ×4 enlarged by bicubic, and bicubic alone."""
    methods = {"bicubic": BASELINES["bicubic"]}
    for look, four in looks(4.0, model).items():
        methods[f"{look}, x4 + bicubic"] = _then_bicubic(four)
    return scored(cases(truths, 8), methods | looks(8.0, model), 8)


def _then_bicubic(method: Method) -> Method:
    def enlarged(case: Case, size: tuple[int, int]) -> np.ndarray:
        half = method(case, (size[0] // 2, size[1] // 2))
        return BASELINES["bicubic"](Case(case.name, {"image": from_array(half)}, case.truth), size)

    return enlarged


def augmentation(truths: Truths, model: str | None) -> dict[str, Any]:
    """×8 by level of the noise that the second pass's picture is given."""
    first = looks(4.0, model)
    methods = {
        f"{look}, {level:g}": _then_augmented(first[look], second, level)
        for level in AUGMENTATIONS
        for look, second in looks(2.0, model, noise=level).items()
    }
    return scored(cases(truths, 8), methods, 8)


def _then_augmented(first: Method, second: Method, level: float) -> Method:
    def enlarged(case: Case, size: tuple[int, int]) -> np.ndarray:
        half = first(case, (size[0] // 2, size[1] // 2)).astype(np.float64)
        half += 255 * level * np.random.default_rng(0).standard_normal(half.shape)
        noisy = half.round().clip(0, 255).astype(np.uint8)
        return second(Case(case.name, {"image": from_array(noisy)}, case.truth), size)

    return enlarged


def worn(sets: Mapping[str, Truths], model: str | None) -> dict[str, Any]:
    """By set and wear: both looks by default and without cleaning, and a network for such pictures."""
    peer = {"realesr-general-x4v3": peer_method(load_peer("realesr-general-x4v3"))}
    rows: dict[str, Any] = {}
    for name, truths in sets.items():
        for wear in ("JPEG 60", "blur, noise and JPEG 60"):
            print(f"{name}, {wear}", flush=True)
            left = looks(4.0, model, clean="never")
            methods = {f"{look}, not cleaned": method for look, method in left.items()}
            methods = looks(4.0, model) | methods | peer
            rows[f"{name}, {wear}"] = scored(cases(truths, 4, wear), methods, 4)
    return rows


def main() -> None:
    """Measure every part, or those that are named; print tables and write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=int, help="only the first so many of a set")
    parser.add_argument("--model", help="a weights file, in place of the task's own")
    parser.add_argument("--only", nargs="+", metavar="PART", help="of those that are named above")
    parser.add_argument("--json", type=Path, help="it keeps the parts that are not made now")
    given = parser.parse_args()
    sets: dict[str, Truths] = {
        name: lambda scale, name=name: itertools.islice(
            truths_in(given.data / name, scale), given.pictures
        )
        for name in ("Kodak24", "gb82")
    }
    kodak, model = sets["Kodak24"], given.model
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "spectra": lambda: spectra(kodak, model),
        "worn": lambda: worn(sets, model),
        "cleaning": lambda: {name: cleaning(truths, model) for name, truths in sets.items()},
        "seen": lambda: {name: seen(truths) for name, truths in sets.items()},
        "cascade": lambda: cascade(kodak, model),
        "augmentation": lambda: augmentation(kodak, model),
    }
    record = {}
    if given.json and given.json.exists():
        record = json.loads(given.json.read_text(encoding="utf-8"))
    for name in given.only or parts:
        found = parts[name]()
        print(name, json.dumps(found, indent=1), flush=True)
        record[name] = found | {"date": date.today().isoformat(), "machine": machine()}
        if given.json:
            given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
