"""Every command in the documentation exists, with its options, and prints what is shown."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import click
import pytest
from docs_pages import PAGES, ROOT, Block, blocks

import restorekit.cli
from restorekit.cli.group import cli

SHELL = ("sh", "console", "powershell")


def lines(block: Block) -> list[str]:
    """The commands of a block, without prompts, comments and output."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        return [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    parts = [part.strip() for line in text.splitlines() for part in line.split(";")]
    return [part for part in parts if part and not part.startswith("#")]


COMMANDS = [(block, line) for block in blocks(*SHELL) for line in lines(block)]
INLINE = [
    (page, found)
    for page in PAGES
    for found in re.findall(r"`((?:restorekit|make) [^`\n]+)`", page.read_text(encoding="utf-8"))
]


def words(command: str) -> list[str]:
    """The words of a command line, the program's folder taken off."""
    first, *rest = shlex.split(command.replace("\\", "/"))
    return [first.rsplit("/", 1)[-1], *rest]


@pytest.mark.usefixtures("example", "pictures")
@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=lambda value: str(value)[:60])
def test_a_command_exists(block: Block, line: str) -> None:
    program, *arguments = words(line)
    known = {"restorekit": check_ours, "make": check_make, "pip": check_pip, "bash": check_script}
    known |= {"python": check_script}
    if program in known:
        known[program](arguments)
    else:
        assert program in {"py", "pytest"}, f"{block}: what is {program}?"


@pytest.mark.usefixtures("example", "pictures")
@pytest.mark.parametrize(("page", "command"), INLINE, ids=lambda value: str(value)[-50:])
def test_a_command_in_a_sentence_exists(page: Path, command: str) -> None:
    if "<" in command or "…" in command:
        return  # a form, not a command
    program, *arguments = words(command)
    if program == "make":
        check_make(arguments)
    else:
        check_ours(arguments, whole=False)


def check_ours(arguments: list[str], whole: bool = True) -> None:
    """Every word is a command or an option; with `whole`, nothing that is needed is missing."""
    context: click.Context = click.Context(cli, info_name="restorekit", resilient_parsing=not whole)
    command: click.Command = cli
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, f"there is no command {arguments[0]!r}"
        command, arguments = found, arguments[1:]
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    for word in arguments:
        if word.startswith("-") and word not in ("-h", "--help", "--version"):
            assert word in options, f"{command.name} has no option {word}"
    if whole and not isinstance(command, click.Group):
        command.make_context(command.name, list(arguments))


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE)) | {"ARGS"}
    for word in arguments:
        assert word in targets or word.partition("=")[0] in variables, f"make knows no {word}"


def check_pip(arguments: list[str]) -> None:
    """What is installed from here is here, with its extras."""
    assert arguments[0] in ("install", "download", "wheel")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for word in arguments[1:]:
        folder, _, named = word.partition("[")
        if folder.startswith("."):
            assert (ROOT / folder / "pyproject.toml").is_file(), word
            assert all(extra in extras for extra in named.rstrip("]").split(",") if extra), word
        if word.endswith(".txt"):
            assert (ROOT / word).is_file(), word


def check_script(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).is_file(), arguments[0]


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_a_command_prints_what_is_shown(
    block: Block, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit):
            restorekit.cli.main()
        captured = capsys.readouterr()
        assert untimed(captured.out + captured.err) == untimed(shown)


def untimed(text: str) -> list[str]:
    """Lines without the seconds and the device, which no two machines share."""
    return re.sub(r"in [\d.]+ s on \w+", "in … s on …", text.strip()).splitlines()
