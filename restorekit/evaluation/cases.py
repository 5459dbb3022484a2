"""Pictures whose truth is known, and where they come from: two folders, or a task's own degradation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restorekit.errors import UsageError
from restorekit.images import Picture, from_array, quantise, read
from restorekit.images.alpha import unit, visible
from restorekit.images.failures import shown
from restorekit.images.formats import is_image_suffix

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Case:
    """What a method is given, and the truth it is scored against.

    inputs: pictures by name; the first is the one to restore, a mask or guides stand beside it.
    truth: (H, W, 3) uint8. told: what the degradation was told, for methods that may know it too.
    """

    name: str
    inputs: Mapping[str, Picture]
    truth: np.ndarray
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def picture(self) -> Picture:
        """The picture to restore."""
        return next(iter(self.inputs.values()))

    @property
    def hole(self) -> np.ndarray | None:
        """(H, W) bool, true where the input "mask" is white, which is what is to be filled."""
        mask = self.inputs.get("mask")
        return None if mask is None else unit(visible(mask)).mean(2) > 0.5


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name; UsageError where there is none."""
    files = [p for p in folder.glob("*") if p.is_file() and not p.name.startswith(".")]
    found = sorted(path for path in files if is_image_suffix(path))
    if not found:
        raise UsageError(f"no pictures in {folder}")
    return found


def case_names(files: Sequence[Path]) -> list[str]:
    """What each picture is called: its name without its ending, unless two would be called the same."""
    stems = Counter(path.stem for path in files)
    return [shown(path.stem if stems[path.stem] == 1 else path.name) for path in files]


def as_rgb(picture: Picture) -> np.ndarray:
    """(H, W, 3) uint8; grey is repeated, transparency left out."""
    color = quantise(picture.color, 8)
    return np.repeat(color, 3, 2) if color.shape[2] == 1 else color


def truths_in(folder: Path, multiple: int = 1) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (H, W, 3) uint8) of a folder's pictures, cut to multiples of a number of pixels.

    Raises UsageError for a picture that is smaller.
    """
    files = pictures_in(folder)
    for name, path in zip(case_names(files), files, strict=True):
        pixels = as_rgb(read(path))
        height, width = (side // multiple * multiple for side in pixels.shape[:2])
        if min(height, width) == 0:
            raise UsageError(f"{path} is smaller than the scale, {multiple}; leave it out")
        yield name, pixels[:height, :width]


def given_cases(truths: Path, inputs: Mapping[str, Path]) -> Iterator[Case]:
    """Cases from folders with equal names, one folder an input, the picture to restore first.

    Truths are cut at the right and bottom later. Raises UsageError where a fellow is missing.
    """
    first = next(iter(inputs.values()))
    files = pictures_in(first)
    for case, path in zip(case_names(files), files, strict=True):
        for folder in (truths, *inputs.values()):
            if not (folder / path.name).exists():
                raise UsageError(f"{first} has {path.name} but {folder} has not")
        pictures = {name: read(folder / path.name) for name, folder in inputs.items()}
        yield Case(case, pictures, as_rgb(read(truths / path.name)))


def degraded_cases(
    truths: Iterable[tuple[str, np.ndarray]], hooks: Any, options: Mapping[str, Any]
) -> Iterator[Case]:
    """Cases made by the task's own degradation, seeded by the case's number.

    options: the task's, with "degradation" and its own.
    """
    import torch

    for number, (name, truth) in enumerate(truths):
        clean = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        inputs = hooks.restorekit_degrade(clean=clean, options=options, seed=number)
        pictures = {name: _as_picture(image) for name, image in inputs.items()}
        yield Case(name, pictures, truth, options)


def _as_picture(image: Tensor) -> Picture:
    """(1, C, H, W) in [−1, 1] as a picture: of 8 bits where it holds nothing but their levels.

    Other values stay floats, and those outside the range too: noise that nobody has clipped yet.
    """
    values = image[0].permute(1, 2, 0).float().add(1).div(2).cpu().numpy()
    levels = quantise(values, 8)
    if np.abs(levels / 255 - values).max() < 1e-5:
        return from_array(levels)
    return Picture(np.ascontiguousarray(values), depth=32, mode="RGB;32")
