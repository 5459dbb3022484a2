"""Small files of every format, mode, depth and layout, with what they carry beside their pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from image_samples import SRGB, cmyk_profile, exif_blob, ramp
from PIL import Image

from restorekit.images import Metadata, Picture, format_for, write, write_frames
from restorekit.images.picture import TiffCoding

Make = Callable[[Path], object]
FULL = Metadata(
    icc=SRGB,
    exif=exif_blob(1),
    iptc=b"\x1c\2\x19\0\1a",
    dpi=(300, 300),
    text={"Comment": "a comment"},
)
WRITTEN = (".png", ".jpg", ".webp", ".tif", ".bmp", ".gif", ".avif", ".jp2") + (
    (".heic",) if find_spec("pillow_heif") else ()
)
PILLOW_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F", "LAB")


def small(channels: int, *, alpha: bool, depth: int, seed: int = 0) -> Picture:
    """A Picture of 11 x 17 random samples, exactly as deep as it says."""
    rng = np.random.default_rng(seed)
    top = 2 ** min(depth, 16) - 1
    color = (rng.integers(0, top + 1, (11, 17, channels)) / top).astype(np.float32)
    opacity = (rng.integers(0, top + 1, (11, 17)) / top).astype(np.float32) if alpha else None
    return Picture(color, opacity, depth=depth, mode="RGB", metadata=FULL)


def in_mode(mode: str) -> Image.Image:
    """A Pillow image of this mode."""
    image = Image.fromarray(ramp(11, 17, 4))
    if mode in ("P", "PA"):
        image = (image if mode == "PA" else image.convert("RGB")).quantize(16)
    elif mode == "I;16":
        return Image.fromarray(ramp(11, 17)[..., 0].astype(np.uint16) * 257)
    elif mode == "LAB":
        return Image.frombytes("LAB", (17, 11), ramp(11, 17).tobytes())
    else:
        image = image.convert("L" if mode in ("I", "F") else "RGB" if mode == "YCbCr" else mode)
        image = image.convert(mode)
    if mode == "CMYK":
        image.info["icc_profile"] = cmyk_profile()
    return image


def _by_pillow(mode: str) -> Make:
    image = in_mode(mode)
    profile = {"icc_profile": image.info["icc_profile"]} if mode == "CMYK" else {}
    return lambda path: image.save(path, **profile)


def _pillow_writes(mode: str, suffix: str) -> bool:
    try:
        in_mode(mode).save(io.BytesIO(), format_for(suffix).name)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _ours(picture: Picture) -> Make:
    return lambda path: write(picture, path)


def _ours_in_turn(pictures: list[Picture]) -> Make:
    return lambda path: write_frames(pictures, path)


def _by_pillow_in_turn(path: Path) -> None:
    first, *rest = (Image.fromarray(ramp(11, 17) // n) for n in (1, 2, 3))
    first.save(path, save_all=True, append_images=rest, duration=[20, 40, 60])


def odd_files() -> dict[str, tuple[str, Make]]:
    """By name: the suffix, and what makes the file."""
    made: dict[str, tuple[str, Make]] = {}
    for mode, suffix in product(PILLOW_MODES, WRITTEN):
        if not _pillow_writes(mode, suffix):
            continue
        made[f"Pillow's {mode}{suffix}"] = (suffix, _by_pillow(mode))
    for channels, alpha, depth in product((1, 3), (False, True), (8, 16, 32)):
        picture = small(channels, alpha=alpha, depth=depth)
        for suffix in WRITTEN:
            name = f"{channels}{'A' * alpha} {depth} bits{suffix}"
            made[name] = (suffix, _ours(picture))
        codings = product(("none", "lzw", "packbits", "deflate"), (None, (16, 16)), (False, True))
        for coding in (TiffCoding(*c) for c in codings):
            kept = replace(picture, metadata=replace(FULL, tiff=coding))
            name = f"{channels}{'A' * alpha} {depth} bits {coding.compression} {coding.tile} "
            made[f"{name}{'big' * coding.big}.tif"] = (".tif", _ours(kept))
    for suffix in (".png", ".webp", ".gif", ".avif", ".tif"):
        made[f"moving{suffix}"] = (suffix, _by_pillow_in_turn)
        metadata = replace(FULL, duration=50, loop=2)
        turn = [replace(small(3, alpha=True, depth=8, seed=n), metadata=metadata) for n in range(3)]
        made[f"our moving{suffix}"] = (suffix, _ours_in_turn(turn))
    return made
