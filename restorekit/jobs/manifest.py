"""The manifest: one JSON line for every result and every failure, by which a run goes on where it ended.

A line is a fact that never becomes wrong: from inputs of these bytes, this recipe made a result of
these bytes. So lines are only appended, their order does not matter, a torn one is passed over, and
several manifests in a folder (of shards) say together what one would.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_STEM, _ENDING = "restorekit-manifest", ".jsonl"


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest by its name."""
    return path.name.startswith(_STEM) and path.suffix == _ENDING


@dataclass(frozen=True)
class Content:
    """What a file held: its length in bytes, its time in nanoseconds, and the SHA-256 of its bytes."""

    bytes: int
    mtime_ns: int
    sha256: str


def content(path: Path, known: Iterable[Content] = ()) -> Content:
    """What a file holds; it is read unless just one known content has its length and time.

    Raises OSError.
    """
    found = path.stat()
    # Results have their source's time, and some formats one length whatever is in the picture.
    like = {one for one in known if (one.bytes, one.mtime_ns) == (found.st_size, found.st_mtime_ns)}
    if len(like) == 1:
        return like.pop()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Content(found.st_size, found.st_mtime_ns, digest)


@dataclass(frozen=True)
class Entry:
    """One line: what was made of one source, or why nothing was.

    source: the file as it was named. output: the result's path below the folder. inputs: the
    source's content, then that of further inputs. result: None where it failed. recipe: all that
    decides the result's bytes beside the inputs. seconds: of each stage. facts: what the task found
    out about the picture.
    """

    source: str
    output: str
    inputs: tuple[Content, ...]
    result: Content | None
    recipe: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None
    facts: Mapping[str, float | str] = field(default_factory=dict)

    def line(self) -> bytes:
        """The entry as JSON and a newline; a fact that is no finite number is null, as JSON has none."""
        record = asdict(self)
        record["facts"] = {
            name: None if isinstance(fact, float) and not math.isfinite(fact) else fact
            for name, fact in self.facts.items()
        }
        try:
            text = json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # a name that is no text
            text = json.dumps(record).encode()
        return text + b"\n"


@dataclass(frozen=True)
class Made:
    """What is kept of a line in memory: how a result came to be."""

    inputs: tuple[Content, ...]
    result: Content
    recipe: str

    def differs(self, inputs: Iterable[Content], recipe: str) -> str:
        """What would make it come out differently today; "" where nothing would."""
        if [one.sha256 for one in self.inputs] != [one.sha256 for one in inputs]:
            return "its source changed"
        return "" if self.recipe == recipe else "the options, weights or version changed"


def digest(recipe: Mapping[str, Any]) -> str:
    """SHA-256 of a recipe, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


class Manifest:
    """What is known of the results in a folder, and where more is written down."""

    def __init__(self, folder: Path, part: str = "") -> None:
        """part: tells the manifests of several processes apart; all of them are read."""
        self.path = folder / f"{_STEM}{part}{_ENDING}"
        self._made: dict[str, dict[str, Made]] = {}
        for file in sorted(folder.glob(f"{_STEM}*{_ENDING}")):
            self._read(file)

    def made(self, output: str) -> Mapping[str, Made]:
        """Every result that a run made at this path, by the hash of its bytes."""
        return self._made.get(output, {})

    def append(self, entry: Entry) -> None:
        """Write an entry down, whole and on the disk. Raises OSError."""
        with self.path.open("a+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            else:
                torn = False
            file.write(b"\n" * torn + entry.line())
            file.flush()
            os.fsync(file.fileno())

    def _read(self, file: Path) -> None:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    if record["result"] is None:
                        continue
                    inputs = tuple(Content(**one) for one in record["inputs"])
                    result = Content(**record["result"])
                    made = Made(inputs, result, digest(record["recipe"]))
                    self._made.setdefault(record["output"], {})[result.sha256] = made
                except (ValueError, TypeError, KeyError, RecursionError):
                    continue  # torn by a crash, or of another version: what it says is done again
