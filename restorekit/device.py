"""Processors: which there are, which to take, what they are good at. The only module that asks."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from restorekit.errors import DeviceError, UsageError

# torch then asks Linux for large pages: the arrays of a picture are there in a fifth of the time.
# Read by torch at its first allocation; a person's own setting stays.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

# The C library's thresholds by their variables, with their numbers in malloc.h: the free bytes at the
# heap's end that are given back, and the size from which a block is given back by itself.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_MMAP_THRESHOLD_": -3}

CGROUPS = Path("/sys/fs/cgroup")
# Of version 2 and of version 1: the limit, what is in use, and the name of what may be dropped.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)

KINDS = ("cuda", "mps", "xpu", "cpu")
"""In the order in which "auto" takes them; ROCm answers as cuda."""


def available(kind: str) -> bool:
    """Whether torch can use a kind of device here."""
    if kind == "cpu":
        return True
    backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    return backend is not None and backend.is_available()


def choose(name: str = "auto") -> torch.device:
    """The device of a name: "auto", or "cuda", "mps", "xpu", "cpu", with a number if wanted.

    Raises UsageError for another name, DeviceError where the device is not there, saying what is and
    what to do.
    """
    if name == "auto":
        return next(torch.device(kind) for kind in KINDS if available(kind))
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in KINDS:
        raise UsageError(f"--device {name!r} is none of auto, {', '.join(KINDS)}")
    if not available(device.type) or (device.index or 0) >= count(device.type):
        present = ", ".join(f"{count(kind)} {kind}" for kind in KINDS if available(kind))
        raise DeviceError(
            f"--device {name} was asked for but torch {torch.__version__} finds none here (it finds "
            f"{present}); use --device auto, or see `restorekit doctor`"
        )
    return device


def count(kind: str) -> int:
    """How many devices of an available kind there are; torch knows one processor."""
    return getattr(torch, kind).device_count()


def of_process(number: int) -> str:
    """Take a process's own card where there are any; torch's word for how the processes then talk."""
    if not available("cuda"):
        return "gloo"
    torch.cuda.set_device(number)
    return "nccl"


def precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, float32 elsewhere."""
    if device.type == "cpu":
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return torch.bfloat16 if native() else torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float32
    return torch.float32 if device.type == "mps" else torch.bfloat16


def mixed(device: torch.device) -> AbstractContextManager[object]:
    """Autocast to `precision`; where that is float32, nothing: bfloat16 would take ten times as long."""
    fast = precision(device)
    return nullcontext() if fast == torch.float32 else torch.autocast(device.type, fast)


def as_written(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast, which a caller may have switched on and which would change results."""
    if device.type == "mps":  # not every torch has autocast there
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def on_processor() -> AbstractContextManager[object]:
    """A context in which new tensors lie on the processor, whatever a caller's default device is."""
    processor = torch.device("cpu")
    # Each of torch's functions is slower inside, so that nobody goes there without need.
    return nullcontext() if torch.empty(0).device == processor else processor


@dataclass(frozen=True)
class Memory:
    """Bytes of a device's memory."""

    free: int
    total: int


def memory(device: torch.device) -> Memory | None:
    """Free and total memory, of a container's where that is less, or None where the system does not
    tell."""
    if device.type == "cuda":
        return Memory(*torch.cuda.mem_get_info(device))
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        found = [Memory(page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES"))]
    except (AttributeError, ValueError, OSError):
        return None
    found += filter(None, (_granted(CGROUPS, *names) for names in _CGROUP_FILES))
    return Memory(min(one.free for one in found), min(one.total for one in found))


def _granted(folder: Path, limit: str, used: str, pages: str) -> Memory | None:
    """What a control group of Linux grants; pages of files that it may drop count as free."""
    try:
        most, now = (int((folder / name).read_text("ascii")) for name in (limit, used))
        lines = (folder / limit).with_name("memory.stat").read_text("ascii").splitlines()
        kept = dict(line.split() for line in lines).get(pages, "0")
        return Memory(max(0, most - now + int(kept)), most)
    except (OSError, ValueError):  # there is no such group, or it is without a limit
        return None


def keep_freed_memory() -> None:
    """Have Linux's C library keep what is freed for the next array, as torch does on a card.

    It gives large blocks back to the system otherwise, and every array of every picture waits for new
    pages: a tenth of the time of two megapixels, and at times half of it. A person's own variables stay;
    elsewhere nothing happens.
    """
    if sys.platform != "linux" or any(name in os.environ for name in _MALLOC):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # musl, another C library, has none
        for parameter in _MALLOC.values():
            mallopt(parameter, 2**31 - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch says that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release(device: torch.device) -> None:
    """Give cached blocks back after memory ran out."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def synchronise(device: torch.device) -> None:
    """Wait until a device has done what it was told, for timing."""
    if device.type != "cpu":
        where = () if device.type == "mps" else (device,)  # there is one
        getattr(torch, device.type).synchronize(*where)
