"""The grid that a network's calls lie on, and how large the largest may be."""

from __future__ import annotations

import torch

from restorekit import device as devices
from restorekit.engine.tiles import round_up
from restorekit.engine.unet import UNetConfig

ALIGNMENT = 16  # network pixels: the shapes for which a processor's convolutions agree bit for bit
BYTES_PER_PIXEL = 220  # of working memory to an output pixel of a network call, measured
SMALLEST_TILE = 1 << 18
LARGEST_CALL = 1 << 24  # pixels: 3 GiB; margins then cost less than a tenth at 24 megapixels


def grid(config: UNetConfig) -> dict[str, int]:
    """What an engine has to know of its network, by the engine's names."""
    multiple = max(ALIGNMENT * config.factor, config.stride)
    reach = {"radius": int(config.radius), "cell": config.factor}
    return {**reach, "stride": config.stride, "multiple": multiple}


def tile_budget(tile: int, config: UNetConfig) -> int:
    """Pixels of the call that a tile of a side needs, with the margins around it."""
    found = grid(config)
    multiple = found["multiple"]
    margin = 2 * round_up(found["radius"], multiple)
    return (round_up(tile, multiple) + margin) ** 2


def smallest_budget(config: UNetConfig) -> int:
    """Pixels of the call that the smallest tile needs, on whichever of its cells that is least."""
    return min(tile_budget(1, config.on(side)) for side in config.factors)


def first_budget(tile: int | None, config: UNetConfig, device: torch.device) -> int:
    """Pixels of the largest network call: the tile asked for, or what memory holds easily."""
    if tile:
        return tile_budget(tile, config)
    memory = devices.memory(device)
    if memory is None:
        return 1 << 22
    return int(min(max(memory.free / 4 / BYTES_PER_PIXEL, SMALLEST_TILE), LARGEST_CALL))
