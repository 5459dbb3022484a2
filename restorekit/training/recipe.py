"""A training run as a record: read from TOML, written into checkpoints, unknown keys refused."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restorekit.engine.path import PATHS
from restorekit.engine.unet import UNetConfig
from restorekit.errors import UsageError

TERMS = ("pixel", "coarse", "lattice", "excess", "spectrum", "lpips", "adversarial")
"""Of `Perceptual`'s entries, the weights of its losses."""
_SEEDS = 10**12  # times a million and more, they are still torch's
_JUDGED = 20  # pixels a side, the least that LPIPS and the discriminator see


@dataclass(frozen=True)
class Draw:
    """One way to make a batch; the first of a recipe is the one that is validated.

    weight: how often, beside the other draws' weights.
    options: the task's and its degradation's; a number, a word, or [low, high] for any number between.
    crop: the side of its crops in pixels; 0: the recipe's.
    terms: weights of the perceptual phase's losses that are others where its batches are.
    """

    weight: float
    options: Mapping[str, Any]
    crop: int = 0
    terms: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("options", "terms"):
            if not isinstance(getattr(self, name), Mapping):
                raise UsageError(f"draws: {name} is {getattr(self, name)!r}; give a table")
        for name, value in self.terms.items():
            if name not in TERMS or not _is(float, value) or not 0 <= value < math.inf:
                raise UsageError(
                    f"draws: terms: {name} is {value!r}; give {', '.join(TERMS)} a number of 0 or more"
                )
        for name, value in self.options.items():
            if isinstance(value, list) and not _is_range(value):
                raise UsageError(f"draws: {name} is {value!r}; give one value, or [low, high]")


