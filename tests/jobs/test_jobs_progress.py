"""Progress: told in order, once to the end, through windows, stages and frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from outer_kit import noise

from restorekit.images import from_array
from restorekit.jobs.progress import chain, part_of
from restorekit.jobs.restorer import Restorer
from restorekit.task import Plan, Stage


def test_parts_make_a_whole() -> None:
    told: list[float] = []

    def tell(done: int, total: int) -> None:
        told.append(done / total)

    for number in range(4):
        part_of(tell, number, 4)(1, 2)
        part_of(tell, number, 4)(2, 2)
    assert told == [k / 8 for k in range(1, 9)]
    told.clear()
    at = chain(tell)
    for depth in (2, 1, 0, -1):
        at(depth)(5, 5)
    assert told == [0.25, 0.5, 0.75, 1.0]
    told.clear()
    chain(tell)(-1)(1, 3)
    assert told == [1 / 3]


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_a_picture_of_several_stages_is_told_of_from_the_first(
    restorer: Callable[..., Restorer], stages: int
) -> None:
    """Windows of every stage are told of; each stage is as large a part as any."""
    made = restorer(tile=64)
    prepared = made.hooks.restorekit_prepare

    def prepare(inputs: Any, options: Any, file: Any) -> Plan | Stage:
        left = options.get("left", stages)
        if left and "stage" not in inputs:
            return Stage({"image": inputs["image"]}, {**options, "left": left - 1})
        return prepared(inputs={"image": inputs["image"]}, options=options, file=file)

    made.hooks.restorekit_prepare = prepare
    told: list[float] = []
    made(from_array(noise(60, 100)), lambda done, total: told.append(done / total))
    assert told == sorted(set(told))
    assert told[-1] == 1
    for part in range(1, stages + 2):
        assert pytest.approx(part / (stages + 1)) in told
    assert len(told) % (stages + 1) == 0
    assert len(told) > stages + 1
