"""HEIF through pillow-heif, which is not always there."""

from __future__ import annotations

from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from restorekit.images.picture import Planes


def deep_samples(file: BinaryIO) -> tuple[Planes, int]:
    """(H, W, C) uint16 samples of more than 8 bits, and the value of white."""
    library: Any = import_module("pillow_heif")
    file.seek(0)
    image = library.open_heif(file, convert_hdr_to_8bit=False)
    bits = image.info["bit_depth"]
    samples = np.asarray(image) >> (16 - bits)  # they come at the top of 16 bits
    return (samples if samples.ndim == 3 else samples[..., None]), 2**bits - 1


def write(file: BinaryIO, samples: Planes, quality: int, carried: dict[str, Any]) -> None:
    """Write (H, W, C) uint8 samples, grey, RGB or RGBA, with the colours at full size."""
    library: Any = import_module("pillow_heif")
    from PIL import Image

    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    library.from_pillow(image).save(file, quality=quality, chroma=444, **carried)
