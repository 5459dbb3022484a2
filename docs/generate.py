"""Writes the parts of the documentation that the code already says.

`python docs/generate.py` writes them; `--check` only tells which are out of date, and exits with 1.
cli.md is written whole; in other pages the text between `<!-- generated: NAME -->` and
`<!-- /generated -->` is.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from restorekit import errors, hookspecs, plugins, scaffold
from restorekit.cli.group import cli
from restorekit.engine.unet import UNetConfig
from restorekit.jobs.settings import COMMON_OPTIONS
from restorekit.task import Option, Task
from restorekit.testing.examination import LOADING, PROMISES
from restorekit.training.recipe import Draw, Perceptual, Recipe

DOCS = Path(__file__).resolve().parent
README = DOCS.parent / "README.md"
EXAMPLE = DOCS / "examples" / "dejpeg"
PACKAGE = scaffold.MODEL
RECIPES = DOCS / "examples" / "cookbook"


def own_tasks() -> list[Task]:
    """The tasks that come with restorekit."""
    return [plugins.load(name).task for name in sorted(plugins.tasks())]


def without_others() -> None:
    """Leave out what else is installed here: the documentation is restorekit's own."""
    others = {entry.name for entry in plugins.listings() if entry.distribution != "restorekit"}
    os.environ["RESTOREKIT_DISABLE_PLUGINS"] = ",".join(sorted(others))
    plugins.listings.cache_clear()


def command_line() -> str:
    """cli.md: the help of every command."""
    parts = [
        "# Command line",
        "",
        "What `--help` prints, command by command. This page is written by `docs/generate.py`.",
    ]
    for words in commands():
        name = " ".join(["restorekit", *words])
        parts += ["", f"## {name}", "", "```text", help_of(words), "```"]
    return "\n".join(parts) + "\n"


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command: of the program, its tasks, the others, their own."""
    yield ()
    context = click.Context(cli)
    for name in cli.list_commands(context):
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.list_commands(context))


def help_of(words: Iterable[str]) -> str:
    """What a command prints for --help on a terminal of 80 columns."""
    runner = CliRunner(env={"COLUMNS": "80"})
    result = runner.invoke(cli, [*words, "--help"], prog_name="restorekit")
    if result.exit_code != 0:
        raise RuntimeError(result.output)
    return "\n".join(line.rstrip() for line in result.output.rstrip().splitlines())


def options(task: Task) -> str:
    """A table of a task's options, those that every task has last."""
    rows = ["| option | default | meaning |", "|---|---|---|"]
    rows += [f"| `{companion.name}` |  | {companion.help} |" for companion in task.companions]
    common = [
        o for o in COMMON_OPTIONS if len(task.looks) > 1 or o.name not in ("look", "fidelity")
    ]
    for option in (*task.options, *common):
        default = "" if option.default is None else f"`{option.default!r}`"
        rows.append(f"| `{option.name}` | {default} | {option.help}{_range(option)} |")
    return "\n".join(rows)


def _range(option: Option) -> str:
    if option.choices:
        return f" One of {', '.join(option.choices)}."
    if option.maximum < 1e9:
        low = "Above" if option.open_minimum else "From"
        return f" {low} {option.minimum:g} to {option.maximum:g}."
    return ""


def entries(kind: type) -> str:
    """A table of what a part of a recipe may say: its fields, as the class's docstring explains them."""
    described = dict(
        re.findall(r"^(\w+): (.*(?:\n    .*)*)", inspect.getdoc(kind) or "", re.MULTILINE)
    )
    rows = ["| entry | default | meaning |", "|---|---|---|"]
    for entry in dataclasses.fields(kind):
        default = "" if entry.default is dataclasses.MISSING else f"`{_toml(entry.default)}`"
        meaning = " ".join(described[entry.name].split())
        rows.append(f"| `{entry.name}` | {default.replace('``', '')} | {meaning} |")
    return "\n".join(rows)


def _toml(value: object) -> str:
    """A default as a recipe would say it; nothing for None."""
    if value is None:
        return ""
    return str(list(value)) if isinstance(value, tuple) else json.dumps(value)


def hooks() -> str:
    """Each hook with its signature and what its specification says."""
    parts = []
    for name, function in vars(hookspecs).items():
        if name.startswith("restorekit_"):
            documented = inspect.getdoc(function) or ""
            if not called(name):
                documented += "\n\nNothing in this version calls it."
            parts.append(f"### {name}\n\n```text\n{signature(name, function)}\n```\n\n{documented}")
    return "\n\n".join(parts)


