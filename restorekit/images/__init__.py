"""The border between files and float planes: pictures in, pictures out, nothing lost.

Knows Pillow and numpy, no torch. Names load on first use, so that
`restorekit.images.formats` costs neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorekit.images.alpha import premultiply, visible
    from restorekit.images.arrays import from_array, to_like
    from restorekit.images.formats import check_size, format_for, is_image_suffix
    from restorekit.images.picture import Header, Metadata, Picture, quantise
    from restorekit.images.provenance import Provenance, strip, with_provenance
    from restorekit.images.reader import frames, probe, read
    from restorekit.images.writer import write, write_frames

_HOME = {
    "Header": "picture",
    "Metadata": "picture",
    "Picture": "picture",
    "Provenance": "provenance",
    "check_size": "formats",
    "format_for": "formats",
    "frames": "reader",
    "from_array": "arrays",
    "is_image_suffix": "formats",
    "premultiply": "alpha",
    "probe": "reader",
    "quantise": "picture",
    "read": "reader",
    "strip": "provenance",
    "to_like": "arrays",
    "visible": "alpha",
    "with_provenance": "provenance",
    "write": "writer",
    "write_frames": "writer",
}

__all__ = [
    "Header",
    "Metadata",
    "Picture",
    "Provenance",
    "check_size",
    "format_for",
    "frames",
    "from_array",
    "is_image_suffix",
    "premultiply",
    "probe",
    "quantise",
    "read",
    "strip",
    "to_like",
    "visible",
    "with_provenance",
    "write",
    "write_frames",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
