"""Whatever goes wrong with a file becomes one sentence: which file, what is wrong, what to do."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from restorekit.errors import ImageError, RestoreError


class CutShortError(ImageError):
    """A file that ends before its picture does."""


_ADVICE = {
    errno.ENOENT: "there is no such file; check its name",
    errno.EEXIST: "a file of its name has appeared",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EACCES: "permission denied; change its permissions or use another folder",
    errno.EPERM: "permission denied; change its permissions or use another folder",
    errno.EROFS: "the disk is read-only; use another folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENOTDIR: "a part of its path is not a folder; check its path",
    errno.ENAMETOOLONG: "its name is too long; shorten it",
    errno.EMFILE: "too many files are open; close some programs",
    errno.EIO: "the disk does not answer properly; check it",
    getattr(errno, "EDQUOT", -1): "the disk quota is used up; free some space",
}


def shown(path: Path | str) -> str:
    """The path as it can be printed on one line, whatever bytes it holds."""
    printable = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in printable)


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn any failure inside into an ImageError about reading `path`."""
    try:
        yield
    except RestoreError:
        raise
    except OSError as error:
        if error.errno is None:
            raise _undecoded(path, error) from error
        raise ImageError(f"{shown(path)} cannot be read: {_system_reason(error)}") from error
    except MemoryError as error:
        raise unreadable(path, "it needs more memory than is free; close other programs") from error
    except Exception as error:  # a damaged file may break a decoder in any way
        raise _undecoded(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn any failure inside into an ImageError about writing `path`."""
    try:
        yield
    except RestoreError:
        raise
    except OSError as error:
        raise ImageError(f"{shown(path)} was not written: {_system_reason(error)}") from error
    except MemoryError as error:
        raise ImageError(
            f"{shown(path)} was not written: too little memory is free; close other programs"
        ) from error


def unreadable(path: Path | str, reason: str, kind: type[ImageError] = ImageError) -> ImageError:
    """The error for a file that opens but is no picture for us."""
    return kind(f"{shown(path)} is not a picture restorekit can read: {reason}")


def early_end(path: Path | str, length: int, missing: int = 0) -> ImageError:
    """The error for a file of `length` bytes; `missing` more were expected, 0 if unknown."""
    whole = f" of {length + missing:,}" if missing else ""
    ends = f"the file ends early (truncated at {length:,}{whole} bytes)" if length else ""
    found = ends or "it is empty (0 bytes)"
    return unreadable(path, f"{found}; copy it again from its source", CutShortError)


def _system_reason(error: OSError) -> str:
    known = _ADVICE.get(error.errno or 0)
    return known or f"{error.strerror or error}; try again or use another folder"


def _undecoded(path: Path | str, error: Exception) -> ImageError:
    """Early end or damage, from what Pillow and its decoders say."""
    words = str(error).lower()
    if "decompression bomb" in words:
        reason = "it grows beyond the limit of pixels while it is decoded"
        return unreadable(path, f"{reason}; raise the limit if you trust it")
    if "decompressed data too large" in words or "too much memory used in text" in words:
        reason = "a text or profile in it unpacks to more than 64 MiB"
        return unreadable(path, f"{reason}; remove it in another program")
    short = isinstance(error, EOFError | struct.error) or isinstance(error.__cause__, struct.error)
    if short or any(word in words for word in ("truncated", "unexpected end", "not enough")):
        with suppress(OSError):
            return early_end(path, Path(path).stat().st_size)
    reason = "its data are damaged or of an unusual kind"
    return unreadable(path, f"{reason}; open and save it in another program")
