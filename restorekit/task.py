"""What a plugin declares: the task, its options, and the plan it makes for one picture.

Nothing here imports torch, so that help and completion stay fast.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from restorekit.errors import UsageError

SPEC_VERSION = 1
"""Version of the hook specification in `restorekit.hookspecs`; a plugin states the one it was
written for."""

LONGEST_SIDE = 2**31 - 1
"""Pixels of the longest side that a size may have: PNG's own limit."""

LOOKS = ("faithful", "sharp")
RESERVED_OPTIONS = frozenset(
    {"look", "fidelity", "strength", "steps", "seed", "tile", "device", "model"}
    | {"photos", "out", "format", "quality", "overwrite", "quiet", "help", "suffix", "shard"}
    | {"plan", "max_pixels", "strip", "provenance", "image", "alpha", "stage", "degradation"}
    | {"samples", "no_provenance"}
    | {"data", "inputs", "degrade", "against", "metrics", "json", "report", "looks"}
)
"""What the commands of every task have already, its evaluation too; no task can have an option named
so."""


@dataclass(frozen=True)
class Option:
    """One option of a task: a flag on the command line, a keyword in Python.

    kind: float, int, str, bool, "size" (WIDTHxHEIGHT, given to hooks as (width, height)) or "area"
    (pixels, as 40MP, 500KP or a number; given as a whole number).
    minimum and maximum are inclusive unless `open_minimum`; choices are for str. What else a value
    must be, a subclass checks in `check`.
    """

    name: str
    kind: type | str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf
    open_minimum: bool = False

    def __post_init__(self) -> None:
        if self.kind not in (float, int, str, bool, "size", "area"):
            raise UsageError(
                f"option {self.name!r} is of kind {self.kind!r}; give float, int, str, bool, 'size' or "
                "'area'"
            )
        listed = isinstance(self.choices, Sequence) and not isinstance(self.choices, str)
        words = listed and all(isinstance(choice, str) for choice in self.choices)
        if not words or (self.choices and self.kind is not str):
            raise UsageError(
                f"option {self.name!r} has the choices {self.choices!r}; give a tuple of words, to an "
                "option of kind str"
            )
        self.check(self.default)

    def check(self, value: Any) -> Any:
        """The value, converted to the option's kind; UsageError with one sentence if it is wrong.

        None stands for the default.
        """
        if value is None:
            value = self.default
        if value is None:
            return None
        flag = _flag(self.name)
        if self.kind == "size":
            return _size(flag, value)
        if self.kind == "area":
            return _area(flag, value)
        converted = _convert(self.kind, value)
        if converted is None:
            kind = {float: "a number", int: "a whole number", bool: "true or false"}.get(
                self.kind if isinstance(self.kind, type) else str, "a word"
            )
            raise UsageError(f"{flag} {value!r} is not {kind}")
        if self.choices and converted not in self.choices:
            raise UsageError(f"{flag} {value!r} is none of {', '.join(self.choices)}")
        if isinstance(converted, int | float) and not isinstance(converted, bool):
            self._check_range(flag, converted)
        return converted

    def _check_range(self, flag: str, value: float) -> None:
        low = value <= self.minimum if self.open_minimum else value < self.minimum
        if not math.isfinite(value) or low or value > self.maximum:
            above = f"above {self.minimum:g}" if self.open_minimum else f"at least {self.minimum:g}"
            parts = [above] if math.isfinite(self.minimum) else ["finite"]
            if math.isfinite(self.maximum):
                parts.append(f"at most {self.maximum:g}")
            raise UsageError(
                f"{flag} {value:g} is out of range; give a number {' and '.join(parts)}"
            )


def _convert(kind: type | str, value: Any) -> Any:
    try:
        if kind is bool and isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        if kind is bool or isinstance(value, bool):
            return value if kind is bool and isinstance(value, bool) else None
        if kind is str and type(value).__repr__ is object.__repr__:
            return None  # what has no words of its own
        if kind is int and float(value) != int(float(value)):
            return None
        return kind(value) if callable(kind) else value
    except (TypeError, ValueError, OverflowError):
        return None


