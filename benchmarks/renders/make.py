"""Renders scenes to files: low sample counts with seeds of their own, passes, and references.

    python benchmarks/renders/make.py OUT --split train --scenes 0:100
    python benchmarks/renders/make.py OUT --split test --scenes 0:4 --reference 4096

One .npz a view of a scene; scenes whose files are whole are skipped, and a file that holds the first of
its renders gets the others. A training file holds renders of 1, 1, 2, 4, 8, 16, 32 and 64 samples a
pixel, all independent: the mean of some of them, weighted by their samples, is a noisy input whose
noise is independent of the mean of the others.
"""

# pyright: reportMissingImports=false
# Mitsuba and Open Image Denoise are not among the project's dependencies.

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import drjit as dr
import handmade
import mitsuba as mi
import numpy as np
import scenes
import shapes

SAMPLES = (1, 1, 2, 4, 8, 16, 32, 64)
TEST_SAMPLES = (1, 4, 16, 64)
CALL = 64  # samples a pixel of one call, so that memory stays small
# Seeds of the splits lie so far apart that no scene is in two of them.
FIRST = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
PATHS = {"type": "path", "max_depth": 6, "rr_depth": 4}
PASSES = {"type": "aov", "aovs": "albedo:albedo,normal:sh_normal,depth:depth"}


def load(described: scenes.Scene) -> tuple[mi.Scene, mi.Scene]:
    """(what is rendered, what shows its passes): the same rays meet the same surfaces in both."""
    lit = mi.load_dict({**described, "integrator": PATHS})
    shown = mi.load_dict({**scenes.seen(described), "integrator": PASSES})
    assert isinstance(lit, mi.Scene)
    assert isinstance(shown, mi.Scene)
    return lit, shown


def render(pair: tuple[mi.Scene, mi.Scene], view: int, samples: int, seed: int) -> np.ndarray:
    """(H, W, 10) float32: colour, albedo, shading normal in the world's axes, depth."""
    lit, shown = (mean(scene, view, samples, seed) for scene in pair)
    return np.concatenate([lit[..., :3], shown[..., -7:]], 2)


def mean(scene: mi.Scene, view: int, samples: int, seed: int) -> np.ndarray:
    """The mean of so many samples a pixel, in float32."""
    total, done = 0.0, 0
    while done < samples:
        now = min(CALL, samples - done)
        frame = mi.render(scene, sensor=view, spp=now, seed=seed * 4096 + done)  # pyright: ignore[reportArgumentType]
        total = total + np.array(frame, dtype=np.float64) * now
        done += now
    return np.asarray(total / samples, np.float32)


def half(values: np.ndarray) -> np.ndarray:
    """As float16; what it cannot hold becomes its largest number."""
    return np.clip(values, -65504, 65504).astype(np.float16)


def bundle(
    pair: tuple[mi.Scene, mi.Scene], view: int, samples: Sequence[int], first: int, reference: int
) -> dict[str, np.ndarray]:
    """Everything of a view from its render `first` on, by name: color (K, H, W, 3), albedo and normal
    likewise, depth (K, H, W), samples (K,), and for a reference > 0 its colour and passes of so many
    samples."""
    seeds = range(first, len(samples))
    frames = np.stack([render(pair, view, samples[seed], seed) for seed in seeds])
    result = {"samples": np.array(samples[first:]), **_named(frames, "")}
    if reference:
        whole = render(pair, view, reference, len(samples))
        result |= {"reference_samples": np.array(reference), **_named(whole, "reference_")}
    return result


def _named(frames: np.ndarray, prefix: str) -> dict[str, np.ndarray]:
    places = {"color": slice(0, 3), "albedo": slice(3, 6), "normal": slice(6, 9)}
    named = {f"{prefix}{name}": half(frames[..., place]) for name, place in places.items()}
    return named | {f"{prefix}depth": half(frames[..., 9])}


def make(out: Path, split: str, numbers: range, reference: int, views: int) -> None:
    """Render the scenes of a split that are not there yet, at most so many views of each."""
    samples = TEST_SAMPLES if reference else SAMPLES
    out = out / split
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shapes.save(Path(folder))
        for number in numbers:
            began = time.monotonic()
            if split == "handmade":
                described = scenes.complete(handmade.SCENES[number](), Path(folder))
            else:
                described = scenes.generate(FIRST[split] + number, Path(folder))
            count = min(views, sum(name.startswith("view") for name in described))
            paths = [out / f"{number:04d}-{view}.npz" for view in range(count)]
            held = [_held(path, samples, reference) for path in paths]
            if all(count == len(samples) for count in held):
                continue
            pair = load(described)
            for view, (path, first) in enumerate(zip(paths, held, strict=True)):
                if first < len(samples):
                    arrays = bundle(pair, view, samples, first, reference)
                    _save(path, _joined(path, arrays) if first else arrays)
            print(f"{out.name} {number}: {time.monotonic() - began:.0f} s", flush=True)


def _held(path: Path, samples: Sequence[int], reference: int) -> int:
    """How many of these renders a file holds, from the first on; a file of others is told and left."""
    if not path.exists():
        return 0
    with np.load(path, allow_pickle=False) as file:
        held = file["samples"].tolist()
        known = int(file["reference_samples"]) if "reference_samples" in file.files else 0
    if held != list(samples[: len(held)]):
        raise SystemExit(f"{path} holds renders of {held} samples, not of {list(samples)}: move it")
    if known != reference:
        raise SystemExit(f"{path} has references of {known} samples, not of {reference}: move it")
    return len(held)


def _joined(path: Path, more: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The renders of a file, then more of them; a reference, one for all, is the new one."""
    with np.load(path, allow_pickle=False) as file:
        return {
            name: more[name]
            if name.startswith("reference")
            else np.concatenate([file[name], more[name]])
            for name in file.files
        }


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)  # pyright: ignore[reportArgumentType]
    part.replace(path)


def _range(text: str) -> range:
    first, last = text.split(":")
    return range(int(first), int(last))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", choices=[*FIRST, "handmade"], required=True)
    parser.add_argument("--scenes", type=_range, required=True, help="FIRST:END")
    parser.add_argument("--reference", type=int, default=0, help="samples a pixel of references")
    parser.add_argument("--views", type=int, default=scenes.VIEWS, help="of each scene at most")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    mi.set_variant("llvm_ad_rgb")
    dr.set_thread_count(given.threads)
    make(given.out, given.split, given.scenes, given.reference, given.views)


if __name__ == "__main__":
    main()
