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
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy

import restorekit.hookspecs as hookspecs
from restorekit.contract import wrong_answer
from restorekit.errors import PluginError, RestoreError, UsageError
from restorekit.hookspecs import hookimpl
from restorekit.task import SPEC_VERSION, Plan, Task

TASKS, ADDONS = "restorekit.tasks", "restorekit.addons"
COMMANDS = frozenset(
    {"compare", "demo", "doctor", "evaluate", "models", "plugins", "schedules", "train"}
)
"""restorekit's own commands, whose names no task can have."""

_DEFAULTS = "restorekit defaults"


@dataclass(frozen=True)
class Listing:
    """An installed plugin, known without importing it."""

    name: str
    group: str
    distribution: str
    version: str
    target: str

    @property
    def kind(self) -> str:
        """ "task" or "add-on"."""
        return "add-on" if self.group == ADDONS else "task"

    @property
    def summary(self) -> str:
        """First line of the plugin module's docstring, read as text; "" where there is none."""
        return _summary(self.target)

    def __str__(self) -> str:
        kind = "add-on of " if self.group == ADDONS else ""
        return f"{self.name} ({kind}{self.distribution} {self.version})"


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
    (comma-separated) are left out, and where RESTOREKIT_PLUGINS is set all but those it names and
    restorekit's own. One version of a distribution counts once."""
    disabled, allowed = _named("RESTOREKIT_DISABLE_PLUGINS") or (), _named("RESTOREKIT_PLUGINS")
    found: dict[tuple[str, str, str], Listing] = {}
    for entry in _entries():
        distribution, version = _origin(entry)
        welcome = allowed is None or entry.name in allowed or distribution == "restorekit"
        if welcome and entry.name not in disabled:
            listing = Listing(entry.name, entry.group, distribution, version, entry.value)
            found.setdefault((entry.group, entry.name, distribution), listing)
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


@dataclass(frozen=True)
class LoadedTask:
    """A task ready to run: its declaration, its hooks (and the add-ons'), and where it comes from."""

    task: Task
    hooks: Any  # its attributes are the hooks of `restorekit.hookspecs`, each a `Hook`
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
    return LoadedTask(task, _guarded(manager, candidates[0]), candidates[0], tuple(problems))


def check(listing: Listing) -> None:
    """Load one plugin as a run would; PluginError, naming it, where it cannot be used."""
    if listing.group == TASKS:
        load(listing.name)
    else:
        _register(_manager(), listing)


def hooks_of(listing: Listing) -> tuple[str, ...]:
    """The hooks that one plugin implements; PluginError, naming it, where it cannot be used."""
    manager = _manager()
    _register(manager, listing)
    names = (name for name in vars(hookspecs) if name.startswith("restorekit_"))
    implementations = {n: getattr(manager.hook, n).get_hookimpls() for n in names}
    return tuple(
        name
        for name, found in implementations.items()
        if any(impl.plugin_name == str(listing) for impl in found)
    )


