"""Scores of denoise-render on test renders, beside filters and Open Image Denoise, in one run.

    python benchmarks/renders/measure.py RENDERS [--model denoise-render.safetensors]

RENDERS holds the folders test and handmade that make.py wrote with --reference. Writes
benchmarks/results/renders.json, of which tables.py makes the table of docs/render.md. Protocol: render
and reference are exposed alike, so that the reference's geometric mean luminance is .18; L becomes
L/(1 + L), then sRGB. PSNR, SSIM and LPIPS are of these pictures, SMAPE of the exposed light.
"""

# pyright: reportMissingImports=false
# Mitsuba and Open Image Denoise are not among the project's dependencies.

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from restorekit.errors import ModelError
from restorekit.evaluation import machine
from restorekit.images.exr_display import to_display
from restorekit.metrics import lpips_distance, psnr, smape, ssim

Image = np.ndarray
Inputs = Mapping[str, Image]
Method = Callable[[Inputs], Image]
KEY = 0.18
SAMPLES = (1, 4, 16, 64)
METRICS = ("psnr", "ssim", "smape", "lpips")
RESULTS = Path(__file__).resolve().parents[1] / "results"
PROTOCOL = (
    "render and reference exposed so that the reference's geometric mean luminance is .18; PSNR, SSIM "
    "and LPIPS of sRGB(L/(1 + L)), SMAPE of the exposed light; means over views"
)
GUIDES = {"with": ("image", "albedo", "normal"), "without": ("image",)}


def read_scene(path: Path) -> dict[str, Image]:
    """The arrays of a file with a reference, in float32."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def inputs_at(scene: Mapping[str, Image], samples: int) -> dict[str, Image]:
    """A render of so many samples a pixel and its passes."""
    (place,) = np.flatnonzero(scene["samples"] == samples)[:1]
    named = {"image": "color", "albedo": "albedo", "normal": "normal"}
    return {name: scene[stored][place] for name, stored in named.items()}


def exposed(light: Image, reference: Image) -> Image:
    """Light at the exposure that the reference asks for, nothing below 0."""
    luminance = reference @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    mean = np.exp(np.log(np.maximum(luminance, 1e-5 * luminance.max())).mean())
    return np.maximum(light, 0) * (KEY / mean)


def tonemapped(light: Image, reference: Image) -> Image:
    """The picture in [0, 1] that is scored; see the protocol above."""
    bright = exposed(light, reference)
    return to_display(bright / (1 + bright))


def noisy(inputs: Inputs) -> Image:
    return inputs["image"]


def non_local_means(inputs: Inputs) -> Image:
    """Non-local means (Buades 2005) on the logarithm of light, at the noise it finds itself."""
    from skimage.restoration import denoise_nl_means, estimate_sigma

    values, scale = _logarithm(inputs["image"])
    sigma = float(np.mean(estimate_sigma(values, channel_axis=2)))
    smooth = denoise_nl_means(
        values, 5, 7, h=0.8 * sigma, sigma=sigma, fast_mode=True, channel_axis=2
    )
    return np.expm1(smooth) / scale


def joint_bilateral(inputs: Inputs, reach: int = 8) -> Image:
    """A bilateral filter whose weights come from the passes (Petschnigg 2004), on log light.

    Where there are none, from the picture itself, blurred. Deviations: 4 pixels, .1 of albedo, .2 of
    normals, .5 of the picture's logarithm.
    """
    import cv2

    values, scale = _logarithm(inputs["image"])
    guides = [
        inputs[name] / spread
        for name, spread in (("albedo", 0.1), ("normal", 0.2))
        if name in inputs
    ]
    guide = np.concatenate(guides or [cv2.GaussianBlur(values, (0, 0), 1.5) / 0.5], 2)
    height, width = values.shape[:2]
    frame = ((reach, reach), (reach, reach), (0, 0))
    wide, wide_guide = np.pad(values, frame, "reflect"), np.pad(guide, frame, "reflect")
    total, weights = np.zeros_like(values), np.zeros((height, width, 1), np.float32)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            window = np.s_[
                reach + down : reach + down + height, reach + right : reach + right + width
            ]
            distance = np.square(wide_guide[window] - guide).sum(2, keepdims=True)
            weight = np.exp(-distance / 2 - (down**2 + right**2) / 32)
            total += weight * wide[window]
            weights += weight
    return np.expm1(total / weights) / scale


def _logarithm(light: Image) -> tuple[Image, float]:
    # Of one sample a pixel more than half can be black.
    scale = 1 / max(float(np.median(light)) or float(light.mean()), 1e-6)
    return np.log1p(np.maximum(light, 0) * scale).astype(np.float32), scale


def open_image_denoise(inputs: Inputs) -> Image:
    import pyoidn

    planes = {name: np.ascontiguousarray(image) for name, image in inputs.items()}
    return pyoidn.denoise(
        planes["image"], albedo=planes.get("albedo"), normal=planes.get("normal"), hdr=True
    )


def restorekit_method(model: Path | None) -> Method:
    """The task's own Python call."""
    import restorekit

    named = {} if model is None else {"model": str(model)}
    return lambda inputs: restorekit.denoise_render(*inputs.values(), **named)


