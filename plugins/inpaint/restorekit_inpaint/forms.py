"""Options whose words have a form of their own, which is checked before any picture is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import restorekit as rk


@dataclass(frozen=True)
class Formed(rk.Option):
    """An option of kind str, whose word `read` understands or refuses with a UsageError."""

    read: Callable[[str], object] = str

    def check(self, value: Any) -> Any:
        """The word; UsageError with one sentence if it is wrong."""
        word = super().check(value)
        self.read(word)
        return word


def margins(text: str) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) from "left=N,…"; UsageError, one sentence, for anything else."""
    found: dict[str, int] = {"top": 0, "bottom": 0, "left": 0, "right": 0}
    for part in filter(None, text.replace(" ", "").split(",")):
        side = re.fullmatch(r"(top|bottom|left|right)=(\d{1,4})", part)
        if not side:
            raise rk.UsageError(
                f"--expand {text!r}: write it as left=64,right=64, with sides left, right, top, bottom"
            )
        found[side[1]] = int(side[2])
    return found["top"], found["bottom"], found["left"], found["right"]


def jump(text: str) -> tuple[int, int] | None:
    """(steps, times) from "10,10", None from nothing; UsageError, one sentence, for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,2}),([1-9]\d{0,2})", text.replace(" ", ""))
    if text and not found:
        raise rk.UsageError(f"--jump {text!r}: write it as 10,10: steps back, and how many times")
    return (int(found[1]), int(found[2])) if found else None