def _size(flag: str, value: Any) -> tuple[int, int]:
    parts = re.fullmatch(r"(\d+)\s*[x×]\s*(\d+)", value) if isinstance(value, str) else None
    pair = parts.groups() if parts else value
    try:
        width, height = (int(side) for side in pair)
        if not parts and (width, height) != tuple(pair):
            raise ValueError("not whole")
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{flag} {value!r} is no size; write WIDTHxHEIGHT, as 3840x2160") from None
    if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
        raise UsageError(
            f"{flag} {value!r} is no size; both sides are at least 1 and at most {LONGEST_SIDE}"
        )
    return width, height


def _area(flag: str, value: Any) -> int:
    parts = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([KM]?)P?", str(value).strip(), re.IGNORECASE)
    pixels = float(parts[1]) * {"": 1, "K": 1e3, "M": 1e6}[parts[2].upper()] if parts else 0.0
    if isinstance(value, bool) or not 1 <= pixels < math.inf:
        raise UsageError(f"{flag} {value!r} is no number of pixels; write it as 40MP")
    return round(pixels)


@dataclass(frozen=True)
class Input:
    """An image that goes with the picture to restore: a flag that takes a file or a folder.

    required: without it the task cannot run. words: a regular expression of values that are no path;
    such a word reaches the task's hooks as options[name], and no image of that name is given.
    """

    name: str
    help: str
    required: bool = False
    words: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.words or "")
        except re.error as error:
            raise UsageError(
                f"input {self.name!r} has the words {self.words!r}, no regular expression: {error}"
            ) from error

    def is_word(self, value: object) -> bool:
        """Whether a value is one of the words rather than a path or an image."""
        return isinstance(value, str) and bool(self.words) and bool(re.fullmatch(self.words, value))


