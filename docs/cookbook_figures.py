"""Makes the pictures of docs/cookbook.md: `python docs/cookbook_figures.py` runs every recipe."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import restorekit
from restorekit import plugins

DOCS = Path(__file__).resolve().parent
RECIPES = DOCS / "examples" / "cookbook"
SIDE = 256


def tasks() -> dict[str, str]:
    """The module of every recipe and the name of its task."""
    named = re.compile(r'rk\.Task\("([^"]+)"')
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RECIPES.glob("*.py"))}
    return {module: found[1] for module, text in texts.items() if (found := named.search(text))}


def install(site: Path) -> None:
    """Make every recipe an installed task."""
    record = site / "restorekit_cookbook-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: restorekit-cookbook\nVersion: 1.0\n"
    )
    lines = "".join(f"{name} = {module}\n" for module, name in tasks().items())
    (record / "entry_points.txt").write_text(f"[restorekit.tasks]\n{lines}")
    sys.path[:0] = [str(site), str(RECIPES)]
    plugins.listings.cache_clear()


def inputs() -> dict[str, np.ndarray]:
    """What each recipe is shown on, (H, W, 3) uint8."""
    draw = np.random.default_rng(0)
    cat = np.ascontiguousarray(data.chelsea()[20 : 20 + SIDE, 90 : 90 + SIDE])
    small = np.asarray(Image.fromarray(cat).reduce(2))
    fine = draw.normal(0, 25, cat.shape)
    coarse = draw.normal(0, 25, (SIDE // 2, SIDE // 2, 3)).repeat(2, 0).repeat(2, 1)

    def noisy(noise: np.ndarray) -> np.ndarray:
        return np.clip(cat + noise, 0, 255).astype(np.uint8)

    return {
        "concatenate": small,
        "replace": noisy(fine),
        "guide": noisy(fine),
        "project": noisy(fine),
        "start_from": small,
        "cascade": noisy(coarse),
    }


def main() -> None:
    """Write docs/images/cookbook/*.jpg: input and result side by side."""
    target = DOCS / "images" / "cookbook"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as site:
        install(Path(site))
        named = tasks()
        for name, picture in inputs().items():
            result = getattr(restorekit, named[name].replace("-", "_"))(picture)
            shown = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            both = np.concatenate([np.asarray(shown), result], 1)
            Image.fromarray(both).save(target / f"{name}.jpg", quality=90, subsampling=0)


if __name__ == "__main__":
    main()
