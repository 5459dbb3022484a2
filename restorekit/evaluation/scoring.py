"""Every method on every case, scored by every metric."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from restorekit.errors import ModelError, UsageError
from restorekit.evaluation.baselines import Method
from restorekit.evaluation.cases import Case, as_rgb
from restorekit.evaluation.results import Results, whole
from restorekit.metrics.added import Metric
from restorekit.metrics.protocol import Beside, protocol_for

Shown = Mapping[str, np.ndarray]
"""The pictures of one case: the truth, then every method's result, all of one size."""


def _nobody(case: str, method: str) -> None:
    """Tell of progress to nobody."""


def evaluate(
    cases: Iterable[Case],
    methods: Mapping[str, Method],
    metrics: Sequence[str | Metric],
    *,
    scale: float | None = 1.0,
    keep: int = 0,
    about: Mapping[str, Any] | None = None,
    tell: Callable[[str, str], None] = _nobody,
) -> Results:
    """Every method on every case, on the 8-bit result, the truth cut to its size from the top left.

    metrics: their names, or those that a plugin adds. scale: what the result's sides are to the
    input's; it sets the border that the -y metrics leave out. None: what each truth's are. keep: cases
    whose pictures are kept. about: joins the JSON, with a hash of the data. A metric whose weights or
    package are missing is listed as not run; "flicker" takes the cases as the frames of one film. Raises
    UsageError where sizes do not fit or a metric lacks what it needs.
    """
    names: list[str] = []
    kept: dict[str, Shown] = {}
    border = whole(scale or 1.0)
    named = {
        metric.name: metric
        for metric in (protocol_for(m, border) if isinstance(m, str) else m for m in metrics)
    }
    values: dict[str, dict[str, list[float]]] = {m: {k: [] for k in named} for m in methods}
    seconds = dict.fromkeys(methods, 0.0)
    missing: dict[str, str] = {}
    before: Shown | None = None
    digest = hashlib.sha256()
    for case in cases:
        names.append(case.name)
        _add(digest, case)
        size = case.truth.shape[:2] if scale is None else result_size(case, scale)
        slack = _slack(_largest_ratio(case) if scale is None else scale)
        shown = {"truth": case.truth}
        for method, function in methods.items():
            tell(case.name, method)
            started = time.perf_counter()
            try:
                shown[method] = function(case, size)
            except UsageError as error:  # which of a folder's pictures it was
                raise UsageError(f"{case.name}, {method}: {error}") from error
            seconds[method] += time.perf_counter() - started
            _check_size(case, method, shown[method].shape, slack)
        shown, uncut = _cut(shown), shown
        for method in methods:
            for metric, protocol in named.items():
                if metric in missing or (before is None and protocol.needs == "before"):
                    continue
                beside = _beside(protocol.needs, case, method, before)
                pair = (shown[method], shown["truth"])
                if beside.source is not None:  # the source is all it is compared with
                    pair = (uncut[method], uncut[method])
                try:
                    value = protocol.measure(*pair, beside)
                except ModelError as error:
                    missing[metric] = str(error)
                except UsageError as error:  # too small for a metric, as a rule
                    raise UsageError(f"{case.name}: {error}") from error
                else:
                    values[method][metric].append(value)
        if len(kept) < keep:
            kept[case.name] = shown
        before = shown
    ran = tuple(metric for metric in named if metric not in missing)
    added = {metric.name: metric for metric in metrics if isinstance(metric, Metric)}
    notes = tuple(f"{metric}: {reason}" for metric, reason in missing.items())
    facts = {**(about or {}), "data_sha256": digest.hexdigest()}
    return Results(tuple(names), ran, scale or 1.0, values, seconds, notes, kept, facts, added)


def result_size(case: Case, scale: float) -> tuple[int, int]:
    """(height, width) of the result, before it and its truth are cut to the smaller of the two.

    UsageError where they are far apart.
    """
    low, truth = (case.picture.height, case.picture.width), case.truth.shape[:2]
    height, width = (max(1, math.floor(scale * side + 0.5)) for side in low)
    if max(abs(height - truth[0]), abs(width - truth[1])) > _slack(scale):
        enlarged = "the input" if scale == 1 else f"{scale:g} times the input"
        advice = "both must be of one size" if scale == 1 else "give the --scale they differ by"
        raise UsageError(
            f"{case.name}: {enlarged} is {width} x {height} and its truth is "
            f"{truth[1]} x {truth[0]} (width x height); {advice}"
        )
    return height, width


def _slack(scale: float) -> float:
    """Pixels that rounding may set two sizes apart; none where nothing is resized."""
    return 0.0 if scale == 1 else max(scale, 1.0)


def _largest_ratio(case: Case) -> float:
    """How many times larger the truth's sides are than the input's, at most."""
    height, width = case.truth.shape[:2]
    return max(height / case.picture.height, width / case.picture.width)


def _check_size(case: Case, method: str, size: Sequence[int], slack: float) -> None:
    height, width = case.truth.shape[:2]
    if max(abs(size[0] - height), abs(size[1] - width)) > slack:
        raise UsageError(
            f"{case.name}: {method} gives {size[1]} x {size[0]} and the truth is {width} x {height} "
            "(width x height); only pictures of one size can be scored"
        )


def _cut(shown: Shown) -> Shown:
    """All pictures cut to the smallest, from the top left."""
    height, width = (min(image.shape[axis] for image in shown.values()) for axis in (0, 1))
    return {name: image[:height, :width] for name, image in shown.items()}


def _beside(needs: str, case: Case, method: str, before: Shown | None) -> Beside:
    if needs == "source":
        return Beside(source=as_rgb(case.picture))
    if needs == "hole":
        return Beside(hole=case.hole)
    if needs == "before" and before is not None:
        return Beside(before=(before[method], before["truth"]))
    return Beside()


def _add(digest: Any, case: Case) -> None:
    """The case's pixels to a hash of the data."""
    for array in (case.truth, *(picture.color for picture in case.inputs.values())):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
