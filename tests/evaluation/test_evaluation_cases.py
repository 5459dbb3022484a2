"""Cases: every input that a degradation makes, at the precision it makes it, and folders by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import noise, save

from restorekit.errors import UsageError
from restorekit.evaluation import Case, degraded_cases, given_cases, truths_in
from restorekit.images import from_array


def hooks(degrade: Callable[..., Any]) -> SimpleNamespace:
    return SimpleNamespace(restorekit_degrade=degrade)


def test_every_input_of_a_degradation_is_passed_on() -> None:
    truths = [("a", noise(12, 16)), ("b", noise(10, 8))]

    def degrade(clean, options, seed):
        mask = torch.full_like(clean[:, :1], -1)
        mask[..., 2:5, 3 : 6 + seed] = 1
        return {"image": -clean, "mask": mask}

    cases = list(degraded_cases(truths, hooks(degrade), {"degradation": "holes", "sigma": 3.0}))
    assert [case.name for case in cases] == ["a", "b"]
    for number, (case, (_, truth)) in enumerate(zip(cases, truths, strict=True)):
        assert list(case.inputs) == ["image", "mask"]
        assert np.array_equal(np.rint(case.picture.color * 255), 255 - truth.astype(int))
        expected = np.zeros(truth.shape[:2], bool)
        expected[2:5, 3 : 6 + number] = True
        assert case.hole is not None
        assert np.array_equal(case.hole, expected)
        assert case.told["sigma"] == 3


def test_levels_become_8_bit_and_other_values_stay_as_they_are() -> None:
    """Gaussian noise that is neither clipped nor rounded is the papers' protocol."""
    truth = noise(12, 16)

    def noisy(clean, options, seed):
        draw = torch.Generator().manual_seed(seed)
        return {"image": clean + 0.5 * torch.randn(clean.shape, generator=draw)}

    (rounded,) = degraded_cases([("a", truth)], hooks(lambda clean, **_: {"image": clean}), {})
    assert rounded.picture.depth == 8
    (floats,) = degraded_cases([("a", truth)], hooks(noisy), {})
    assert floats.picture.depth == 32
    assert floats.picture.color.min() < 0
    assert floats.picture.color.max() > 1


def test_a_case_without_a_mask_has_no_hole() -> None:
    assert Case("a", {"image": from_array(noise())}, noise()).hole is None


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    mask = np.zeros((16, 24), np.uint8)
    mask[3:9, 4:20] = 255
    for name in ("one.png", "two.png"):
        save(tmp_path / "clean" / name)
        save(tmp_path / "holed" / name, noise(seed=1))
        save(tmp_path / "mask" / name, mask)
    folders = {"image": tmp_path / "holed", "mask": tmp_path / "mask"}
    cases = list(given_cases(tmp_path / "clean", folders))
    assert [case.name for case in cases] == ["one", "two"]
    assert np.array_equal(cases[0].hole, mask > 0)
    (tmp_path / "mask" / "two.png").unlink()
    with pytest.raises(UsageError, match=r"two\.png"):
        list(given_cases(tmp_path / "clean", folders))


def test_truths_are_cut_to_multiples(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(17, 23))
    ((name, pixels),) = truths_in(tmp_path, 4)
    assert name == "a"
    assert np.array_equal(pixels, noise(17, 23)[:16, :20])
    with pytest.raises(UsageError, match="smaller than the scale"):
        list(truths_in(tmp_path, 18))


def test_pictures_of_one_stem_are_told_apart(tmp_path: Path) -> None:
    """Else a page would show the last of them alone."""
    for name in ("a.png", "a.webp", "b.png"):
        save(tmp_path / "clean" / name)
    names = [name for name, _ in truths_in(tmp_path / "clean")]
    assert names == ["a.png", "a.webp", "b"]
    given = given_cases(tmp_path / "clean", {"image": tmp_path / "clean"})
    assert [case.name for case in given] == names


def test_names_of_any_bytes_can_be_shown(tmp_path: Path) -> None:
    save(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff\nb.png"))
    ((name, _),) = truths_in(tmp_path)
    assert name == r"\udcff\nb"
