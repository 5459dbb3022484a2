"""Scores on test sets, beside classical methods and other people's networks, in one run."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from restorekit import evaluation, plugins
from restorekit.cli.demo import photographs
from restorekit.cli.evaluate import restoring, sweep, weights
from restorekit.errors import ModelError, RestoreError
from restorekit.evaluation import BASELINES, Case, Method, Results
from restorekit.images import Picture, from_array
from restorekit.images.picture import unit
from restorekit.metrics import luma

METRICS = ("psnr-y", "psnr", "ssim-y", "lpips")
UPSCALERS = ("realesr-general-x4v3", "lsdir-compact-x4", "carn-m-x4", "imdn-x4", "rlfn-x4")
DENOISERS = ("dncnn-color-blind", "ffdnet-color")
CENTRE = 128  # pixels a side
SHOWN = 4  # pictures of a suite in the report


@dataclass(frozen=True)
class Suite:
    """One table: a task on a set of pictures, beside others.

    options: the task's. between, steps: fidelities between the looks and numbers of steps that are
    scored too, for the plot of perception over distortion.
    """

    name: str
    task: str
    cases: Callable[[], Iterable[Case]]
    options: Mapping[str, Any]
    against: Sequence[str]
    peers: Sequence[str] = ()
    metrics: Sequence[str] = METRICS
    between: Sequence[str] = ()
    steps: Sequence[str] = ()

    def run(self, model: str | None = None, keep: int = SHOWN) -> Results:
        """The scores; ModelError where the task has no weights. model: other weights, a file."""
        loaded = plugins.load(self.task)
        options = loaded.task.check_options(self.options)
        methods: dict[str, Method] = {
            name: BASELINES[name] for name in self.against if not evaluation.missing_package(name)
        }
        for name, chosen in sweep(loaded.task.looks, self.between, self.steps).items():
            methods[name] = restoring(loaded, options, {**chosen, "model": model})
        scale = options.get("scale") or 1.0
        return evaluation.evaluate(
            self.cases(),
            methods | peers(self.peers),
            self.metrics,
            scale=scale,
            keep=keep,
            about={
                "task": self.task,
                "weights": weights(loaded, model),
                "options": dict(options),
            },
            tell=_tell,
        )


def data_folder() -> Path | None:
    """The folder of test sets: RESTOREKIT_DATA, or ../shared/data beside the repository."""
    named = os.environ.get("RESTOREKIT_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "testsets").is_dir() else None


def bundled() -> list[Suite]:
    """What every machine can run: crops of scikit-image's photographs, for each installed task."""

    def crops() -> Iterator[tuple[str, np.ndarray]]:
        return ((name, pixels[-192:, :192]) for name, pixels in photographs())

    suites = [
        Suite(
            f"bundled x{scale}",
            "upscale",
            degraded("upscale", crops, {"scale": float(scale)}, "clean"),
            {"scale": float(scale)},
            ("bicubic", "lanczos"),
        )
        for scale in (4, 2)
    ]
    suites += _unscaled("bundled", crops)
    return installed(suites)


def full(data: Path) -> list[Suite]:
    """Every task on its test sets, beside its peers."""
    sets = data / "testsets"
    suites = [
        Suite(
            f"Set14 x{scale}",
            "upscale",
            lambda scale=scale: evaluation.given_cases(
                sets / "Set14" / "HR", {"image": sets / "Set14" / f"x{scale}"}
            ),
            {"scale": float(scale)},
            ("bicubic", "lanczos"),
            UPSCALERS if scale == 4 else (f"carn-m-x{scale}",),
            between=("0.25", "0.5", "0.75") if scale == 4 else (),
            steps=("1", "2", "4") if scale == 4 else (),
        )
        for scale in (4, 3, 2)
    ]
    suites += [
        Suite(
            f"Kodak24 x{scale}",
            "upscale",
            degraded(
                "upscale",
                lambda scale=scale: evaluation.truths_in(sets / "Kodak24", scale),
                {"scale": float(scale)},
                "clean",
            ),
            {"scale": float(scale)},
            ("bicubic", "lanczos"),
        )
        for scale in (4, 3, 2)
    ]
    suites += [
        Suite(
            f"Kodak24 noise {sigma}, {'8 bit' if rounded else 'float'}",
            "denoise",
            lambda sigma=sigma, rounded=rounded: noisy(sets / "Kodak24", sigma, rounded),
            {},
            ("input", "opencv-nlm", "skimage-wavelet"),
            DENOISERS,
        )
        for rounded in (True, False)
        for sigma in (15, 25, 50)
    ]
    suites += [  # beside methods that take minutes for a whole picture
        Suite(
            f"Kodak24 centres of {CENTRE}², noise {sigma}, 8 bit",
            "denoise",
            lambda sigma=sigma: noisy(sets / "Kodak24", sigma, True, CENTRE),
            {},
            ("skimage-nlm", "bm3d"),
            metrics=("psnr", "lpips"),
        )
        for sigma in (15, 25, 50)
    ]
    suites += [
        Suite(
            f"LIVE1 Y, JPEG quality {quality}",
            "denoise",
            lambda quality=quality: grey_jpegs(sets / "LIVE1", quality),
            {},
            ("input", "opencv-nlm"),
            ("dncnn3",),
            ("psnr", "ssim", "lpips"),
        )
        for quality in (10, 20, 40)
    ]
    suites.append(  # what has no noise should come back as it is
        Suite("gb82, clean", "denoise", lambda: clean(sets / "gb82"), {}, (), metrics=("psnr",))
    )
    inpainting = [
        suite
        for place, folder in (("Kodak24", sets / "Kodak24"), ("Set14", sets / "Set14" / "HR"))
        for suite in _unscaled(place, lambda folder=folder: evaluation.truths_in(folder))
        if suite.task == "inpaint" and not suite.name.endswith("mixed")
    ]
    return installed([*suites, *inpainting])


