"""A picture of what denoisers make of renders: one row a hand-written scene, one column a method.

python benchmarks/renders/gallery.py RENDERS docs/images/renders.jpg [--samples 16]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measure
import numpy as np
from PIL import Image, ImageDraw

SCENES = (0, 1, 3, 5)
HEAD = 14
ZOOM = 3 / 2


def gallery(folder: Path, samples: int, methods: dict[str, measure.Method]) -> Image.Image:
    """With albedo and normals, tone-mapped as they are scored; the reference last."""
    rows = []
    for number in SCENES:
        scene = measure.read_scene(folder / "handmade" / f"{number:04d}-0.npz")
        inputs, reference = measure.inputs_at(scene, samples), scene["reference_color"]
        light = [work(inputs) for work in methods.values()] + [reference]
        pixels = [measure.tonemapped(made, reference) for made in light]
        rows.append(np.concatenate(pixels, 1))
    made = Image.fromarray((np.concatenate(rows) * 255).round().astype(np.uint8))
    width, height = (round(side * ZOOM) for side in made.size)
    page = Image.new("RGB", (width, height + HEAD), "white")
    page.paste(made.resize((width, height), Image.Resampling.BICUBIC), (0, HEAD))
    names = [*methods, "reference"]
    names[0] = f"{samples} samples"
    for column, name in enumerate(names):
        place = (column * width // len(names) + 2, 1)
        ImageDraw.Draw(page).text(place, name, fill="black")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("renders", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--model", type=Path, help="weights other than the task's own")
    given = parser.parse_args()
    page = gallery(given.renders, given.samples, measure.methods(given.model))
    page.save(given.out, quality=88, optimize=True)


if __name__ == "__main__":
    main()
