"""The page that maps papers to presets names what there is, and all of it."""

from __future__ import annotations

import re
from pathlib import Path

from restorekit.engine.denoiser import PREDICTIONS
from restorekit.engine.path import PATHS
from restorekit.engine.samplers import SAMPLERS
from restorekit.training.prediction_loss import WEIGHTS

PAGES = Path(__file__).resolve().parents[2] / "docs" / "engine"


def test_every_path_prediction_and_sampler_has_a_paper() -> None:
    text = (PAGES / "papers.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    named = [set(re.findall(r"`([^`]+)`", cell)) for cell in map(" ".join, zip(*rows, strict=True))]
    _, paths, predictions, samplers = named
    assert paths == set(PATHS)
    assert predictions == {*PREDICTIONS, "Preconditioned"}
    assert samplers == {*SAMPLERS, "ancestral_with"}


def test_every_weight_and_sampler_is_in_its_page() -> None:
    weights = (PAGES / "training.md").read_text(encoding="utf-8")
    for name in WEIGHTS:
        assert re.search(rf"^\| {name} \|", weights, re.MULTILINE), name
    text = "".join(
        (PAGES / f"{page}.md").read_text(encoding="utf-8") for page in ("samplers", "scores")
    )
    for name in SAMPLERS:
        assert re.search(rf"^\|[^|]*(?<!\S){re.escape(name)}[ ,]", text, re.MULTILINE), name
