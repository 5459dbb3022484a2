"""Scores on test sets, beside classical resizing and other people's networks, in one run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from restorekit import evaluation, plugins
from restorekit.cli.demo import photographs
from restorekit.cli.evaluate import restoring
from restorekit.errors import RestoreError
from restorekit.evaluation import BASELINES, Case, Method, Results
from restorekit.images import Picture

METRICS = ("psnr-y", "psnr", "ssim-y", "lpips")
PEERS = ("realesr-general-x4v3", "lsdir-compact-x4", "carn-m-x4", "imdn-x4", "rlfn-x4")


def data_folder() -> Path | None:
    """The folder of test sets: RESTOREKIT_DATA, or ../shared/data beside the repository."""
    named = os.environ.get("RESTOREKIT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "testsets").is_dir() else None


def looks(scale: float) -> dict[str, Method]:
    """The upscaler's looks at a scale, with the baselines before them."""
    loaded = plugins.load("upscale")
    options = loaded.task.check_options({"scale": scale})
    methods = dict(BASELINES)
    for look in loaded.task.looks:
        methods[look] = restoring(loaded, options, {"look": look})
    return methods


def peers(names: Sequence[str]) -> dict[str, Method]:
    """Other people's networks, those whose weights are there."""
    from peers import load_peer

    found: dict[str, Method] = {}
    for name in names:
        try:
            found[name] = _peer_method(load_peer(name))
        except RestoreError as error:
            print(f"not run: {name}: {error}")
    return found


def _peer_method(network: Any) -> Method:
    def method(picture: Picture, size: tuple[int, int]) -> np.ndarray:  # noqa: ARG001
        pixels = evaluation.as_rgb(picture)
        low = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            result = network(low)[0].clamp(0, 1).mul(255).round().byte()
        return result.permute(1, 2, 0).numpy()

    return method


def set14(data: Path, scale: int) -> Results:
    """Set14 with its MATLAB-bicubic pairs; at ×4 beside the peers."""
    sets = data / "testsets" / "Set14"
    methods = looks(scale) | (peers(PEERS) if scale == 4 else {})
    cases = evaluation.given_cases(sets / "HR", sets / f"x{scale}")
    return evaluation.evaluate(cases, methods, METRICS, scale=scale, keep=14, tell=_tell)


def kodak24(data: Path, scale: int) -> Results:
    """Kodak24, whole pictures cut to multiples of the scale, reduced by antialiased bicubic."""
    return evaluation.evaluate(
        _reduced(_truths(data / "testsets" / "Kodak24", scale), scale),
        looks(scale),
        METRICS,
        scale=scale,
        tell=_tell,
    )


def bundled(scale: int) -> Results:
    """Crops of scikit-image's photographs: what every machine has."""
    crops = ((name, pixels[-192:, :192]) for name, pixels in photographs())
    return evaluation.evaluate(_reduced(crops, scale), looks(scale), METRICS, scale=scale)


def _truths(folder: Path, scale: int) -> Iterator[tuple[str, np.ndarray]]:
    from restorekit.images import read

    for path in evaluation.pictures_in(folder):
        pixels = evaluation.as_rgb(read(path))
        height, width = (side // scale * scale for side in pixels.shape[:2])
        yield path.stem, pixels[:height, :width]


def _reduced(truths: Iterator[tuple[str, np.ndarray]], scale: int) -> Iterator[Case]:
    loaded = plugins.load("upscale")
    options = loaded.task.check_options({"scale": float(scale)}) | {"degradation": "clean"}
    return evaluation.degraded_cases(truths, loaded.hooks, options)


def _tell(case: str, method: str) -> None:
    print(f"  {case} {method}", end="\x1b[K\r", flush=True)
