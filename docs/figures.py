"""Draws the pictures of the documentation: `python docs/figures.py [NAME …]` writes docs/images.

paths.svg: the coefficients of some paths over time. tiles.png: tiles, their margins, and what two ways
of cutting leave. crops.png: bundled photographs reduced to a quarter and upscaled again. worn.png:
saved as JPEG before that. denoise.png: made noisy and restored. inpaint.png: with holes, and filled.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image

import restorekit
from restorekit.cli.demo import photographs
from restorekit.engine.path import PATHS
from restorekit.engine.tiles import Box, cut, round_up
from restorekit.evaluation import BASELINES, Case
from restorekit.images import from_array
from restorekit.models import store
from restorekit.models.find import find

IMAGES = Path(__file__).resolve().parent / "images"
SHOWN = ("vp", "rectified_flow", "resshift", "ir_sde", "i2sb", "flow_from_source")
CROPS = {"astronaut": (60, 170), "chelsea": (76, 100), "coffee": (232, 330)}  # top, left
CROP, ENLARGED = 96, 2
SCALE = 4

mpl.rcParams.update(
    {
        "svg.hashsalt": "restorekit",
        "svg.fonttype": "path",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def paths() -> None:
    """α, γ and σ of six presets with their default parameters."""
    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    figure, axes = plt.subplots(2, 3, figsize=(8, 4.2), sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, SHOWN, strict=True):
        coefficients = PATHS[name]().at(t)
        for values, symbol, style in zip(coefficients, "αγσ", ("-", "--", ":"), strict=True):
            axis.plot(t, values, style, label=symbol, linewidth=1.6)
        axis.set_title(name, fontsize=9)
        axis.set_ylim(bottom=-0.03)
    for axis in axes[1]:
        axis.set_xlabel("t")
    axes[0, 0].legend(frameon=False)
    figure.savefig(IMAGES / "paths.svg", metadata={"Date": None})
    plt.close(figure)


def tiles() -> None:
    """A photograph's tiles, and the differences from the whole that two ways of cutting leave."""
    small = dict(reduced())["coffee"]
    tile = 128
    config = store.load(find("upscale")).config
    margin = round_up(int(config.radius), 16 * config.factor)
    whole = upscaled(small)
    exact = upscaled(small, tile=tile)
    canvas = Box(0, 0, *whole.shape[:2])
    naive = np.empty_like(whole)
    for box in cut(canvas, tile, tile, tile):
        rows, columns = (slice(s.start // SCALE, s.stop // SCALE) for s in box.slices())
        naive[box.slices()] = upscaled(np.ascontiguousarray(small[rows, columns]))
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.6), layout="constrained")
    axes[0].imshow(whole)
    for box in cut(canvas, tile, tile, tile):
        axes[0].add_patch(outline(box, color="white", linewidth=0.8))
    chosen = Box(tile, 2 * tile, tile, tile)
    axes[0].add_patch(outline(chosen, color="tab:orange", linewidth=2))
    seen = chosen.grow(margin, canvas)
    axes[0].add_patch(outline(seen, color="tab:orange", linewidth=1.5, linestyle="--"))
    for axis, result in ((axes[1], naive), (axes[2], exact)):
        difference = np.abs(result.astype(int) - whole.astype(int)).max(2)
        axis.imshow(np.clip(16 * difference, 0, 255), cmap="gray", vmin=0, vmax=255)
        axis.set_xlabel(f"largest difference: {difference.max()} of 255", fontsize=8)
    titles = (f"tiles of {tile}, margin {margin}", "each tile alone, × 16", "with margins, × 16")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    figure.savefig(IMAGES / "tiles.png", dpi=100, metadata={"Software": None})
    plt.close(figure)


def outline(box: Box, **style: object) -> Rectangle:
    """A box as a frame."""
    return Rectangle((box.left, box.top), box.width, box.height, fill=False, **style)  # type: ignore[arg-type]


def crops() -> None:
    """A row a photograph: bicubic, faithful, sharp, the original."""
    _enlarged("crops.png", lambda small: small, [{}, {"look": "sharp"}])


