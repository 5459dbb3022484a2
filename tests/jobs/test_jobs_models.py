"""Models that a run cannot use as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from outer_kit import write_model

from restorekit.errors import UsageError
from restorekit.models.card import Look


def test_a_sampler_that_nobody_brings_is_named(tmp_path: Path, restorer) -> None:
    """A card may name an add-on's sampler, so this is known when a run begins, not before."""
    file = write_model(tmp_path / "m.safetensors", looks={"faithful": Look(sampler="magic")})
    with pytest.raises(UsageError, match="wants the sampler 'magic', which is not here"):
        restorer(model=str(file))
