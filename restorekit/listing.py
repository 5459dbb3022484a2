"""What is installed, known without importing it: entry points, and plain files named for one run."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

TASKS, ADDONS = "restorekit.tasks", "restorekit.addons"
FILES = "RESTOREKIT_PLUGIN_FILES"
"""The environment variable that names plain files, apart as in PATH; workers inherit it."""


@dataclass(frozen=True)
class Listing:
    """A plugin, known without importing it.

    target: of its entry point, or the path of a plain file. Such a file's distribution is its name, and
    its version says what is in it.
    """

    name: str
    group: str
    distribution: str
    version: str
    target: str

    def load(self) -> Any:
        """The plugin's module or object; whatever its import raises."""
        if self.is_file:
            return _module(Path(self.target))
        return metadata.EntryPoint(self.name, self.target, self.group).load()

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return Path(self.target).is_absolute()

    @property
    def kind(self) -> str:
        """ "task" or "add-on"."""
        return "add-on" if self.group == ADDONS else "task"

    @property
    def summary(self) -> str:
        """First line of the plugin module's docstring, read as text; "" where there is none."""
        try:
            source = Path(self.target) if self.is_file else _source(self.target)
            documented = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
        except (ImportError, OSError, SyntaxError, ValueError):
            return ""
        return documented.splitlines()[0].rstrip(".") if documented else ""

    def __str__(self) -> str:
        kind = "add-on of " if self.group == ADDONS else ""
        return f"{self.name} ({kind}{self.distribution} {self.version})"


@lru_cache(maxsize=1)
def listings() -> tuple[Listing, ...]:
    """Every installed plugin and plain file, sorted by group and name; those named in
    RESTOREKIT_DISABLE_PLUGINS (comma-separated) are left out, and where RESTOREKIT_PLUGINS is set all
    installed ones but those it names and restorekit's own. One version of a distribution counts once."""
    disabled, allowed = _named("RESTOREKIT_DISABLE_PLUGINS") or (), _named("RESTOREKIT_PLUGINS")
    found: dict[tuple[str, str, str], Listing] = {}
    for entry in _entries():
        distribution, version = _origin(entry)
        welcome = allowed is None or entry.name in allowed or distribution == "restorekit"
        if welcome and entry.name not in disabled:
            listing = Listing(entry.name, entry.group, distribution, version, entry.value)
            found.setdefault((entry.group, entry.name, distribution), listing)
    for listing in map(_plain, _files()):
        if listing.name not in disabled:
            found[listing.group, listing.name, listing.target] = listing
    return tuple(found[key] for key in sorted(found))


def _named(variable: str) -> set[str] | None:
    """The comma-separated names in an environment variable; None where it is not set."""
    value = os.environ.get(variable)
    return None if value is None else {name.strip() for name in value.split(",")}


def _entries() -> Iterator[metadata.EntryPoint]:
    """The entry points of both groups, the first on the path first."""
    try:
        every = metadata.entry_points()
        yield from (*every.select(group=TASKS), *every.select(group=ADDONS))
    except Exception:  # one distribution's damaged metadata must not hide the others
        for distribution in metadata.distributions():
            try:
                entries = tuple(distribution.entry_points)
            except Exception:
                continue
            yield from (entry for entry in entries if entry.group in (TASKS, ADDONS))


def add_file(path: Path) -> None:
    """Have a plain file among the plugins of this process and those it starts.

    Its name is the command, with dashes for underscores; a file without restorekit_task is an add-on.
    """
    os.environ[FILES] = os.pathsep.join([*map(str, _files()), str(path.resolve())])
    listings.cache_clear()


def _files() -> list[Path]:
    named = os.environ.get(FILES, "").split(os.pathsep)
    return [Path(path).resolve() for path in named if path]


def _plain(path: Path) -> Listing:
    try:
        content = path.read_bytes()
    except OSError:
        content = b""  # loading it says why
    group = TASKS if b"def restorekit_task(" in content or not content else ADDONS
    version = hashlib.sha256(content).hexdigest()[:8]
    return Listing(path.stem.replace("_", "-"), group, path.name, version, str(path))


def _module(path: Path) -> Any:
    """A plain file's module, run once, with nothing written beside it; its name is no other's."""
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        module = sys.modules[name] = ModuleType(name)
        module.__file__ = str(path)
        try:
            exec(compile(path.read_bytes(), path, "exec"), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _origin(entry: metadata.EntryPoint) -> tuple[str, str]:
    """(distribution, version) of an entry point, "?" where its metadata does not say."""
    try:
        return entry.dist.name or "?", entry.dist.version or "?"  # type: ignore[union-attr]
    except Exception:
        return "?", "?"


def tasks() -> dict[str, list[Listing]]:
    """Command name → the plugins that want it; more than one is an error when it is called."""
    named: dict[str, list[Listing]] = {}
    for listing in listings():
        if listing.group == TASKS:
            named.setdefault(listing.name, []).append(listing)
    return named


def _source(target: str) -> Path:
    """The file of an entry point's module; ImportError where there is none."""
    module = target.partition(":")[0].strip()
    specification = importlib.util.find_spec(module.partition(".")[0])
    if specification is None or specification.origin is None:
        raise ImportError(module)
    origin = Path(specification.origin)
    parts = module.split(".")[1:]
    if parts:
        base = origin.parent.joinpath(*parts)
        origin = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    return origin
