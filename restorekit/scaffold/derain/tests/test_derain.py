"""The task keeps the contract, does what it says, and refuses what it cannot do."""

from __future__ import annotations

import numpy as np
import pytest
import restorekit_derain
import torch

import restorekit
from restorekit.testing import check_task, photograph


def test_it_keeps_the_contract() -> None:
    check_task("derain")


def test_streaks_are_found_and_little_else() -> None:
    clean = torch.zeros(1, 3, 64, 64)
    rainy = clean.clone()
    rainy[..., 10:40, 30:32] = 0.8
    found = restorekit_derain.streaks(rainy, 0.3)
    assert found[..., 12:38, 30:32].all()
    assert found[..., :20].sum() == found[..., 44:].sum() == 0
    assert restorekit_derain.streaks(clean, 0.3).sum() == 0


def test_what_is_no_streak_stays_as_it_is() -> None:
    picture = photograph(48, 64, seed=3)
    np.testing.assert_array_equal(restorekit.derain(picture, threshold=255), picture)


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(restorekit.UsageError, match="--threshold 0 is out of range"):
        restorekit.derain(photograph(16, 16), threshold=0)