def methods(model: Path | None) -> dict[str, Method]:
    """What is compared, in the order of the table; packages that are missing are told and left out."""
    chosen: dict[str, Method] = {
        "noisy": noisy,
        "non-local means": non_local_means,
        "joint bilateral": joint_bilateral,
    }
    if find_spec("pyoidn"):
        chosen["Open Image Denoise"] = open_image_denoise
    else:
        print("Open Image Denoise is left out: pip install pyoidn", file=sys.stderr)
    chosen["restorekit"] = restorekit_method(model)
    return chosen


def scores(light: Image, reference: Image) -> dict[str, float]:
    """Every metric of one result."""
    result, truth = tonemapped(light, reference), tonemapped(reference, reference)
    found = {
        "psnr": psnr(result, truth),
        "ssim": ssim(result, truth),
        "smape": smape(exposed(light, reference), exposed(reference, reference)),
    }
    with suppress(ModelError):  # without its weights
        found["lpips"] = lpips_distance(result, truth)
    return found


def rows(
    folder: Path, chosen: Mapping[str, Method], samples: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """One row for each view, number of samples, set of guides and method."""
    paths = [
        path for name in ("test", "handmade") for path in sorted((folder / name).glob("*.npz"))
    ]
    for path in paths:
        scene = read_scene(path)
        for count in samples:
            given = inputs_at(scene, count)
            for guided, names in GUIDES.items():
                inputs = {name: given[name] for name in names}
                for method, work in chosen.items():
                    row = {"set": path.parent.name, "view": path.stem, "samples": count}
                    row |= {"guides": guided, "method": method}
                    yield row | scores(work(inputs), scene["reference_color"])


def means(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each set, number of samples, guides and method: the means over views."""
    named = ("set", "samples", "guides", "method")
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in table:
        groups.setdefault(tuple(row[name] for name in named), []).append(row)
    return [
        dict(zip(named, key, strict=True))
        | {"views": len(mine)}
        | {m: float(np.mean([row[m] for row in mine])) for m in METRICS if m in mine[0]}
        for key, mine in groups.items()
    ]


def summary(table: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The means, to be read on a terminal."""
    for row in means(table):
        found = "  ".join(f"{m} {row[m]:.4f}" for m in METRICS if m in row)
        place = f"{row['set']:9} {row['samples']:3} spp {row['guides']:8} {row['method']:21}"
        yield f"{place} {found}  ({row['views']})"


def write(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """Write what was measured, on what, and when."""
    packages = [name for name in ("pyoidn", "scikit-image", "lpips") if _installed(name)]
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "packages": {name: version(name) for name in packages},
        "protocol": PROTOCOL,
        "means": means(table),
        "views": [dict(row) for row in table],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except ImportError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("renders", type=Path)
    parser.add_argument("--model", type=Path, help="weights other than the task's own")
    given = parser.parse_args()
    table = list(rows(given.renders, methods(given.model), SAMPLES))
    if not table:
        raise SystemExit(f"no renders with references in {given.renders}")
    print("\n".join(summary(table)))
    write(RESULTS / "renders.json", table)


if __name__ == "__main__":
    main()
