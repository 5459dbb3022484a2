"""What every test of pictures shares."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the time of these tests would be spent waiting for small files to reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
