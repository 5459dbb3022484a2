"""Finding, loading and isolating plugins.

Entry points in the group `restorekit.tasks` name commands; those in `restorekit.addons` take part in
every run. Listing them imports none of them: a summary is read from the first line of the plugin
module's docstring, as text. A plugin that cannot be used is named with its version and the reason,
and everything else works.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

import restorekit.hookspecs as hookspecs
from restorekit.errors import PluginError
from restorekit.hookspecs import hookimpl
from restorekit.task import SPEC_VERSION, Plan, Task

TASKS, ADDONS = "restorekit.tasks", "restorekit.addons"


@dataclass(frozen=True)
class Listing:
    """An installed plugin, known without importing it."""

    name: str
    group: str
    distribution: str
    version: str
    target: str

    @property
    def summary(self) -> str:
        """First line of the plugin module's docstring, read as text; "" where there is none."""
        return _summary(self.target)

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class _Defaults:
    """What a task that leaves an optional hook out gets."""

    @hookimpl(trylast=True)
    def restorekit_correct(self, plan: Plan, x0_hat: Any) -> Any:  # noqa: ARG002
        return x0_hat

    @hookimpl(trylast=True)
    def restorekit_finish(self, plan: Plan, x0: Any) -> Any:  # noqa: ARG002
        return x0


@lru_cache(maxsize=1)
def listings() -> tuple[Listing, ...]:
    """Every installed plugin, sorted by group and name; those named in RESTOREKIT_DISABLE_PLUGINS
    (comma-separated) are left out, and one version of a distribution counts once."""
    disabled = set(os.environ.get("RESTOREKIT_DISABLE_PLUGINS", "").split(","))
    found = {}
    for group in (TASKS, ADDONS):
        for entry in metadata.entry_points(group=group):
            distribution = entry.dist.name if entry.dist else "?"
            version = entry.dist.version if entry.dist else "?"
            if entry.name not in disabled:
                listing = Listing(entry.name, group, distribution, version, entry.value)
                found[group, entry.name, distribution] = listing
    return tuple(found[key] for key in sorted(found))


def tasks() -> dict[str, list[Listing]]:
    """Command name → the plugins that want it; more than one is an error when it is called."""
    named: dict[str, list[Listing]] = {}
    for listing in listings():
        if listing.group == TASKS:
            named.setdefault(listing.name, []).append(listing)
    return named


@dataclass(frozen=True)
class LoadedTask:
    """A task ready to run: its declaration, its hooks (and the add-ons'), and where it comes from."""

    task: Task
    hooks: Any  # pluggy's HookRelay: its attributes are the hooks of `restorekit.hookspecs`
    listing: Listing
    problems: tuple[str, ...]  # add-ons that could not be used, one sentence each


def load(name: str) -> LoadedTask:
    """Load one task's plugin and the add-ons.

    Raises PluginError, naming the plugin, its version and the reason, where the task's own plugin
    cannot be used; an add-on that cannot be used becomes one of `problems`, or an error where
    RESTOREKIT_STRICT=1.
    """
    candidates = tasks().get(name, [])
    if not candidates:
        known = ", ".join(sorted(tasks())) or "none"
        raise PluginError(f"no installed plugin brings the task {name!r}; installed tasks: {known}")
    if len(candidates) > 1:
        both = " and ".join(str(candidate) for candidate in candidates)
        raise PluginError(f"{both} both want the command {name!r}; uninstall one of them", name)
    manager = _manager()
    _register(manager, candidates[0])
    task = _declaration(manager, candidates[0])
    problems = []
    for listing in listings():
        if listing.group == ADDONS:
            try:
                _register(manager, listing)
            except PluginError as error:
                if os.environ.get("RESTOREKIT_STRICT") == "1":
                    raise
                problems.append(str(error))
    return LoadedTask(task, manager.hook, candidates[0], tuple(problems))


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("restorekit")
    manager.add_hookspecs(hookspecs)
    manager.register(_Defaults(), "restorekit defaults")
    return manager


def _register(manager: pluggy.PluginManager, listing: Listing) -> None:
    try:
        plugin = metadata.EntryPoint(listing.name, listing.target, listing.group).load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
        raise PluginError(f"plugin {listing} cannot be loaded: {reason}", listing.name) from error
    check_signatures(plugin, str(listing))
    try:
        manager.register(plugin, listing.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PluginError(
            f"plugin {listing} breaks the contract: {reason}", listing.name
        ) from error


def check_signatures(plugin: object, label: str) -> None:
    """Refuse a hook whose argument has a default value, which pluggy would never fill.

    Raises PluginError with the function, the argument and the signature expected.
    """
    for name in dir(plugin):
        specification = getattr(hookspecs, name, None)
        function = getattr(plugin, name, None)
        if not name.startswith("restorekit_") or not callable(function) or specification is None:
            continue
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not inspect.Parameter.empty:
                expected = f"{name}{inspect.signature(specification)}"
                raise PluginError(
                    f"plugin {label}: argument {parameter.name!r} of {name} has a default value and "
                    f"would never be given; the hook is {expected}",
                    label,
                )


def _declaration(manager: pluggy.PluginManager, listing: Listing) -> Task:
    try:
        task = manager.hook.restorekit_task()
    except Exception as error:
        raise PluginError(
            f"plugin {listing}: restorekit_task fails: {error}", listing.name
        ) from error
    if not isinstance(task, Task):
        seen = type(task).__name__
        raise PluginError(
            f"plugin {listing}: restorekit_task returns {seen}, not a restorekit.Task", listing.name
        )
    if task.name != listing.name:
        raise PluginError(
            f"plugin {listing}: its task is named {task.name!r}, its entry point {listing.name!r}",
            listing.name,
        )
    if task.spec > SPEC_VERSION:
        raise PluginError(
            f"plugin {listing} is written for hook specification {task.spec} and this restorekit has "
            f"{SPEC_VERSION}; upgrade restorekit",
            listing.name,
        )
    for needed in ("restorekit_prepare", "restorekit_condition"):
        if not getattr(manager.hook, needed).get_hookimpls():
            raise PluginError(f"plugin {listing} has no {needed}, which a task needs", listing.name)
    return task


def models() -> tuple[dict[str, Path], tuple[str, ...]]:
    """(every installed model by name, one sentence for each plugin that could not be asked)."""
    found: dict[str, Path] = {}
    problems: list[str] = []
    for listing in listings():
        manager = _manager()
        try:
            _register(manager, listing)
            answers: Iterable[Mapping[str, Path]] = manager.hook.restorekit_models()
            for answer in answers:
                found.update(answer)
        except Exception as error:
            problems.append(str(error))
    return found, tuple(problems)


def _summary(target: str) -> str:
    module = target.partition(":")[0].strip()
    try:
        specification = importlib.util.find_spec(module.partition(".")[0])
        if specification is None or specification.origin is None:
            return ""
        origin = Path(specification.origin)
        parts = module.split(".")[1:]
        if parts:
            base = origin.parent.joinpath(*parts)
            origin = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        documented = ast.get_docstring(ast.parse(origin.read_text(encoding="utf-8")))
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    return documented.splitlines()[0].rstrip(".") if documented else ""
