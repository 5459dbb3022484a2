"""The add-on that watches: the preview is the picture, and changes nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from distributions import write_metadata
from outer_kit import REPOSITORY, Run, noise, pixels_of

import restorekit

PACKAGE = REPOSITORY / "plugins" / "preview"


@pytest.fixture
def preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> Path:
    """The add-on installed, and the file it writes; every step is written."""
    write_metadata(PACKAGE, tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setenv("RESTOREKIT_PREVIEW", str(tmp_path / "now.png"))
    monkeypatch.delitem(sys.modules, "restorekit_preview", raising=False)
    fresh_plugins()
    import restorekit_preview  # type: ignore[import-not-found]

    monkeypatch.setattr(restorekit_preview.PREVIEW, "seconds", 0.0)
    return tmp_path / "now.png"


def test_it_shows_the_result_and_changes_nothing(
    preview: Path, model: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> None:
    options = {"scale": 2, "model": str(model), "look": "sharp", "steps": 2, "seed": 11}
    watched = restorekit.upscale(noise(), **options)
    assert np.abs(pixels_of(preview).astype(int) - watched).max() <= 1
    assert [path.name for path in preview.parent.glob(".*")] == []
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", "preview")
    fresh_plugins()
    np.testing.assert_array_equal(restorekit.upscale(noise(), **options), watched)


def test_a_large_picture_is_shown_small_whatever_the_windows(preview: Path, model: Path) -> None:
    sys.modules["restorekit_preview"].PREVIEW.longest = 30
    options = {"scale": 2, "model": str(model), "look": "faithful", "seed": 12}
    large = restorekit.upscale(noise(61, 83), **options, tile=64)
    shown = pixels_of(preview)
    assert shown.shape == (21, 28, 3)  # every sixth pixel of 122 × 166
    assert np.abs(shown.astype(int) - large[::6, ::6]).max() <= 1


def test_it_is_listed_and_can_be_checked(preview: Path, run: Run) -> None:
    ran = run("plugins", "check", "preview")
    assert ran.code == 0
    assert "restorekit_prepare, restorekit_step" in ran.out
    ran = run("plugins", "info", "preview")
    assert "add-on" in ran.out
    assert "restorekit-preview 0.1.0, restorekit_preview:PREVIEW" in ran.out
    assert "restorekit-preview 0.1.0  ok" in run("plugins", "list").out
