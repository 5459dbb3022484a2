"""Whether a condition fits the weights, and a result has room and can be right: what broken drivers
or weights make is not saved."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image

from restorekit import device as devices
from restorekit.engine.conditioning import Condition
from restorekit.errors import DeviceError, ImageError
from restorekit.images import Picture, premultiply, quantise
from restorekit.models.store import Model

_ROWS = 256  # looked at at a time, so that checking a result needs little memory


def check_result(source: Picture, result: Picture) -> None:
    """Refuse what a broken driver or damaged weights make of a picture: one flat colour, or far off.

    Raises ImageError where the result is constant and the source is not, or their means differ by
    more than a quarter of the range. What reduces a picture may make it constant.
    """
    before, after = _statistics(source), _statistics(result)
    height = max(1.0, before[0])  # of light, whose mean may be any
    flat = _covers(result, source) and before[1] > 0.02 and after[1] < 0.001
    if flat or abs(before[0] - after[0]) > 0.25 * height:
        raise ImageError(
            f"the result does not look like the picture (mean {after[0]:.2f} from {before[0]:.2f}); "
            "nothing was saved: try --device cpu, and see `restorekit doctor`"
        )


def reprojection(source: Picture, result: Picture) -> dict[str, float]:
    """{"reprojection": how far an enlarged result, reduced again, is from its source}.

    The RMS difference in 8-bit levels of what shows. Reduced by Pillow's antialiased bicubic, whose
    rounding to 8 bits adds 0.3 at most to the metric of this name. Empty where nothing was enlarged.
    """
    sizes = ((result.height, result.width), (source.height, source.width))
    if sizes[0] == sizes[1] or not _covers(result, source):
        return {}
    ratio = result.height / source.height
    reach = math.ceil(2 * ratio) + 1  # of the kernel, in rows of the result
    rows, squares = max(1, int(4 * _ROWS / ratio)), 0.0
    for top in range(0, source.height, rows):
        bottom = min(top + rows, source.height)
        start = max(0, int(top * ratio) - reach)
        part = _levels(result, start, math.ceil(bottom * ratio) + reach)
        box = (0, top * ratio - start, result.width, min(bottom * ratio - start, len(part)))
        size = (source.width, bottom - top)
        reduced = Image.fromarray(part).resize(size, Image.Resampling.BICUBIC, box)
        difference = np.asarray(reduced, np.float32) - _levels(source, top, bottom)
        squares += float(np.vdot(difference, difference))
    return {"reprojection": round((squares / source.color.size) ** 0.5, 3)}


def _covers(result: Picture, source: Picture) -> bool:
    return result.height >= source.height and result.width >= source.width


def _shown(picture: Picture, top: int, bottom: int) -> np.ndarray:
    """Some rows of what shows of a picture, (rows, W, C), floats or integers as it holds them."""
    rows = picture.color[top:bottom]
    return rows if picture.alpha is None else premultiply(rows, picture.alpha[top:bottom])


def _levels(picture: Picture, top: int, bottom: int) -> np.ndarray:
    """The same at 8 bits: (rows, W, 3), or (rows, W) of grey."""
    levels = quantise(_shown(picture, top, bottom), 8)
    return levels[..., 0] if levels.shape[2] == 1 else levels


def _statistics(picture: Picture) -> tuple[float, float]:
    """(mean, deviation) of what shows of a picture, in units of the full range.

    All of it: every n-th pixel of a pattern may be all its light ones.
    """
    total, squares, shift = 0.0, 0.0, None
    for start in range(0, picture.height, _ROWS):
        rows = _shown(picture, start, start + _ROWS)
        top = np.iinfo(rows.dtype).max if rows.dtype.kind == "u" else 1
        values = np.divide(rows, np.float32(top), dtype=np.float32).ravel()
        if rows.dtype.kind == "f":  # a render's pixels that are no numbers say nothing of the rest
            np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        # Around a mean there is little to cancel: float32 is then as good, and several times faster.
        shift = float(values.mean()) if shift is None else shift
        values -= np.float32(shift)
        total += float(values.sum())
        squares += float(np.vdot(values, values))
    mean = total / picture.color.size
    return mean + (shift or 0.0), max(squares / picture.color.size - mean**2, 0.0) ** 0.5


def check_room(size: tuple[int, int], pixel_bytes: int) -> None:
    """DeviceError where a result of this size alone is more than all the memory there is."""
    memory = devices.memory(torch.device("cpu"))
    needed = size[0] * size[1] * pixel_bytes
    if memory and needed > memory.total:
        raise DeviceError(
            f"a result of {size[1]:,} x {size[0]:,} pixels needs {needed / 2**30:,.0f} GiB and this "
            f"machine has {memory.total / 2**30:,.0f} GiB of memory; ask for a smaller one"
        )


def misfit(known: Condition, model: Model) -> str:
    """How a condition is not of one picture, or not what a model takes; "" where it is."""
    images = (known.source, known.concat, *(known.known or ()))
    counts = {len(image) for image in images if image is not None}
    if counts != {1}:
        return f"has {max(counts)} images for one picture"
    card, config = model.card, model.config
    given = (known.source.shape[1], 0 if known.concat is None else known.concat.shape[1])
    # A network that takes nothing beside x_t is a model of pictures as such, for any condition.
    if given != (config.channels, config.concat or given[1]):
        return (
            f"has {given[0]} + {given[1]} channels and model {card.name} takes "
            f"{config.channels} + {config.concat} (source + concatenated)"
        )
    named = set(known.numbers).union(*(look.numbers for look in card.looks.values()))
    missing = sorted(set(config.numbers) - named)
    return f"lacks the number {missing[0]!r}, which model {card.name} takes" if missing else ""
