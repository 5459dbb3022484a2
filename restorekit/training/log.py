"""The CSV log of a run."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """One row of the log."""

    iteration: int
    seconds: float
    loss: float
    learning_rate: float
    psnr: float | None = None
    extra: str = ""


def append(path: Path, progress: Progress) -> None:
    """Append one row to a CSV file; rows from after the checkpoint that a run resumed at are dropped."""
    fields = [f.name for f in dataclasses.fields(Progress)]
    kept = [row for row in read(path) if int(row["iteration"]) < progress.iteration]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(kept)
        writer.writerow(dataclasses.asdict(progress))


def read(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a run's log; none where there is no log yet."""
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            yield from list(csv.DictReader(file))