def worn() -> None:
    """The same of photographs saved as JPEG: bicubic, sharp, cleaned and sharp, the original."""
    _enlarged(
        "worn.png", as_jpeg, [{"look": "sharp", "clean": clean} for clean in ("never", "always")]
    )


def as_jpeg(pixels: np.ndarray) -> np.ndarray:
    """Pixels after JPEG at quality 60."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def _enlarged(
    file: str,
    wear: Callable[[np.ndarray], np.ndarray],
    ways: Sequence[Mapping[str, object]],
) -> None:
    truths = dict(photographs())
    rows = []
    for name, small in reduced():
        if name in CROPS:
            (top, left), low = CROPS[name], wear(small)
            size = truths[name].shape[:2]
            made = [
                BASELINES["bicubic"](Case(name, {"image": from_array(low)}, truths[name]), size),
                *(upscaled(low, **way) for way in ways),
                truths[name],
            ]
            rows.append(np.hstack([m[top : top + CROP, left : left + CROP] for m in made]))
    sheet = Image.fromarray(np.vstack(rows))
    width, height = (side * ENLARGED for side in sheet.size)
    sheet.resize((width, height), Image.Resampling.NEAREST).save(IMAGES / file, optimize=True)


def reduced() -> list[tuple[str, np.ndarray]]:
    """The bundled photographs at a quarter of their size, 8 bits."""
    from restorekit import plugins

    hooks = plugins.load("upscale").hooks
    small = []
    for number, (name, truth) in enumerate(photographs()):
        clean = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        options = {"scale": float(SCALE), "noise": 0.0, "degradation": "clean"}
        low = hooks.restorekit_degrade(clean=clean, options=options, seed=number)["image"]
        pixels = low[0].permute(1, 2, 0).add(1).mul(127.5).round().clamp(0, 255)
        small.append((name, pixels.byte().numpy()))
    return small


def upscaled(pixels: np.ndarray, **options: object) -> np.ndarray:
    """A picture enlarged on the processor, (H, W, 3) uint8."""
    return restorekit.upscale(pixels, scale=SCALE, device="cpu", **options)


def restored(
    task: str, ways: dict[str, dict[str, object]], looks: Sequence[dict[str, object]] = ({},)
) -> None:
    """A row a photograph: made worse in one of some ways, restored by some options, the original."""
    from restorekit import plugins

    loaded, rows = plugins.load(task), []
    for number, ((name, truth), (way, given)) in enumerate(
        zip(((n, t) for n, t in photographs() if n in CROPS), ways.items(), strict=True)
    ):
        top, left = (max(0, corner - CROP // 2) for corner in CROPS[name])
        truth = truth[top : top + 2 * CROP, left : left + 2 * CROP]
        clean = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        options = loaded.task.check_options({})
        options |= loaded.task.check_degradation(way, given)
        worse = loaded.hooks.restorekit_degrade(clean=clean, options=options, seed=number)
        images = {
            key: value[0].permute(1, 2, 0).add(1).mul(127.5).round().clamp(0, 255).byte().numpy()
            for key, value in worse.items()
        }
        image = images.pop("image")
        work = getattr(restorekit, task)
        made = [work(image, **images, **look, device="cpu") for look in looks]
        rows.append(np.hstack([image, *made, truth]))
    Image.fromarray(np.vstack(rows)).save(IMAGES / f"{task}.png", optimize=True)


def denoise() -> None:
    """Noise, JPEG, and both."""
    restored("denoise", {"gaussian": {"sigma": 25.0}, "jpeg": {"quality": 15}, "sensor": {}})


def inpaint() -> None:
    """Lines, strokes, boxes, by both looks."""
    holes: dict[str, dict[str, object]] = {"thin": {}, "medium": {}, "wide": {}}
    restored("inpaint", holes, [{}, {"look": "sharp", "steps": 4}])


FIGURES: dict[str, Callable[[], None]] = {
    "paths": paths,
    "tiles": tiles,
    "crops": crops,
    "worn": worn,
    "denoise": denoise,
    "inpaint": inpaint,
}


def main() -> None:
    """Draw the figures named, or all of them."""
    mpl.use("Agg")
    IMAGES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or FIGURES:
        FIGURES[name]()
        print(f"drawn: {name}")


if __name__ == "__main__":
    main()
