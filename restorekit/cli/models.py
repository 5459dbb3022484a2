"""`restorekit models`: what is installed, what it was made from, and whether it is whole."""

from __future__ import annotations

import json

import click

from restorekit.errors import RestoreError


@click.group(name="models")
def command() -> None:
    """List, show and verify weights."""


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
            f"{name:16} {card.task:12} {looks:20} {size:.1f} MB  {card.date}  {card.licence}"
        )
    for problem in problems:
        click.echo(f"note: {problem}", err=True)


@command.command(name="show")
@click.argument("model")
def show(model: str) -> None:
    """The card of MODEL (a name or a file), as JSON."""
    from dataclasses import asdict

    from restorekit.models import store
    from restorekit.models.find import find

    click.echo(json.dumps(asdict(store.read_card(find(model))), indent=2, ensure_ascii=False))


@command.command(name="verify")
@click.argument("names", metavar="[MODEL]...", nargs=-1)
def verify(names: tuple[str, ...]) -> int:
    """Check hashes and shapes of MODELs, or of all installed ones."""
    import torch

    from restorekit import plugins
    from restorekit.models import store
    from restorekit.models.find import find

    failed = 0
    for name in names or sorted(plugins.models()[0]):
        try:
            model = store.load(find(name))
            model.denoiser(torch.device("cpu"), torch.float32)
            click.echo(f"{name}: whole, sha256 {model.card.tensors_sha256[:16]}…")
        except RestoreError as error:
            failed += 1
            click.echo(f"{name}: {error}", err=True)
    return int(failed > 0)