@dataclass(frozen=True)
class Perceptual:
    """The sharp look's part of each batch, and the weights of its losses.

    share: of the batch; 1: the network learns only what the number "look" adds to its weights (the
        network's `rank`), and the faithful look stays as it was.
    pixel: absolute errors.
    coarse: absolute errors of means of 4 × 4 pixels: no shift of colour or brightness.
    lattice: what repeats from one of the network's coarsest cells to the next (`period`), which is no
        texture.
    excess: by how much what is added to the faithful look is stronger than what that lacks, anywhere: no
        mottle on skin and skies.
    spectrum: how far the power of each frequency is from the original's.
    lpips: LPIPS by SqueezeNet.
    adversarial: what the discriminator says.
    ramp: iterations until the discriminator has its full weight.
    learning_rate: the discriminator's.
    widths: channels of its three layers.
    kept: the part of what the look adds that goes into the model file; below 1 the result is nearer to
        the faithful look.
    """

    share: float = 0.5
    pixel: float = 1.0
    coarse: float = 4.0
    lattice: float = 0.0
    excess: float = 0.0
    spectrum: float = 0.0
    lpips: float = 0.6
    adversarial: float = 0.01
    ramp: int = 500
    learning_rate: float = 2e-4
    widths: tuple[int, ...] = (48, 96, 192)
    kept: float = 1.0

    def __post_init__(self) -> None:
        for name in (*TERMS, "ramp", "learning_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"perceptual: {name} {getattr(self, name):g}: give 0 or more")
        for name in ("share", "kept"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(
                    f"perceptual: {name} {getattr(self, name):g}: give a number above 0, 1 at most"
                )
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise UsageError(
                f"perceptual: widths {list(self.widths)}: give three numbers from 1 up"
            )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but the data.

    task: the one whose hooks make the batches.
    iterations: steps of the optimisers.
    draws: ways to make a batch.
    network: what is trained.
    path: how a picture becomes the start that it is restored from: a row of `PATHS`.
    path_parameters: the path's own numbers.
    deviation: of a picture from its source, in [−1, 1]: about the root of the mean square.
    seed: of the first weights and of every batch.
    crop: side of the crops in pixels; a multiple of the network's cells, times 2 for each level after
        the first.
    batch: crops a batch.
    accumulate: batches to one step, shared out among the processes.
    learning_rate: AdamW's, of the first and last layers and what is no matrix.
    matrix_learning_rate: Muon's, of the convolutions between them.
    power: of the error in the faithful look's loss; 1: absolute errors.
    relative_above: above 0, the mean is of the logarithm of each crop's loss, this added: an easy crop
        counts as much as a hard one.
    matrix_decay: Muon's decay of weights: by the learning rate times this a step.
    warmup: iterations until the rates are full; from there a cosine to 0.
    average: decay of the moving average of the weights, which is what is exported.
    clip: largest norm of the gradient.
    start_share: share of a batch at t = 1, where one step begins.
    quiet_share: of these, the share whose start has no noise.
    drawn_share: share of the crops that are line drawings made by the trainer.
    grey_share: share of the crops that are made grey: colour must not come from nowhere.
    perceptual: the sharp look's phase; without it, the faithful look alone is trained.
    """

    task: str
    iterations: int
    draws: tuple[Draw, ...]
    network: UNetConfig
    path: str = "flow_from_source"
    path_parameters: Mapping[str, float] = field(default_factory=dict)
    deviation: float = 0.12
    seed: int = 0
    crop: int = 192
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 0.02
    power: int = 2
    relative_above: float = 0.0
    matrix_decay: float = 0.0
    warmup: int = 200
    average: float = 0.999
    clip: float = 1.0
    start_share: float = 0.5
    quiet_share: float = 0.5
    drawn_share: float = 0.04
    grey_share: float = 0.0
    perceptual: Perceptual | None = None

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise UsageError(f"recipe: path {self.path!r} is none of {', '.join(PATHS)}")
        if not self.draws or min(self.iterations, self.batch, self.accumulate) < 1:
            raise UsageError("recipe: needs at least one draw, one iteration and a batch of one")
        weights = [draw.weight for draw in self.draws]
        if min(weights) < 0 or not 0 < sum(weights) < math.inf:
            raise UsageError(
                f"recipe: the draws have the weights {weights}; give none below 0 and one above"
            )
        rates = ("learning_rate", "matrix_learning_rate", "matrix_decay")
        for name in (*rates, "relative_above", "warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"recipe: {name} {getattr(self, name):g}: give a number of 0 or more"
                )
        for name in ("deviation", "clip", "power"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"recipe: {name} {getattr(self, name):g}: give a number above 0")
        if not 0 <= self.average < 1:
            raise UsageError(f"recipe: average {self.average:g}: give a number from 0 to below 1")
        if not 0 <= self.seed < _SEEDS:
            raise UsageError(f"recipe: seed {self.seed}: give a number from 0 to below {_SEEDS:,}")
        shares = ("start_share", "quiet_share", "drawn_share", "grey_share")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(
                    f"recipe: {name} {getattr(self, name):g}: give a number from 0 to 1"
                )
        if self.crop < 2:
            raise UsageError(f"recipe: crop {self.crop} is too small; give 2 pixels or more")
        if self.perceptual and "look" not in self.network.numbers:
            raise UsageError(
                'recipe: the sharp look is a number, "look"; give it in network.numbers'
            )
        if self.perceptual and self.perceptual.kept < 1 and not self.network.rank:
            raise UsageError("recipe: a part of a look can be kept where the network has a rank")
        if self.perceptual and self.accumulate > 1:
            raise UsageError(
                "recipe: the perceptual phase takes one batch to a step; accumulate is 1"
            )
        if self.only_look:
            if not self.network.rank:
                raise UsageError("recipe: a share of 1 trains what a look adds; give network.rank")
        elif self.perceptual and not 0 < self.faithful_items < self.batch:
            raise UsageError(
                f"recipe: a share of {self.perceptual.share} of a batch of {self.batch} leaves one of "
                "the looks without an item"
            )
        strides = [self.network.on(factor).stride for factor in self.network.factors]
        periods = [period(stride) for stride in strides]
        if self.perceptual is None and any(draw.terms for draw in self.draws):
            raise UsageError("recipe: a draw has terms, and there is no perceptual phase")
        for draw in self.draws:
            crop = draw.crop or self.crop
            phase = dataclasses.replace(self.perceptual, **draw.terms) if self.perceptual else None
            if phase and phase.lattice and not any(_holds(crop, side) for side in periods):
                told = " or ".join(
                    f"{8 * side} pixels or more, a multiple of {side}" for side in periods
                )
                raise UsageError(f"recipe: crop {crop}: a lattice is seen in {told}")
            if phase and phase.excess and (crop < 16 or crop % 8):
                raise UsageError(
                    f"recipe: crop {crop}: an excess is seen in 16 pixels or more, a multiple of 8"
                )
            if phase and phase.spectrum and crop < 48:
                raise UsageError(f"recipe: crop {crop}: a spectrum is seen in 48 pixels or more")
            if phase and crop - max(periods) < _JUDGED:
                least = _JUDGED + max(periods)
                raise UsageError(f"recipe: crop {crop}: a look is judged in {least} pixels or more")
            if not 0 < crop <= self.crop or all(crop % stride for stride in strides):
                raise UsageError(
                    f"recipe: crop {crop} is no multiple of {' or '.join(map(str, strides))}, or "
                    f"larger than the recipe's, {self.crop}"
                )
        if not all(_is(float, value) for value in self.path_parameters.values()):
            raise UsageError(f"recipe: path_parameters {dict(self.path_parameters)}: give numbers")
        try:
            PATHS[self.path](**self.path_parameters)
        except (TypeError, ValueError) as error:
            raise UsageError(f"recipe: path_parameters do not suit {self.path}: {error}") from error

    @property
    def only_look(self) -> bool:
        """Whether the run trains what the sharp look adds, and nothing else."""
        return self.perceptual is not None and self.perceptual.share == 1

    @property
    def faithful_items(self) -> int:
        """How many items of a batch are the faithful look's."""
        return round(self.batch * (1 - self.perceptual.share)) if self.perceptual else self.batch


def period(stride: int) -> int:
    """After how many pixels what a network draws along its cells repeats: its stride, of small cells
    several."""
    return stride * max(1, 4 // stride)


def _holds(crop: int, side: int) -> bool:
    """Whether a crop has the cells that a lattice is seen in."""
    return crop >= 8 * side and crop % side == 0


def read(path: Path, begun: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a TOML file; UsageError names the file and the key that is wrong.

    begun: entries of the recipe that the weights to begin with were made by, for those it leaves out,
    also of the network.
    """
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a recipe: {error}") from error
    begun = dict(begun or {})
    if "path" in record:
        begun.pop("path_parameters", None)  # another path's numbers
    if isinstance(record.get("network"), Mapping):
        record["network"] = {**begun.get("network", {}), **record["network"]}
    return from_dict(begun | record, str(path))


def from_dict(record: Mapping[str, Any], source: str) -> Recipe:
    """A recipe from plain data, as `dataclasses.asdict` and TOML make it."""
    try:
        record = _checked(Recipe, record, "recipe")
        network = _checked(UNetConfig, record["network"], "network")
        record["network"] = UNetConfig.from_dict(network)
        draws = record.pop("draws", ())
        record["draws"] = tuple(Draw(**_checked(Draw, draw, "draws")) for draw in draws)
        if record.get("perceptual") is not None:
            given = _checked(Perceptual, record["perceptual"], "perceptual")
            given["widths"] = tuple(given.get("widths", Perceptual.widths))
            record["perceptual"] = Perceptual(**given)
        return Recipe(**record)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
    except (TypeError, ValueError) as error:
        known = ", ".join(f.name for f in dataclasses.fields(Recipe))
        raise UsageError(f"{source}: {error}; a recipe knows {known}") from error


def _checked(kind: type, record: Any, place: str) -> dict[str, Any]:
    """A table whose entries are `kind`'s and of its types; UsageError names the one that is not."""
    if not isinstance(record, Mapping):
        raise UsageError(f"{place} is {record!r}; give a table")
    types = typing.get_type_hints(kind)
    for key, value in record.items():
        if key not in types:
            raise UsageError(f"{place} has no entry {key!r}; it knows {', '.join(types)}")
        wanted = types[key]
        if typing.get_origin(wanted) is tuple:
            element = typing.get_args(wanted)[0]
            right = isinstance(value, list | tuple) and all(_is(element, v) for v in value)
            word = "a list"
        else:
            right, word = _is(wanted, value), _WORDS.get(wanted, "a table")
        if not right:
            raise UsageError(f"{place}: {key} is {value!r}; give {word}")
    for entry in dataclasses.fields(kind):
        known = entry.default, entry.default_factory
        if entry.name not in record and known == (dataclasses.MISSING, dataclasses.MISSING):
            raise UsageError(f"{place}: the entry {entry.name!r} is missing")
    return dict(record)


_WORDS = {int: "a whole number", float: "a number", str: "a word"}


def _is_range(value: list[Any]) -> bool:
    """Whether a list is [low, high], two numbers in order."""
    return len(value) == 2 and all(_is(float, end) for end in value) and value[0] <= value[1]


def _is(kind: Any, value: Any) -> bool:
    """Whether a value is of a plain kind; any value is of the others, which are checked elsewhere."""
    if kind not in _WORDS or isinstance(value, bool):
        return kind not in _WORDS
    return isinstance(value, int | float if kind is float else kind)
