"""The errors a person may see: each is one sentence saying what, where and what to do.

    RestoreError
    ├── UsageError      an option or argument is wrong
    ├── ImageError      a file cannot be read, or a picture cannot be written
    ├── ModelError      weights, or what a metric is made of, are missing, damaged or of another kind
    ├── PluginError     a plugin breaks the contract
    └── DeviceError     a processor is absent or out of memory

The library raises these; only the command line turns them into an exit code. Any other
exception is a bug.
"""

from __future__ import annotations


class RestoreError(Exception):
    """Base of every error that restorekit raises on purpose; its text is one clear sentence."""


class UsageError(RestoreError, ValueError):
    """An option or an argument is out of range or contradicts another."""


class ImageError(RestoreError):
    """A file is not a readable picture, or a picture cannot be written as asked."""


class ModelError(RestoreError):
    """Weights, or what a metric is made of, are missing, damaged, or not what is needed."""


class PluginError(RestoreError):
    """A plugin fails to load or breaks its contract."""

    def __init__(self, message: str, plugin: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin


class DeviceError(RestoreError):
    """A device is absent or has too little memory."""
