"""Loading and isolating plugins.

Entry points in the group `restorekit.tasks` name commands; those in `restorekit.addons` take part in
every run. A plugin that cannot be used is named with its version and the reason, and everything else
works.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy

import restorekit.hookspecs as hookspecs
from restorekit.contract import wrong_answer
from restorekit.errors import PluginError, RestoreError, UsageError
from restorekit.hookspecs import hookimpl
from restorekit.listing import ADDONS as ADDONS
from restorekit.listing import TASKS as TASKS
from restorekit.listing import Listing as Listing
from restorekit.listing import listings as listings
from restorekit.listing import tasks as tasks
from restorekit.task import SPEC_VERSION, Plan, Task

COMMANDS = frozenset(
    {"compare", "demo", "doctor", "evaluate", "models", "plugins", "schedules", "train"}
)
"""restorekit's own commands, whose names no task can have."""

_DEFAULTS = "restorekit defaults"


class _Defaults:
    """What a task that leaves an optional hook out gets."""

    @hookimpl(trylast=True)
    def restorekit_correct(self, plan: Plan, x0_hat: Any) -> Any:  # noqa: ARG002
        return x0_hat

    @hookimpl(trylast=True)
    def restorekit_finish(self, plan: Plan, x0: Any) -> Any:  # noqa: ARG002
        return x0


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
        raise PluginError(
            f"{both} both want the command {name!r}; uninstall or rename one of them", name
        )
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

    @property
    def is_default(self) -> bool:
        """Whether nobody has this hook but restorekit, which leaves all as it is."""
        return all(impl.plugin_name == _DEFAULTS for impl in self.get_hookimpls())

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
    return SimpleNamespace(**{n: Hook(_caller(manager, n, listing), listing) for n in names})


def _caller(manager: pluggy.PluginManager, name: str, listing: Listing) -> Any:
    """One hook: without its default where the task has its own, whose missing `return` would otherwise
    be taken for the wish to have the default."""
    caller = getattr(manager.hook, name)
    own = any(
        impl.plugin_name == str(listing) and not (impl.wrapper or impl.hookwrapper)
        for impl in caller.get_hookimpls()
    )
    return manager.subset_hook_caller(name, [manager.get_plugin(_DEFAULTS)]) if own else caller


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
        plugin = listing.load()
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
    hooks = [name for name in dir(hookspecs) if name.startswith("restorekit_")]
    for name in dir(plugin):
        specification = getattr(hookspecs, name, None)
        function = getattr(plugin, name, None)
        if not name.startswith("restorekit_") or not callable(function):
            continue
        marks = getattr(function, "restorekit_impl", None)
        if specification is None and marks and not (marks["optionalhook"] or marks["specname"]):
            like = difflib.get_close_matches(name, hooks, 1)
            meant = (
                f"; did its author mean {like[0]}?"
                if like
                else f"; the hooks are {', '.join(hooks)}"
            )
            raise PluginError(f"plugin {label}: there is no hook {name}{meant}", label)
        if specification is None:
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
        source = "file" if listing.is_file else "entry point"
        raise PluginError(
            f"plugin {listing}: its task is named {task.name!r}, its {source} {listing.name!r}; name "
            "them alike",
            listing.name,
        )
    if task.name in COMMANDS:
        raise PluginError(
            f"plugin {listing} wants the command {task.name!r}, which is restorekit's own; its "
            "author must rename it",
            listing.name,
        )
    if is_taken_in_python(task.name.replace("-", "_")):
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


def is_taken_in_python(name: str) -> bool:
    """Whether `restorekit.<name>` means something else than a task."""
    import restorekit

    return name in restorekit.__all__ or bool(importlib.util.find_spec(f"restorekit.{name}"))


def models() -> tuple[dict[str, Path], tuple[str, ...]]:
    """(every installed model by name, one sentence for each plugin that could not be asked, and for each
    model that has the name of another: restorekit's own comes first, and a task its own model)."""
    found: dict[str, tuple[Listing, Path]] = {}
    answers, problems = _asked(lambda hooks: hooks.restorekit_models)
    clashes = []
    for listing, answer in sorted(answers, key=lambda pair: pair[0].distribution != "restorekit"):
        for name, path in answer.items():
            other, taken = found.setdefault(name, (listing, path))
            if other != listing and taken != path:
                clashes.append(
                    f"plugin {listing}: its model {name!r} has the name of one of {other}, which is "
                    "taken; its author must rename it"
                )
    return {name: path for name, (_, path) in found.items()}, (*problems, *clashes)


def metrics() -> tuple[dict[str, Any], tuple[str, ...]]:
    """(every metric that a plugin adds, by name; one sentence for each plugin that could not be asked).

    Raises PluginError where two plugins add one name.
    """
    found: dict[str, Any] = {}
    answers, problems = _asked(lambda hooks: hooks.restorekit_metrics)
    for listing, answer in answers:
        for metric in answer:
            if metric.name in found:
                both = f"{found[metric.name].by} and {listing}"
                raise PluginError(
                    f"{both} both add the metric {metric.name!r}; uninstall one of them"
                )
            found[metric.name] = replace(metric, by=str(listing))
    return found, problems


def _asked(
    named: Callable[[Any], Any],
) -> tuple[list[tuple[Listing, Any]], tuple[str, ...]]:
    """(the answers of every plugin to a hook without arguments, why others could not be asked)."""
    answers: list[tuple[Listing, Any]] = []
    problems: list[str] = []
    for listing in listings():
        try:
            manager = _manager()
            _register(manager, listing)
            answers += [(listing, answer) for answer in Hook(named(manager.hook), listing)()]
        except RestoreError as error:
            problems.append(str(error))
    return answers, tuple(problems)
