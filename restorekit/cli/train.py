"""`restorekit train TASK`: the same command on processor and GPU."""

from __future__ import annotations

import re
from pathlib import Path

import click

from restorekit.cli.paths import PLACE, Place
from restorekit.errors import UsageError


@click.command(name="train")
@click.argument("task")
@click.option(
    "--data",
    "folders",
    type=PLACE,
    multiple=True,
    required=True,
    help="A folder of photographs; may be given several times.",
)
@click.option("--config", type=PLACE, required=True, help="The recipe, TOML.")
@click.option(
    "-o",
    "--out",
    type=PLACE,
    required=True,
    help="Folder for checkpoint, log and plot.",
)
@click.option("--time-limit", metavar="SECONDS", help="Stop and save after so long, as 540s or 2h.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in OUT.")
@click.option(
    "--start-from",
    type=Place(),
    help="What to begin with: an installed model, a model file, or another run's checkpoint.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cuda, mps, xpu or cpu.")
@click.option(
    "--threads", type=click.IntRange(1), help="Processor threads; by default torch's own."
)
@click.option(
    "--export",
    "model",
    type=PLACE,
    help="Also write the averaged weights as a model file.",
)
@click.option("--licence", default="Apache-2.0", show_default=True, help="Licence in its card.")
def command(
    task: str,
    folders: tuple[Path, ...],
    config: Path,
    out: Path,
    time_limit: str | None,
    resume: bool,
    start_from: str | None,
    device: str,
    threads: int | None,
    model: Path | None,
    licence: str,
) -> int:
    """Train TASK's weights on photographs by a recipe; a stopped run goes on with --resume."""
    limit = seconds(time_limit) if time_limit else None
    state = out / "checkpoint.safetensors"
    _check(out, state, model, resume)
    from restorekit import plugins
    from restorekit.models.find import find
    from restorekit.training import recipe as recipes
    from restorekit.training import start

    origin = state if resume else find(start_from) if start_from else None
    begun = start.read(origin) if origin else None
    recipe = recipes.read(config, begun.recipe if begun else {})
    if recipe.task != task:
        raise UsageError(f"{config} is a recipe for {recipe.task}, not for {task}")
    loaded = plugins.load(task)

    import torch

    from restorekit import device as devices
    from restorekit.api import restored_stage
    from restorekit.training import drawn, export, log, photographs, plot, processes, trainer
    from restorekit.training.stopping import asked

    devices.keep_freed_memory()
    processes.join()
    if threads:
        torch.set_num_threads(threads)
    training = trainer.Trainer(
        recipe, loaded.task, loaded.hooks, devices.choose(device), restored_stage
    )
    training.try_draws()
    if resume:
        training.resume(state)
    elif begun:
        training.start_from(begun)
        for name in begun.other(recipe):
            _note(f"the weights to begin with were made with another {name} than the recipe's")
    training.data = export.describe(folders, begun.data if begun else ())
    paths, held_back = photographs.hold_back(photographs.find(folders), 20)
    pictures, validation = (photographs.load(some, _note) for some in (paths, held_back))
    large = [picture for picture in pictures if min(picture.shape[-2:]) >= recipe.crop]
    if len(large) < len(pictures):
        _note(f"{len(pictures) - len(large)} are smaller than the crops and are left out")
    click.echo(f"{len(large)} photographs to train on, {len(validation)} held back", err=True)
    side = max(320, recipe.crop)
    drawings = drawn.draw_pictures(64, side, recipe.seed) if recipe.drawn_share else []
    corpus = photographs.Corpus.of(
        large, recipe.crop, training.device, drawn=drawings, drawn_share=recipe.drawn_share
    )
    with asked(
        lambda: click.echo("stopping after this iteration; once more: at once", err=True)
    ) as stop:
        finished = trainer.run(
            training, corpus, validation, out, time_limit=limit, stopped=stop, tell=_tell
        )
        interrupted = stop()
    if processes.rank():
        return 0
    plot.plot(log.read(out / "log.csv"), out / "log.svg")
    if model:
        from datetime import date

        training.save(state)  # a finished run may be given a recipe that keeps less of its look
        card = export.export(
            state, model, name=task, licence=licence, date=date.today().isoformat()
        )
        click.echo(f"{model}: {card.name}, looks {', '.join(card.looks)}", err=True)
    if not finished:
        click.echo(f"stopped at iteration {training.iteration}; go on with --resume", err=True)
    return 130 if interrupted and not finished else 0


def _check(out: Path, state: Path, model: Path | None, resume: bool) -> None:
    """UsageError for places that a run could not write to, before any work."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"-o {out} is a file; give a folder")
    if resume and not state.exists():
        raise UsageError(f"nothing to resume: there is no {state}")
    if state.exists() and not resume:
        raise UsageError(f"{state} is there already; give --resume to go on, or another --out")
    if model is None:
        return
    if model.is_dir() or not model.absolute().parent.is_dir():
        raise UsageError(f"--export {model}: give a file in a folder that is there")
    if model.absolute() == state.absolute():
        raise UsageError(f"--export {model} is the run's own checkpoint; give another file")


def _note(sentence: str) -> None:
    click.echo(f"note: {sentence}", err=True)


def _tell(progress) -> None:
    score = f"  {progress.psnr:.3f} dB" if progress.psnr is not None else ""
    click.echo(
        f"{progress.iteration:7d}  {progress.seconds:8.0f} s  loss {progress.loss:.4f}"
        f"{score}  {progress.extra}".rstrip(),
        err=True,
    )


def seconds(text: str) -> float:
    """ "540", "540s", "9m" or "2h" in seconds; UsageError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise UsageError(f"--time-limit {text!r} is no duration; write it as 540s, 9m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]
