"""The hidden folder in which a run's results grow until they are whole and get their names, and its
end with the run.

A lock that the system gives up when a process dies tells a dead run's folder from a living one's,
across containers and, where the file system carries locks, across machines.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from restorekit.errors import UsageError
from restorekit.images.writer import PART

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed and needs no lock
    fcntl = None

_LOCK = "lock"


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """A new hidden folder inside `folder`, which is made where it is not there; gone at the end.

    What dead runs left is removed first. Raises UsageError where nothing can be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write into {folder}: it is a file; give -o a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder) as certain:
            if certain:
                _sweep(folder)
            place = Path(tempfile.mkdtemp(prefix=f"{PART}-", dir=folder))
            lock = (place / _LOCK).open("wb")
            _try_lock(lock.fileno())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"cannot write into {folder}: {reason}; give -o a folder you own"
        ) from error
    try:
        yield place
    finally:
        lock.close()
        shutil.rmtree(place, ignore_errors=True)


def check_free(path: Path, over: bool) -> None:
    """Raises FileExistsError where a name is taken, unless what has it may be written `over`."""
    if not over and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def publish(staged: Path, path: Path, over: bool) -> None:
    """Give a whole file its name. Raises FileExistsError as `check_free` does, whoever else writes."""
    if not over:
        try:
            os.link(staged, path)  # finds the name free and takes it in one step
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            check_free(path, over)
        else:
            staged.unlink()
            return
    staged.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other run looks for dead ones, or begins, in this folder meanwhile."""
    if fcntl is None:
        yield True
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        locked = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # no locks here: what cannot be told from the living is left
            locked = False
        yield locked
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove the folders of runs that are dead."""
    for place in folder.glob(f"{PART}-*"):
        with suppress(OSError), (place / _LOCK).open("r+b") as lock:
            if not _try_lock(lock.fileno()):
                continue
        with suppress(OSError):
            (place / _LOCK).unlink(missing_ok=True)
            shutil.rmtree(place)


def _try_lock(handle: int) -> bool:
    """Whether the lock is ours now, and so was nobody's."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
