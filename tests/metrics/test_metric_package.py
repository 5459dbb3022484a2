"""The package's surface: pinned, and cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import restorekit.metrics as metrics


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.user("K5")
def test_imports_are_light() -> None:
    heavy = {"torch", "skimage", "torchvision", "lpips", "scipy"}
    assert not heavy & _modules_after("import restorekit.metrics")
    names = "psnr, ssim, matlab_imresize, score, period_energy"
    assert not heavy & _modules_after(f"from restorekit.metrics import {names}")
    loaded = _modules_after("from restorekit.metrics import LPIPS")
    assert "torch" in loaded
    assert "torchvision" not in loaded


def test_every_public_name_resolves_and_no_other() -> None:
    assert set(metrics._HOME) == set(metrics.__all__) <= set(dir(metrics))
    for name in metrics.__all__:
        assert getattr(metrics, name).__name__ == name
    with pytest.raises(AttributeError, match="fid"):
        _ = metrics.fid


def test_no_public_name_hides_a_module() -> None:
    assert not set(metrics.__all__) & set(metrics._HOME.values())