@dataclass(frozen=True)
class Degradation:
    """One way to make a task's inputs from clean images, for training and evaluation."""

    name: str
    help: str = ""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Task:
    """A thing a user asks for; its command, help and Python call are generated from this record.

    name: the command, lower case. summary: one line. options: its own, beside those every task
    has. companions: images it takes beside the picture, which is the input "image". model: the
    default weights, a key of `restorekit_models`. looks: the looks that model offers, the default
    one first. exclusive: groups of options of which a person gives one at most. needed: groups of
    options and companions of which a person gives one at least. degradations: what
    `restorekit_degrade` can do, the usual one first. exact: pixels that the task does not change come
    through bit for bit, so results are written without loss unless a person asks otherwise, and
    alpha is left alone. linear: its pictures are light: hooks are given and give back the file's own
    numbers, in [0, ∞) or as a companion has them, instead of [−1, 1]. spec: the hook specification it
    was written for.
    """

    name: str
    summary: str
    options: tuple[Option, ...] = ()
    companions: tuple[Input, ...] = ()
    model: str = ""
    looks: tuple[str, ...] = ("faithful",)
    exclusive: tuple[tuple[str, ...], ...] = ()
    needed: tuple[tuple[str, ...], ...] = ()
    degradations: tuple[Degradation, ...] = (Degradation("default"),)
    exact: bool = False
    linear: bool = False
    spec: int = SPEC_VERSION

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise UsageError(f"task name {self.name!r}: use lower-case letters, digits and dashes")
        if not isinstance(self.spec, int):
            raise UsageError(f"task {self.name}: spec is {self.spec!r}, not a whole number")
        for what in ("options", "companions", "looks", "exclusive", "needed", "degradations"):
            given = getattr(self, what)
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise UsageError(
                    f"task {self.name}: its {what} are no tuple; write (…,) around one alone, too"
                )
        if not self.looks or not set(self.looks) <= set(LOOKS):
            raise UsageError(f"task {self.name}: looks are {self.looks!r}, not of {LOOKS}")
        if not self.degradations:
            raise UsageError(f"task {self.name} has no degradations; leave them out for one")
        names = [own.name for own in (*self.options, *self.companions)]
        strange = {name for group in (*self.exclusive, *self.needed) for name in group} - set(names)
        if strange:
            raise UsageError(
                f"task {self.name} has no option {min(strange)!r} to exclude or to need"
            )
        taken = {*names, "image", "degradation"}
        for degradation in self.degradations:
            clash = {option.name for option in degradation.options} & taken
            if clash:
                raise UsageError(
                    f"option name {min(clash)!r} of degradation {degradation.name} is taken already"
                )
        denied = {f"no_{option.name}" for option in self.options if option.kind is bool}
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise UsageError(f"option name {name!r} of task {self.name} is no identifier")
            if name in RESERVED_OPTIONS | denied or names.count(name) > 1:
                raise UsageError(
                    f"option name {name!r} of task {self.name} is taken already; rename it"
                )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the images it takes; the first is the picture to restore."""
        return ("image", *(companion.name for companion in self.companions))

    def check_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every option with its checked value or default; UsageError for unknown or wrong ones.

        For each companion that takes words: the word, or None.
        """
        words = {c.name: given.get(c.name) for c in self.companions if c.words}
        for companion in self.companions:
            word = words.get(companion.name)
            if word is not None and not companion.is_word(word):
                raise UsageError(f"--{companion.name} {word!r} is none of its words")
        own = {name: value for name, value in given.items() if name not in words}
        return {**_checked(self.options, own, self.name), **words}

    def check_given(self, given: Iterable[str]) -> None:
        """UsageError where a person has given two of an exclusive group, or none of a needed one."""
        named = set(given)
        for group in self.exclusive:
            both = [_flag(name) for name in group if name in named]
            if len(both) > 1:
                raise UsageError(f"{both[0]} and {both[1]} contradict each other; give one of them")
        for group in self.needed:
            if not named.intersection(group):
                raise UsageError(f"{self.name} needs {' or '.join(map(_flag, group))}")

    def check_degradation(self, name: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """ "degradation" and its own options, checked; the first one where no name is given."""
        named = {degradation.name: degradation for degradation in self.degradations}
        chosen = self.degradations[0].name if name is None else name
        if chosen not in named:
            raise UsageError(
                f"{self.name} has no degradation {chosen!r}; it has {', '.join(named)}"
            )
        place = f"degradation {chosen} of {self.name}"
        return {"degradation": chosen, **_checked(named[chosen].options, given, place)}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _checked(options: Iterable[Option], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Every option with its checked value or default; UsageError for an unknown or a wrong one."""
    known = {option.name: option for option in options}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"{place} has no option {unknown[0]!r}; it has {', '.join(sorted(known)) or 'none'}"
        )
    return {name: option.check(given.get(name)) for name, option in known.items()}


@dataclass(frozen=True)
class Plan:
    """What `restorekit_prepare` found out about one picture, having seen all of it.

    size: (height, width) of the output. note: facts for the report (a noise level found, …), Python's
    own numbers and words. state: whatever the plugin's other hooks need; the engine only hands it back.
    areas: windows (top, left, height, width) that are restored, with a little around them to the
    engine's grid; elsewhere the output is the picture itself, sample for sample. None: all of it is new.
    place: (top, left) of the picture in the output. opaque: whether the result of an exact task has no
    transparency left; else it is the picture's own, resized with it where there are neither areas nor
    a place. jump: (steps, times): after every so many steps the sampler goes as many back, adding
    noise, and so often over the same stretch (RePaint, Lugmayr 2022). settled: the task's own options
    that were left to the picture, as it decided them: its alpha, and the further frames of its file,
    are restored with these. cell: the side of the network's cells in output pixels; weights that have no
    such cells use their first.
    """

    size: tuple[int, int]
    note: Mapping[str, float | str] = field(default_factory=dict)
    state: Any = None
    areas: tuple[tuple[int, int, int, int], ...] | None = None
    place: tuple[int, int] = (0, 0)
    opaque: bool = False
    jump: tuple[int, int] | None = None
    settled: Mapping[str, Any] = field(default_factory=dict)
    cell: int = 0


@dataclass(frozen=True)
class Stage:
    """What `restorekit_prepare` answers where another picture must be restored first: a smaller one (a
    cascade), the same with other options (an iteration), or the same by another task (a chain).

    The task restores `inputs` with `options`; prepare is then called again with what it was given
    before and the result, (1, 3, H, W), as inputs["stage"]. task: another one that does it, by name,
    with its own options and weights, in the look and strength that are asked for where it has them.
    """

    inputs: Mapping[str, Any]
    options: Mapping[str, Any]
    task: str = ""