@dataclass(frozen=True)
class Hook:
    """One hook of a run, a plain call. Whatever goes wrong inside becomes a PluginError that names
    the plugin, its version, the hook and the reason; so does an answer that breaks the contract.
    """

    caller: Any  # pluggy's HookCaller
    listing: Listing

    def __call__(self, **arguments: Any) -> Any:
        """The hook's answer."""
        name = self.caller.name
        try:
            answer = self.caller(**arguments)
        except (RestoreError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            if _out_of_memory(error):
                raise
            raise PluginError(
                f"plugin {self._culprit(error)} fails in {name}: {_reason(error)}; tell its author "
                "(RESTOREKIT_DEBUG=1 shows where)",
                self.listing.name,
            ) from error
        wrong = wrong_answer(name, answer, arguments)
        if wrong:
            involved = " or ".join([str(self.listing), *self._addons()])
            raise PluginError(f"plugin {involved}: {name} {wrong}", self.listing.name)
        return answer

    def get_hookimpls(self) -> list[Any]:
        """pluggy's records of the implementations."""
        return self.caller.get_hookimpls()

    def _culprit(self, error: BaseException) -> str:
        """The plugin whose implementation lies innermost in the traceback."""
        codes = {_code(impl.function): impl.plugin_name for impl in self.get_hookimpls()}
        frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
        return next((codes[c] for c in reversed(frames) if c in codes), str(self.listing))

    def _addons(self) -> list[str]:
        """The add-ons that take part in this hook and may have changed its answer."""
        names = [impl.plugin_name for impl in self.get_hookimpls()]
        return [n for n in names if n not in (str(self.listing), _DEFAULTS)]


def _guarded(manager: pluggy.PluginManager, listing: Listing) -> Any:
    names = [name for name in vars(hookspecs) if name.startswith("restorekit_")]
    return SimpleNamespace(**{n: Hook(getattr(manager.hook, n), listing) for n in names})


def _code(function: Any) -> Any:
    return getattr(inspect.unwrap(function), "__code__", function)


def _reason(error: BaseException) -> str:
    """An exception in one line: its type and the first line of what it says."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}".rstrip(": ")


def _out_of_memory(error: BaseException) -> bool:
    from restorekit.device import is_out_of_memory  # torch: loaded already where hooks compute

    return is_out_of_memory(error)


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("restorekit")
    manager.add_hookspecs(hookspecs)
    manager.register(_Defaults(), _DEFAULTS)
    return manager


def _register(manager: pluggy.PluginManager, listing: Listing) -> None:
    try:
        plugin = metadata.EntryPoint(listing.name, listing.target, listing.group).load()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginError(
            f"plugin {listing} cannot be loaded: {_reason(error)}", listing.name
        ) from error
    check_signatures(plugin, str(listing))
    try:
        manager.register(plugin, str(listing))
        manager.check_pending()
    except Exception as error:
        if manager.get_name(plugin) == str(listing):
            manager.unregister(plugin)  # else its other hooks would still take part
        reason = " ".join(str(error).split())
        raise PluginError(
            f"plugin {listing} breaks the contract: {reason}", listing.name
        ) from error


def check_signatures(plugin: object, label: str) -> None:
    """Refuse a hook with an argument that is none of its own, or that has a default value, which
    pluggy would never fill.

    Raises PluginError with the signature found and the one expected.
    """
    for name in dir(plugin):
        specification = getattr(hookspecs, name, None)
        function = getattr(plugin, name, None)
        if not name.startswith("restorekit_") or not callable(function) or specification is None:
            continue
        found, expected = (
            f"{name}{inspect.signature(function)}",
            f"{name}{inspect.signature(specification)}",
        )
        known = inspect.signature(specification).parameters
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name not in known and parameter.name != "self":
                raise PluginError(
                    f"plugin {label}: {found} has the argument {parameter.name!r}, which the hook has "
                    f"not; the hook is {expected}",
                    label,
                )
            if parameter.default is not inspect.Parameter.empty:
                raise PluginError(
                    f"plugin {label}: argument {parameter.name!r} of {name} has a default value and "
                    f"would never be given; the hook is {expected}",
                    label,
                )


def _declaration(manager: pluggy.PluginManager, listing: Listing) -> Task:
    try:
        task = Hook(manager.hook.restorekit_task, listing)()
    except UsageError as error:  # of a Task or an Option that contradicts itself
        raise PluginError(
            f"plugin {listing} declares a wrong task: {error}", listing.name
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
    if task.name in COMMANDS:
        raise PluginError(
            f"plugin {listing} wants the command {task.name!r}, which is restorekit's own; its "
            "author must rename it",
            listing.name,
        )
    if _is_taken_in_python(task.name.replace("-", "_")):
        raise PluginError(
            f"plugin {listing} wants the Python name restorekit.{task.name.replace('-', '_')}, which "
            "is restorekit's own; its author must rename it",
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


def _is_taken_in_python(name: str) -> bool:
    """Whether `restorekit.<name>` means something else than a task."""
    import restorekit

    return name in restorekit.__all__ or bool(importlib.util.find_spec(f"restorekit.{name}"))


def models() -> tuple[dict[str, Path], tuple[str, ...]]:
    """(every installed model by name, one sentence for each plugin that could not be asked)."""
    found: dict[str, Path] = {}
    problems: list[str] = []
    for listing in listings():
        try:
            manager = _manager()
            _register(manager, listing)
            for answer in Hook(manager.hook.restorekit_models, listing)():
                found |= {name: path for name, path in answer.items() if name not in found}
        except RestoreError as error:
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