def _unscaled(
    place: str, truths: Callable[[], Iterable[tuple[str, np.ndarray]]]
) -> Iterator[Suite]:
    """Suites of the tasks that keep a picture's size, one for each of their degradations."""
    for task in ("denoise", "inpaint"):
        if task not in plugins.tasks():
            continue
        declared = plugins.load(task).task
        holes = ("psnr-hole", "seam") if "mask" in declared.inputs else ()
        against = evaluation.usual_baselines(declared.inputs, resizes=False)
        for way in declared.degradations:
            yield Suite(
                f"{place} {task}, {way.name}",
                task,
                degraded(task, truths, {}, way.name),
                {},
                against,
                metrics=(*METRICS, *holes),
            )


def installed(suites: Iterable[Suite]) -> list[Suite]:
    """Those whose task is installed and has its weights; the others are named."""
    found = []
    for suite in suites:
        if suite.task not in plugins.tasks():
            continue
        try:
            _find_weights(suite.task)
        except ModelError as error:
            print(f"not run: {suite.name}: {error}")
        else:
            found.append(suite)
    return found


def _find_weights(task: str) -> None:
    from restorekit.models.find import find
    from restorekit.models.store import read_card

    loaded = plugins.load(task)
    read_card(find(loaded.task.model, loaded.hooks))


def degraded(
    task: str,
    truths: Callable[[], Iterable[tuple[str, np.ndarray]]],
    options: Mapping[str, Any],
    degradation: str,
) -> Callable[[], Iterable[Case]]:
    """Cases made by the task itself."""

    def cases() -> Iterable[Case]:
        loaded = plugins.load(task)
        how = loaded.task.check_degradation(degradation, {})
        every = {**loaded.task.check_options(options), **how}
        return evaluation.degraded_cases(truths(), loaded.hooks, every)

    return cases


def clean(folder: Path) -> Iterator[Case]:
    """Pictures as they are."""
    for name, truth in evaluation.truths_in(folder):
        yield Case(name, {"image": from_array(truth)}, truth)


def noisy(folder: Path, sigma: int, rounded: bool, centre: int = 0) -> Iterator[Case]:
    """White Gaussian noise as in the peers' own measurement: numpy's, seeded by picture and sigma.

    rounded: clipped and rounded to 8 bits, as a person has it; else floats, as papers have it.
    centre: the side of the square in the middle that is used alone; 0: the whole picture.
    """
    for number, (name, whole) in enumerate(evaluation.truths_in(folder)):
        truth = _middle(whole, centre) if centre else whole
        noise = np.random.default_rng(1000 * sigma + number).normal(0, sigma / 255, truth.shape)
        values = truth / 255 + noise
        levels = np.clip(np.floor(values * 255 + 0.5), 0, 255).astype(np.uint8)
        floats = Picture(values.astype(np.float32), depth=32, mode="RGB;32")
        picture = from_array(levels) if rounded else floats
        yield Case(name, {"image": picture}, truth, {"sigma": float(sigma)})


def _middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def grey_jpegs(folder: Path, quality: int) -> Iterator[Case]:
    """Luma (BT.601, studio range, rounded) coded as a grey JPEG by Pillow, and decoded again."""
    for name, pixels in evaluation.truths_in(folder):
        grey = np.floor(luma(pixels) * 255 + 0.5).astype(np.uint8)
        coded = io.BytesIO()
        Image.fromarray(grey).save(coded, "JPEG", quality=quality)
        with Image.open(coded) as image:
            decoded = np.asarray(image)
        truth = np.repeat(grey[..., None], 3, 2)
        yield Case(name, {"image": from_array(decoded)}, truth, {"quality": quality})


def peers(names: Sequence[str]) -> dict[str, Method]:
    """Other people's networks, those whose weights are there."""
    from peers import load_peer

    found: dict[str, Method] = {}
    for name in names:
        try:
            found[name] = peer_method(load_peer(name))
        except RestoreError as error:
            print(f"not run: {name}: {error}")
    return found


def peer_method(network: Any) -> Method:
    def method(case: Case, size: tuple[int, int]) -> np.ndarray:  # noqa: ARG001
        planes = np.ascontiguousarray(unit(case.picture.color), dtype=np.float32)
        image = torch.from_numpy(planes).permute(2, 0, 1)[None]
        image = image[:, :1] if network.channels == 1 else image.expand(-1, 3, -1, -1)
        told = (case.told["sigma"] / 255,) if network.told else ()
        with torch.inference_mode():
            result = network(image, *told)[0].clamp(0, 1).mul(255).round().byte()
        return result.permute(1, 2, 0).expand(-1, -1, 3).numpy()

    return method


def _tell(case: str, method: str) -> None:
    print(f"  {case} {method}", end="\x1b[K\r", flush=True)
