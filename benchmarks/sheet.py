"""A sheet of crops: one row a place, one column a method, enlarged without smoothing.

`python benchmarks/sheet.py OUT.jpg [--scale 4] [--zoom 2] [--set bundled|Kodak24|gb82|Set14] [--peers]`

The bundled photographs are scikit-image's; other sets and the peers' weights lie in RESTOREKIT_DATA.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import quality
import skimage.data
from PIL import Image, ImageDraw

from restorekit import evaluation, plugins
from restorekit.cli.evaluate import restoring
from restorekit.evaluation import BASELINES, Case, Method
from restorekit.images import read

SIDE = 128
# (picture, top, left) of the truth: faces, foliage, text, fur, bricks, sky.
PLACES = {
    "bundled": [
        ("astronaut", 60, 160),
        ("chelsea", 80, 130),
        ("grass", 200, 200),
        ("brick", 200, 100),
        ("page", 30, 120),
        ("motorcycle_left", 200, 250),
        ("rocket", 200, 330),
    ],
    "Kodak24": [
        ("kodim04", 150, 180),
        ("kodim08", 250, 330),
        ("kodim13", 330, 400),
        ("kodim19", 350, 120),
        ("kodim20", 60, 100),
        ("kodim23", 130, 220),
        ("kodim24", 180, 300),
    ],
    "gb82": [
        ("baby", 200, 220),
        ("dog", 200, 220),
        ("grass", 250, 250),
        ("city", 250, 200),
        ("prudential", 200, 200),
        ("night", 250, 250),
        ("waves", 100, 200),
    ],
    "Set14": [
        ("comic", 60, 80),
        ("zebra", 120, 250),
        ("ppt3", 60, 60),
        ("baboon", 60, 150),
        ("barbara", 240, 380),
        ("monarch", 150, 300),
        ("lenna", 230, 230),
    ],
}


def sheet(
    data: Path | None, name: str, methods: Mapping[str, Method], scale: int, zoom: int
) -> Image.Image:
    """The sheet of one set: the truth first, then each method."""
    side = SIDE * zoom
    places = PLACES[name]
    page = Image.new("RGB", (side * (len(methods) + 1), (side + 14) * len(places)), "white")
    draw = ImageDraw.Draw(page)
    for row, (picture, top, left) in enumerate(places):
        truth = evaluation.as_rgb(read(_file(data, name, picture)))
        truth = truth[: truth.shape[0] // scale * scale, : truth.shape[1] // scale * scale]
        columns = {"truth": truth, **restored(truth, methods, scale, data, name, picture)}
        for column, (method, pixels) in enumerate(columns.items()):
            crop = Image.fromarray(pixels[top : top + SIDE, left : left + SIDE])
            place = (column * side, row * (side + 14) + 14)
            page.paste(crop.resize((side, side), Image.Resampling.NEAREST), place)
            draw.text((place[0] + 2, place[1] - 13), f"{picture} {method}", fill="black")
    return page


def _file(data: Path | None, name: str, picture: str) -> Path:
    if data is None or name == "bundled":
        return next(Path(skimage.data.__file__).parent.glob(f"{picture}.*"))
    return data / "testsets" / (f"{name}/HR" if name == "Set14" else name) / f"{picture}.png"


def restored(
    truth: np.ndarray,
    methods: Mapping[str, Method],
    scale: int,
    data: Path | None,
    name: str,
    picture: str,
) -> dict[str, np.ndarray]:
    """Each method's result on the reduced truth, or on Set14's own reduced picture."""
    if data is not None and name == "Set14":
        low = read(data / "testsets" / "Set14" / f"x{scale}" / f"{picture}.png")
        case = Case(picture, {"image": low}, truth)
    else:
        cases = quality.degraded(
            "upscale", lambda: [(picture, truth)], {"scale": float(scale)}, "clean"
        )
        case = next(iter(cases()))
    return {method: function(case, truth.shape[:2]) for method, function in methods.items()}


def looks(scale: int) -> dict[str, Method]:
    """Bicubic and the upscaler's looks at a scale."""
    loaded = plugins.load("upscale")
    options = loaded.task.check_options({"scale": float(scale)})
    own = {look: restoring(loaded, options, {"look": look}) for look in loaded.task.looks}
    return {"bicubic": BASELINES["bicubic"], **own}


def main() -> None:
    """Make one sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--set", default="Kodak24", choices=list(PLACES))
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--zoom", type=int, default=2)
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    data = quality.data_folder()
    if data is None and (arguments.set != "bundled" or arguments.peers):
        raise SystemExit("set RESTOREKIT_DATA to the folder that holds testsets/")
    methods = looks(arguments.scale)
    if arguments.peers:
        methods |= quality.peers(["lsdir-compact-x4", "realesr-general-x4v3", "rlfn-x4"])
    page = sheet(data, arguments.set, methods, arguments.scale, arguments.zoom)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    page.save(arguments.out, quality=92, optimize=True)  # the quality is for JPEG


if __name__ == "__main__":
    main()
