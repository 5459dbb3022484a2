"""A model's card: what it is, what it was trained on, what it scored; JSON inside the weights file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from restorekit.errors import ModelError

FORMAT = 1


@dataclass(frozen=True)
class Look:
    """How a look is sampled: the numbers it adds to the condition, and its default steps.

    start_noise: deviation of x_1 around the source in units of σ, when one step is made.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    start_noise: float = 1.0
    steps: int = 1
    sampler: str = "ddim"


@dataclass(frozen=True)
class Card:
    """Everything about a model but its tensors.

    network: a UNetConfig as a record. path, path_parameters: a row of `PATHS`. deviation: the
    residual's, for the preconditioning. looks: the first is the default. data: one record for each
    source: name, pictures, licence. scores: protocol → value, with the command that gives them.
    tensors_sha256: of every tensor's name, type, shape and bytes.
    """

    name: str
    task: str
    licence: str
    network: Mapping[str, Any]
    path: str
    path_parameters: Mapping[str, float]
    deviation: float
    looks: Mapping[str, Look]
    training: Mapping[str, Any] = field(default_factory=dict)
    data: tuple[Mapping[str, Any], ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    date: str = ""
    tensors_sha256: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        """The card as one line of JSON, keys in a fixed order."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, source: str) -> Card:
        """The inverse of `to_json`; ModelError names the source and what is wrong."""
        try:
            record = json.loads(text)
            if record.get("format", 0) > FORMAT:
                raise ModelError(f"{source} is of a newer format; upgrade restorekit")
            known = {f.name for f in fields(cls)}
            unknown = sorted(set(record) - known)
            if unknown:
                raise ModelError(f"{source}: its card has an unknown entry {unknown[0]!r}")
            _check_kinds(record, source)
            record["looks"] = {name: Look(**look) for name, look in record["looks"].items()}
            record["data"] = tuple(record.get("data", ()))
            return cls(**record)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{source}: its card cannot be read: {error}") from error


_WORDS = {str: "a text", dict: "a record", list: "a list", float: "a number", int: "a whole number"}
_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "task", "licence", "path", "date", "tensors_sha256"), str),
    **dict.fromkeys(("network", "path_parameters", "looks", "training", "scores"), dict),
    "data": list,
    "deviation": float,
}
_LOOK_KINDS: Mapping[str, type] = {
    "numbers": dict,
    "start_noise": float,
    "steps": int,
    "sampler": str,
}


def _check_kinds(record: Mapping[str, Any], source: str) -> None:
    for entries, kinds in ((record, _KINDS), *((v, _LOOK_KINDS) for v in record["looks"].values())):
        for name, kind in kinds.items():
            allowed = (int, float) if kind is float else kind
            if name in entries and not isinstance(entries[name], allowed):
                raise ModelError(f"{source}: its card's entry {name!r} is not {_WORDS[kind]}")
