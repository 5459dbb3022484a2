"""Scoring methods on pictures whose truth is known: cases, methods, results with their protocol."""

from restorekit.evaluation.baselines import (
    BASELINES,
    Method,
    missing_package,
    usual_baselines,
)
from restorekit.evaluation.cases import (
    Case,
    as_rgb,
    degraded_cases,
    given_cases,
    pictures_in,
    truths_in,
)
from restorekit.evaluation.results import Results, as_text, machine
from restorekit.evaluation.scoring import evaluate

__all__ = [
    "BASELINES",
    "Case",
    "Method",
    "Results",
    "as_rgb",
    "as_text",
    "degraded_cases",
    "evaluate",
    "given_cases",
    "machine",
    "missing_package",
    "pictures_in",
    "truths_in",
    "usual_baselines",
]
