"""`restorekit models`: what is installed, what it was made from, whether it is whole; means."""

from __future__ import annotations

import json
from pathlib import Path

import click

from restorekit.cli.paths import PLACE, Place
from restorekit.errors import RestoreError


@click.group(name="models")
def command() -> None:
    """List, show, verify and average weights."""


@command.command(name="list")
def list_models() -> None:
    """Every installed model: name, task, looks, size."""
    from restorekit import plugins
    from restorekit.models import store

    found, problems = plugins.models()
    for name, path in sorted(found.items()):
        try:
            card = store.read_card(path)
        except RestoreError as error:
            click.echo(f"{name:16} unusable: {error}")
            continue
        size = path.stat().st_size / 1e6
        looks = ", ".join(card.looks)
        click.echo(
            f"{name:16} {card.task:16} {looks:20} {size:.1f} MB  {card.date}  {card.licence}"
        )
    for problem in problems:
        click.echo(f"note: {problem}", err=True)


@command.command(name="show")
@click.argument("model", type=Place())
def show(model: str) -> None:
    """The card of MODEL (a name or a file), as JSON."""
    from dataclasses import asdict

    from restorekit.models import store
    from restorekit.models.find import find

    click.echo(json.dumps(asdict(store.read_card(find(model))), indent=2, ensure_ascii=False))


@command.command(name="verify")
@click.argument("names", metavar="[MODEL]...", nargs=-1, type=Place())
def verify(names: tuple[str, ...]) -> int:
    """Check hashes and shapes of MODELs, or of all installed ones."""
    import torch

    from restorekit import plugins
    from restorekit.models import store
    from restorekit.models.find import find

    installed, broken = ({}, []) if names else plugins.models()
    failed = len(broken)
    for sentence in broken:
        click.echo(sentence, err=True)
    for name in names or sorted(installed):
        try:
            model = store.load(find(name))
            model.denoiser(torch.device("cpu"), torch.float32)
            click.echo(f"{name}: whole, sha256 {model.card.tensors_sha256[:16]}…")
        except RestoreError as error:
            failed += 1
            click.echo(f"{name}: {error}", err=True)
    return int(failed > 0)


@command.command(name="average")
@click.argument("first", type=PLACE)
@click.argument("second", type=PLACE)
@click.option("-o", "--out", type=PLACE, required=True, help="The new file.")
@click.option("--share", type=float, default=0.5, show_default=True, help="SECOND's.")
def average(first: Path, second: Path, out: Path, share: float) -> None:
    """Write the weighted mean of two model files, of which one was trained from the other."""
    from datetime import date

    from restorekit.models.average import average as mean

    card = mean(first, second, out, share, date.today().isoformat())
    click.echo(f"{out}: {card.name}, looks {', '.join(card.looks)}", err=True)
