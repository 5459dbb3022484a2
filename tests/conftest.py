"""What `pytest -m user` ends with: the complaints about other tools, and the tests that guard
against them. Other runs end with their number."""

from __future__ import annotations

import csv
import os
import signal
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

ROWS = Path(__file__).parent / "users" / "rows.csv"
OUTCOMES = {"passed": "passed", "failed": "failed", "error": "failed", "skipped": "skipped"}
"""pytest's word for what became of a test → ours."""

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # a share of the cores each, before torch counts them
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))


def pytest_configure() -> None:
    """Ctrl-C can be tested where the tests themselves run in the background, too.

    A shell has its background jobs ignore SIGINT, and their children inherit that.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's report says which complaints it is marked with."""
    for item in items:
        ids = {mark.args[0] for mark in item.iter_markers("user")}
        item.user_properties += [("complaint", name) for name in sorted(ids)]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table where complaints alone were run, else one line."""
    guards: dict[str, Counter[str]] = defaultdict(Counter)
    tests: dict[str, list[str]] = defaultdict(list)
    for word, outcome in OUTCOMES.items():
        for report in terminalreporter.stats.get(word, ()):
            for key, name in getattr(report, "user_properties", ()):
                if key == "complaint":
                    guards[name][outcome] += 1
                    tests[name].append(report.nodeid.partition("[")[0])
    if not guards:
        return
    with ROWS.open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row["complaint"] for row in csv.DictReader(file)}
    held = [name for name in rows if guards[name]["passed"] and not guards[name]["failed"]]
    if config.option.markexpr == "user":
        terminalreporter.section("complaints about other tools", sep="-")
        for name, complaint in rows.items():
            terminalreporter.write_line(line(name, complaint, tests[name], guards[name]))
    terminalreporter.write_line(
        f"complaints about other tools: {len(held)} of {len(rows)} guarded by tests that passed here"
    )


def line(name: str, complaint: str, tests: list[str], outcomes: Counter[str]) -> str:
    """One row of the table: id, complaint, the first of its tests, what became of them."""
    named = sorted(set(tests))
    first = named[0].removeprefix("tests/") if named else "no test: see docs/design/users.md"
    more = f" (+{len(named) - 1})" if len(named) > 1 else ""
    counts = ", ".join(f"{count} {word}" for word, count in sorted(outcomes.items()) if count)
    return f"{name:4} {complaint:37} {first}{more}  {counts}".rstrip()