def called(hook: str) -> bool:
    """Whether anything in the library calls a hook."""
    package = Path(hookspecs.__file__).parent
    call = re.compile(rf"\.{hook}\b")
    return any(call.search(file.read_text(encoding="utf-8")) for file in package.rglob("*.py"))


def signature(name: str, function: object) -> str:
    """The signature of a hook, as it is written."""
    return f"{name}{inspect.signature(function)}".replace("'", "")  # type: ignore[arg-type]


def error_table() -> str:
    """The errors that the library raises."""
    rows = ["| error | when |", "|---|---|"]
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            rows.append(f"| `{name}` | {(inspect.getdoc(value) or '').splitlines()[0]} |")
    return "\n".join(rows)


def promises() -> str:
    """What `restorekit plugins check` tries, and where it is explained."""
    rows = ["| promise | says | explained in |", "|---|---|---|"]
    rows += [f"| {p.name} | {p.says} | {p.read} |" for p in (LOADING, *PROMISES)]
    return "\n".join(rows)


def piece(path: Path, first: str = "", last: str = "") -> str:
    """The lines of a module from one name's definition to the end of another's, as a fenced block.

    Without `first` from the beginning, and then until `last` begins.
    """
    text = path.read_text(encoding="utf-8")
    spans = {}
    for node in ast.parse(text).body:
        name = getattr(node, "name", "") or ast.unparse(getattr(node, "targets", [ast.Name("")])[0])
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        spans[name] = start, node.end_lineno
    start = spans[first][0] if first else 1
    end = spans[last or first][1] if first else spans[last][0] - 1
    return f"```python\n{chr(10).join(text.splitlines()[start - 1 : end]).rstrip()}\n```"


def section(text: str, name: str, body: str) -> str:
    """A page with one generated part replaced; ValueError where the page has no such part."""
    pattern = re.compile(
        rf"(<!-- generated: {re.escape(name)} -->\n).*?(<!-- /generated -->)", re.DOTALL
    )
    if not pattern.search(text):
        raise ValueError(f"no part {name!r}")
    return pattern.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", text)


def pages() -> dict[Path, str]:
    """Every page that has generated parts, as it should be."""
    without_others()
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in (
            README,
            *(
                DOCS / f"{name}.md"
                for name in ("python", "plugins", "write-a-plugin", "cookbook", "train")
            ),
        )
    }

    def put(page: Path, name: str, body: str) -> None:
        texts[page] = section(texts[page], name, body)

    for task in own_tasks():
        put(DOCS / "python.md", f"restorekit.{task.name.replace('-', '_')}", options(task))
    put(DOCS / "python.md", "errors", error_table())
    module = block("python", EXAMPLE / "restorekit_dejpeg" / "__init__.py")
    put(README, "example", module)
    put(DOCS / "plugins.md", "example", module)
    put(DOCS / "plugins.md", "distribution", block("toml", EXAMPLE / "pyproject.toml"))
    put(DOCS / "plugins.md", "hooks", hooks())
    put(DOCS / "plugins.md", "promises", promises())
    task, tests = (next(PACKAGE.glob(f"{name}/*.py")) for name in ("restorekit_*", "tests"))
    pieces = {
        "imports": (task, "", "TASK"),
        "declaration": (task, "TASK", "restorekit_task"),
        "prepare": (task, "restorekit_prepare"),
        "condition": (task, "restorekit_condition"),
        "degrade": (task, "restorekit_degrade"),
        "functions": (task, "TALL", "rained_on"),
        "test": (tests, "test_it_keeps_the_contract"),
    }
    for name, place in pieces.items():
        put(DOCS / "write-a-plugin.md", name, piece(*place))
    parts = {"recipe": Recipe, "draws": Draw, "network": UNetConfig, "perceptual": Perceptual}
    for name, kind in parts.items():
        put(DOCS / "train.md", name, entries(kind))
    for path in sorted((DOCS / "examples" / "training").glob("*.toml")):
        put(DOCS / "train.md", path.stem, block("toml", path))
    for recipe in sorted(RECIPES.glob("*.py")):
        put(DOCS / "cookbook.md", recipe.stem, block("python", recipe))
    return {DOCS / "cli.md": command_line(), **texts}


def block(language: str, path: Path) -> str:
    """A file as a fenced block."""
    return f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"


def main() -> int:
    """Write what changed, or with --check only tell."""
    stale, checking = 0, "--check" in sys.argv
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale += 1
            state = "out of date" if checking else "written"
            print(f"{state}: {path.relative_to(DOCS.parent).as_posix()}")
            if not checking:
                path.write_text(text, encoding="utf-8")
    return int(stale > 0 and checking)


if __name__ == "__main__":
    sys.exit(main())
