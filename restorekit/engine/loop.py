"""The one loop that runs every sampler, and the restoration of a picture window by window.

A picture is framed by its mirror image, up to a grid of the network's; a region (one tile where one
call is enough, a full-width band where there are several) is grown by what its calls can see, sampled
whole, and cut back. Each call works in tiles on the same grid. So results do not depend on tiles, bands
or batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce

import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition, overwrite_known
from restorekit.engine.denoiser import Denoise
from restorekit.engine.noise import noise_at
from restorekit.engine.path import Path
from restorekit.engine.samplers import Estimate, Sampler, count_evaluations
from restorekit.engine.tiles import Box, best_tile, cut, round_up, separate
from restorekit.errors import DeviceError, UsageError

_FRAME = 16  # output pixels at least: networks do worst at a window's edge


@dataclass(frozen=True)
class StepEvent:
    """A call just made: its number, of how many, its time, where in the picture, and x̂0 there."""

    step: int
    steps: int
    t: float
    box: Box
    x0_hat: Tensor


def sample(
    sampler: Sampler,
    estimate: Estimate,
    path: Path,
    y: Tensor,
    x: Tensor,
    times: Sequence[float],
    noise: Callable[[int], Tensor],
) -> Tensor:
    """x at the last of `times`, from x at the first, after N steps.

    noise(i): fresh noise of x's shape; of step i at its first draw, of i + N at its second, and so on.
    """
    state = sampler.init(x)
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        draws = map(noise, itertools.count(i, len(times) - 1))
        state = sampler.step(estimate, path, y, state, t, s, partial(next, draws))
    return state.x


@dataclass(frozen=True)
class Run:
    """One sampling: its method and times, the numbers it adds to the condition, and its weight.

    start_noise: deviation of x_1 around the path's mean, in units of σ; 0 starts from the source
    itself. The results of several runs are averaged by their weights. later: numbers that change after
    the first call.
    """

    sampler: Sampler
    times: Sequence[float]
    numbers: dict[str, float] = field(default_factory=dict)
    start_noise: float = 1.0
    weight: float = 1.0
    later: dict[str, float] = field(default_factory=dict)

    @property
    def evaluations(self) -> int:
        """Calls of the denoiser at most; `count_evaluations` knows how many on a path."""
        return self.sampler.evaluations * (len(self.times) - 2) + 1


@dataclass(frozen=True)
class Engine:
    """What restores pictures with one model on one device.

    denoise: the model's denoiser. precise: the same in float32, called for a tile whose result is
    not finite. radius: the network's, in output pixels. stride: sides of the framed picture are
    multiples of it, tile edges of `multiple`. budget: pixels of the largest call. batch: tiles a call.
    cell: the side of the network's cells, one of which begins where the picture does; 0: it is not told.
    """

    denoise: Denoise
    precise: Callable[[], Denoise]
    path: Path
    radius: int
    stride: int
    multiple: int
    device: torch.device
    budget: int = 1 << 22
    batch: int = 1
    cell: int = 0

    @property
    def margin(self) -> int:
        """The radius, rounded up to whole multiples."""
        return round_up(self.radius, self.multiple)

    def regions(
        self, size: tuple[int, int], runs: Sequence[Run], areas: Iterable[Box] | None = None
    ) -> list[Box]:
        """The windows of a picture that are sampled one by one; they cover the areas, by default all."""
        picture, canvas = Box(0, 0, *size), self.canvas(size)
        chosen = [canvas] if areas is None else separate(areas, self.multiple, canvas)
        parts = (part for area in chosen for part in self._parts(area, canvas, runs))
        return [part for part in parts if part.overlaps(picture)]

    def _parts(self, area: Box, canvas: Box, runs: Sequence[Run]) -> Iterator[Box]:
        if max(run.evaluations for run in runs) == 1:
            tile = best_tile(area, self.margin, self.multiple, self.budget, canvas)
        else:
            rows = 2 * self.budget // area.width // self.multiple * self.multiple
            tile = (max(rows, 4 * self.margin), area.width)  # less would mostly be margin
        return cut(area, *tile, self.multiple)

    def canvas(self, size: tuple[int, int]) -> Box:
        """The picture in its frame, padded to whole strides; to multiples, where calls can be narrow."""
        # In bfloat16, images narrower than 48 cells of the network round otherwise on some widths (AMX).
        side = self.stride if self.margin >= 3 * self.multiple else self.multiple
        frame = round_up(_FRAME, self.cell or 1)
        return Box(-frame, -frame, *(round_up(n + 2 * frame, side) for n in size))

    def restore(
        self,
        size: tuple[int, int],
        runs: Sequence[Run],
        condition: Callable[[Box], Condition],
        *,
        areas: Iterable[Box] | None = None,
        correct: Callable[[Box, Tensor, float], Tensor] | None = None,
        strength: float = 1.0,
        seed: int = 0,
        watch: Callable[[StepEvent], None] | None = None,
    ) -> Iterator[tuple[Box, Tensor]]:
        """Windows of the restored picture, each once: (box, x0 on CPU).

        They cover (height, width), or the areas and a little around them. condition, correct: of a
        window inside the picture; what `correct` does must be pointwise, since it sees windows of any
        size. strength: the share that is kept of what was changed, x0 = y + strength (x̂0 − y). Raises
        DeviceError where results are not finite.
        """
        picture, canvas = Box(0, 0, *size), self.canvas(size)
        for region in self.regions(size, runs, areas):
            grown = region.grow(max(run.evaluations for run in runs) * self.margin, canvas)
            window = _Window(self, grown, region, picture, canvas, correct, watch)
            known = window.condition(condition)
            results = [run.weight * window.sample(run, known, seed) for run in runs]
            x0 = reduce(torch.add, results)  # one after another: the order decides the last bit
            if strength != 1.0:
                x0 = torch.lerp(known.source, x0, strength)
            inside = region.clip(picture)
            rows, columns = inside.relative_to(grown).slices()
            last = overwrite_known(x0, known)[..., rows, columns]
            yield inside, last.cpu()


@dataclass(frozen=True)
class _Window:
    """One region with what its calls can see around it."""

    engine: Engine
    grown: Box
    region: Box
    picture: Box
    canvas: Box
    correct: Callable[[Box, Tensor, float], Tensor] | None
    watch: Callable[[StepEvent], None] | None

    def condition(self, condition: Callable[[Box], Condition]) -> Condition:
        """The condition of the grown window; beyond the picture its mirror image."""
        inside = self.grown.clip(self.picture)
        known = replace(condition(inside), cell=self.engine.cell).to(self.engine.device)
        top, left = inside.top - self.grown.top, inside.left - self.grown.left
        bottom, right = self.grown.bottom - inside.bottom, self.grown.right - inside.right
        return known.pad(top, left, bottom, right)

    def sample(self, run: Run, known: Condition, seed: int) -> Tensor:
        """x0 of the grown window by one run; right in the region, and nothing in particular around."""
        engine, y = self.engine, known.source
        first = known.with_numbers(**run.numbers)
        later = first.with_numbers(**run.later)
        x, times = y, [known.t_start * t for t in run.times]
        calls = count_evaluations(run.sampler, engine.path, times)
        channels, remaining = y.shape[1], [calls]
        if calls > run.evaluations:  # the window was grown by too little for it
            raise UsageError(f"a sampler makes {calls} calls, and declares {run.evaluations}")

        def noise(step: int) -> Tensor:
            return noise_at(self.grown, channels, seed=seed, step=step, device=engine.device)

        def estimate(x: Tensor, t: float) -> Tensor:
            remaining[0] -= 1
            area = self.region.grow(max(remaining[0], 0) * engine.margin, self.canvas)
            x0_hat = self.call(x, t, first if remaining[0] == calls - 1 else later, area)
            if self.watch:
                inside = area.clip(self.picture)
                part = self.part(x0_hat, inside)
                self.watch(StepEvent(calls - remaining[0], calls, t, inside, part))
            return x0_hat

        if run.start_noise:
            alpha, gamma, sigma = (float(c) for c in engine.path.at(times[0]))
            x = (alpha + gamma) * y + (run.start_noise * sigma) * noise(0)
        return sample(run.sampler, estimate, engine.path, y, x, times, lambda i: noise(i + 1))

    def call(self, x: Tensor, t: float, known: Condition, area: Box) -> Tensor:
        """x̂0 with the network's answer inside an area, tile by tile; the source elsewhere."""
        engine = self.engine
        height, width = best_tile(area, engine.margin, engine.multiple, engine.budget, self.grown)
        tiles = list(cut(area, height, width, engine.multiple))
        unknown = [tile for tile in tiles if not self.knows(known, tile)]
        if len(tiles) == len(unknown) == 1 and self.reach(tiles[0]) == self.grown:
            return self.finish(self.denoise(x, t, known), t, known, self.grown)
        whole = known.source.clone()
        for group in _same_size(unknown, self.reach, engine.batch):
            boxes = [self.reach(tile).relative_to(self.grown) for tile in group]
            parts = _stack([known.crop(*box) for box in boxes])
            # The source itself stays the source itself: its call is cheaper, and rounds in its way.
            given = [x[..., *box.slices()] for box in boxes] if x is not known.source else []
            answer = self.denoise(torch.cat(given) if given else parts.source, t, parts)
            for tile, result in zip(group, answer, strict=True):
                rows, columns = tile.relative_to(self.reach(tile)).slices()
                target_rows, target_columns = tile.relative_to(self.grown).slices()
                whole[..., target_rows, target_columns] = result[None, :, rows, columns]
        return self.finish(whole, t, known, area)

    def knows(self, known: Condition, tile: Box) -> bool:
        """Whether every pixel of a tile is known, so that no network is asked."""
        if known.known is None:
            return False
        rows, columns = tile.relative_to(self.grown).slices()
        return bool((known.known[1][..., rows, columns] > 0.5).all())

    def reach(self, tile: Box) -> Box:
        """What a tile's call sees."""
        return tile.grow(self.engine.margin, self.canvas).clip(self.grown)

    def denoise(self, x: Tensor, t: float, known: Condition) -> Tensor:
        """One network call; once more in float32 where the result is not finite."""
        time = torch.tensor(t, dtype=torch.float64)
        x0_hat = self.engine.denoise(x, time, known)
        if not x0_hat.sum().isfinite():
            x0_hat = self.engine.precise()(x, time, known)
            if not x0_hat.isfinite().all():
                raise DeviceError(
                    "the network's result is not finite, in float32 too; the weights or the "
                    "processor are damaged: try `restorekit models verify` and `restorekit doctor`"
                )
        return x0_hat

    def finish(self, x0_hat: Tensor, t: float, known: Condition, area: Box) -> Tensor:
        """The estimate corrected by the task where it lies in the picture; known pixels in place."""
        inside = area.clip(self.picture)
        if self.correct and inside.pixels > 0:
            part = self.correct(inside, self.part(x0_hat, inside), t)
            rows, columns = inside.relative_to(self.grown).slices()
            x0_hat = x0_hat.clone()  # the denoiser may keep its own
            x0_hat[..., rows, columns] = part
        return overwrite_known(x0_hat, known)

    def part(self, image: Tensor, box: Box) -> Tensor:
        """A window of an image of the grown window."""
        rows, columns = box.relative_to(self.grown).slices()
        return image[..., rows, columns]


def _same_size(
    tiles: Sequence[Box], reach: Callable[[Box], Box], batch: int
) -> Iterator[list[Box]]:
    """Groups of at most `batch` tiles whose calls see windows of one size."""
    groups: dict[tuple[int, int], list[Box]] = {}
    for tile in tiles:
        seen = reach(tile)
        groups.setdefault((seen.height, seen.width), []).append(tile)
    for group in groups.values():
        for start in range(0, len(group), batch):
            yield group[start : start + batch]


def _stack(conditions: Sequence[Condition]) -> Condition:
    """One condition for a batch of windows, which share their numbers."""
    first, sources = conditions[0], torch.cat([c.source for c in conditions])
    joined = [c.concat for c in conditions if c.concat is not None]
    concat = torch.cat(joined) if joined else None
    return replace(first, source=sources, concat=concat, known=None)
