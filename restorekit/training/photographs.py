"""A folder of photographs held in memory, and crops drawn from where there is detail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import ImageError, UsageError
from restorekit.images import frames, quantise
from restorekit.images.formats import FORMATS

GRID = 32
"""Pixels between the corners of the crops that are weighed."""

_SUFFIXES = {suffix for format in FORMATS if not format.light for suffix in format.suffixes}


def find(folders: Iterable[Path]) -> list[Path]:
    """Every picture below the folders, sorted; UsageError where there is none."""
    folders = list(folders)
    found = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not found:
        named = ", ".join(str(folder) for folder in folders)
        raise UsageError(f"no pictures under {named}; give --data a folder of photographs")
    return found


def hold_back(paths: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """(training, validation): `count` pictures spread evenly over the sorted names.

    Names that start with their class, as data sets often have them, are so spread over the classes.
    """
    count = min(count, len(paths) // 4)
    chosen = {round((i + 0.5) * len(paths) / count) for i in range(count)} if count else set()
    kept = [path for i, path in enumerate(paths) if i not in chosen]
    return kept, [path for i, path in enumerate(paths) if i in chosen]


def load(paths: Sequence[Path], tell: Callable[[str], None] = lambda _: None) -> list[Tensor]:
    """Pictures as (3, H, W) uint8, upright; of several frames or pages the first.

    tell: is given a sentence for each that cannot be read, and is left out.
    """
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_load, paths))
    for error in (one for one in found if isinstance(one, ImageError)):
        tell(f"{error}; it is left out")
    return [one for one in found if isinstance(one, Tensor)]


def _load(path: Path) -> Tensor | ImageError:
    try:
        pixels = torch.from_numpy(quantise(next(frames(path)).color, 8)).permute(2, 0, 1)
    except ImageError as error:
        return error
    return pixels.expand(3, -1, -1).contiguous()


@dataclass(frozen=True)
class Corpus:
    """Pictures and the places worth cropping.

    images: (3, H, W) uint8 on the training device. places: (P, 3) rows of image, top, left on the
    host. weights: (P,) float64, cumulative, ending in 1. side: of the crops that were weighed.
    """

    images: Sequence[Tensor]
    places: Tensor
    weights: Tensor
    side: int

    @classmethod
    def of(
        cls,
        images: Sequence[Tensor],
        crop: int,
        device: torch.device,
        *,
        drawn: Sequence[Tensor] = (),
        drawn_share: float = 0.0,
    ) -> Corpus:
        """Index the crops of a grid of positions by their detail; pictures too small are left out.

        drawn: pictures that are given `drawn_share` of the crops.
        """
        photographs = [image for image in images if min(image.shape[-2:]) >= crop]
        if not photographs:
            raise UsageError(f"no picture is as large as the crops of {crop} pixels")
        kept, places, shares = [*photographs, *drawn], [], []
        for number, image in enumerate(kept):
            corners, detail = _detail(image, crop)
            places.append(torch.cat([torch.full((len(corners), 1), number), corners], 1))
            shares.append(detail.double())
        counts = len(photographs)
        weights = torch.cat(
            [
                _to_sum(shares[:counts], 1 - drawn_share if drawn else 1.0),
                *([_to_sum(shares[counts:], drawn_share)] if drawn else []),
            ]
        )
        cumulative = weights.cumsum(0)
        images = [image.to(device) for image in kept]
        return cls(images, torch.cat(places), cumulative / cumulative[-1], crop)

    def crops(
        self, count: int, size: int, generator: torch.Generator, grey_share: float = 0.0
    ) -> Tensor:
        """(count, 3, size, size) float32 in [−1, 1], turned and mirrored at random.

        Those smaller than what was weighed lie anywhere in it. grey_share: how many of them, on average,
        lose their colour.
        """
        drawn = torch.rand(count, generator=generator, dtype=torch.float64)
        rows = torch.searchsorted(self.weights, drawn).clamp(max=len(self.places) - 1)
        turns = torch.randint(8, (count,), generator=generator).tolist()
        # A step of the grid or a little more, so that the last rows and columns are seen too.
        shifts = torch.randint(-16, GRID, (count, 2), generator=generator)
        if size < self.side:
            shifts += torch.randint(self.side - size + 1, (count, 2), generator=generator)
        crops = [
            turned(self._cut(self.places[row].tolist(), shift, size), turn)
            for row, shift, turn in zip(rows.tolist(), shifts.tolist(), turns, strict=True)
        ]
        images = torch.stack(crops).float() / 127.5 - 1
        if grey_share:
            grey = torch.rand(count, generator=generator) < grey_share
            images = torch.where(grey[:, None, None, None].to(images.device), _grey(images), images)
        return images

    def _cut(self, place: list[int], shift: list[int], size: int) -> Tensor:
        image = self.images[place[0]]
        top, left = (
            min(max(place[1 + axis] + shift[axis], 0), image.shape[1 + axis] - size)
            for axis in (0, 1)
        )
        return image[:, top : top + size, left : left + size]


def _to_sum(shares: Sequence[Tensor], total: float) -> Tensor:
    joined = torch.cat(list(shares))
    return joined * (total / joined.sum())


def turned(crop: Tensor, turn: int) -> Tensor:
    """One of the eight ways to turn and mirror a square, by a number from 0, as it is, to 7."""
    crop = crop.flip(-1) if turn & 4 else crop
    return torch.rot90(crop, turn & 3, (-2, -1))


def _grey(images: Tensor) -> Tensor:
    """Images with Rec. 601's luma in every channel."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)
    return torch.einsum("c,nchw->nhw", weights, images)[:, None].expand_as(images)


def _detail(image: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Corners (P, 2), `GRID` pixels apart, and each crop's weight: the root of its mean gradient."""
    grey = image.float().mean(0, keepdim=True)[None]
    gradient = (grey[..., 1:, 1:] - grey[..., :-1, 1:]).abs()
    gradient += (grey[..., 1:, 1:] - grey[..., 1:, :-1]).abs()
    pooled = F.avg_pool2d(gradient, crop - 1, GRID)[0, 0]
    rows, columns = torch.meshgrid(*(torch.arange(n) * GRID for n in pooled.shape), indexing="ij")
    return torch.stack([rows.flatten(), columns.flatten()], 1), (pooled.flatten() + 0.5).sqrt()
