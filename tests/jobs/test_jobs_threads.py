"""A system without room for a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NoReturn

import pytest
from outer_kit import Run, one_sentence, save


def test_no_room_for_a_thread_is_one_sentence(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    photo = save(tmp_path / "a.png")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    ran = upscale(photo, "-o", tmp_path / "out")
    assert ran.code == 1
    one_sentence(ran.err.strip().splitlines()[-1], "no room for another thread")
    assert photo.exists()
