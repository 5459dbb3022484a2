"""The public API is what tests/api/surface.txt says; it is changed on purpose, or not at all."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import restorekit
import restorekit.testing
from restorekit import hookspecs

SURFACE = Path(__file__).with_name("surface.txt")


def described(name: str, value: Any) -> Iterator[str]:
    """A name with its signature or its kind, and the public parts of a class."""
    if dataclasses.is_dataclass(value):
        fields = ", ".join(
            f"{f.name}: {f.type}{'' if _needed(f) else ' = …'}" for f in dataclasses.fields(value)
        )
        yield f"{name}({fields})"
        yield from _methods(name, value)
    elif inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__)
        yield f"class {name}({bases})"
        yield from _methods(name, value)
    elif inspect.isfunction(value):
        yield f"{name}{inspect.signature(value)}".replace("'", "")
    else:
        keys = f": {', '.join(sorted(value))}" if hasattr(value, "keys") else ""
        yield f"{name}{keys}"


def _needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _methods(name: str, value: type) -> Iterator[str]:
    for own, member in sorted(vars(value).items()):
        if not own.startswith("_") and inspect.isfunction(member):
            yield f"  {name}.{own}{inspect.signature(member)}".replace("'", "")
        elif not own.startswith("_") and isinstance(member, property):
            yield f"  {name}.{own}"


def surface() -> str:
    """Every public name, a line each."""
    parts = {"restorekit": restorekit, "restorekit.testing": restorekit.testing}
    lines = []
    for module, package in parts.items():
        for name in sorted(package.__all__):
            if name != "__version__":
                lines += described(f"{module}.{name}", getattr(package, name))
    hooks = {n: f for n, f in vars(hookspecs).items() if n.startswith("restorekit_")}
    for name, function in sorted(hooks.items()):
        lines += described(name, function)
    return "\n".join(lines) + "\n"


def test_the_surface_is_the_one_agreed_on() -> None:
    wanted = SURFACE.read_text(encoding="utf-8").splitlines()
    found = surface().splitlines()
    gone = [line for line in wanted if line not in found]
    new = [line for line in found if line not in wanted]
    assert (gone, new) == ([], []), (
        "the public API has changed; if it was meant, say so in CHANGELOG.md, keep the rules of "
        "docs/plugins.md (Versions), and write the new lines into tests/api/surface.txt"
    )


def test_a_name_that_goes_is_seen() -> None:
    assert "restorekit.UsageError" in surface()
    assert "restorekit_condition(plan: Plan, box: Box) -> Condition" in surface()
    assert "restorekit.Plan(size: tuple[int, int], note: " in surface()
