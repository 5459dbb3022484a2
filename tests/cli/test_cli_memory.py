"""Freed memory is kept: the second large array costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from restorekit.cli import memory
if {keep}:
    memory.keep()
import torch
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
counts = []
for _ in range(2):
    before = faults()
    array = torch.zeros(100 << 20, dtype=torch.uint8)
    counts.append(faults() - before)
    del array
print(*counts)
"""


def faults(keep: bool) -> tuple[int, int]:
    """Page faults of the first and of the second array of 100 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(keep=keep)], capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    return first, second


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_freed_memory_is_kept() -> None:
    first, second = faults(keep=True)
    assert first > 40  # even in pages of 2 MiB
    assert second < first / 10
    given_back = faults(keep=False)
    assert given_back[1] > given_back[0] / 2  # else there would be nothing to keep
