"""What buys PSNR in training the upscaler: short runs of equal cost, one choice changed at a time.

    python benchmarks/training_choices.py --data PHOTOGRAPHS [--data MORE] [--out choices.json]

Every run costs as many multiplications as the base run (so a larger network makes fewer iterations),
from the same seed, with its own cosine to nought. The score is the trainer's own: PSNR-Y at ×4 on the
held-back photographs, first call of the faithful look.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit import plugins
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.evaluation import machine
from restorekit.training import photographs, trainer
from restorekit.training.recipe import Draw, Recipe

NUMBERS = ("scale", "noise", "look")
BASE = Recipe(
    task="upscale",
    iterations=400,
    draws=tuple(
        Draw(share, {"scale": scale, "clean": "never"})
        for share, scale in ((0.6, 4.0), (0.2, 3.0), (0.2, 2.0))
    ),
    network=UNetConfig(numbers=NUMBERS),
    path_parameters={"sigma": 0.1},
    crop=96,
    batch=16,
    warmup=40,
    average=0.99,
    start_share=0.6,
    quiet_share=0.9,
    drawn_share=0.0,
)


def changed(**fields: Any) -> Recipe:
    """The base recipe with some entries changed."""
    return dataclasses.replace(BASE, **fields)


def network(**fields: Any) -> Recipe:
    """The base recipe with another network."""
    return changed(network=UNetConfig(numbers=NUMBERS, **fields))


CHOICES: dict[str, Recipe] = {
    "base: 64 and 128 channels, 4 + 4 and 6 blocks; Muon .02; .6 at t = 1; 16 crops of 96²": BASE,
    "AdamW for every weight, 1e-3": BASE,
    "Muon .04": changed(matrix_learning_rate=0.04),
    "one level of 64 channels, 16 blocks": network(widths=(64,), blocks=(16,)),
    "more on the first level: 80 and 128 channels, 5 + 5 and 3 blocks": network(
        widths=(80, 128), blocks=(5, 3)
    ),
    "wider: 96 and 160 channels, 3 + 3 and 4 blocks": network(widths=(96, 160), blocks=(3, 4)),
    "cells of 2 × 2: 32, 64 and 128 channels, 2 + 2, 2 + 2 and 6 blocks": network(
        factor=2, widths=(32, 64, 128), blocks=(2, 2, 6)
    ),
    "the input's grid: 64 channels, 8 blocks, a first and last layer for each whole scale": (
        dataclasses.replace(
            network(further=(2, 3), widths=(64,), blocks=(8,)),
            draws=tuple(
                dataclasses.replace(draw, crop=int(24 * draw.options["scale"]))
                for draw in BASE.draws
            ),
        )
    ),
    "all of the batch at t = 1": changed(start_share=1.0),
    "8 crops of 96², twice as many iterations": changed(batch=8),
    "4 crops of 192²": changed(crop=192, batch=4),
}


def cost(recipe: Recipe) -> float:
    """Multiplications of one iteration's forward call."""
    from torch.utils.flop_counter import FlopCounterMode

    image = torch.zeros(1, 3, 96, 96)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        UNet(recipe.network)(image, image, torch.ones(1), torch.zeros(1, len(NUMBERS)))
    return counter.get_total_flops() / 2 / 96**2 * recipe.batch * recipe.crop**2


def score(
    name: str, recipe: Recipe, pictures: list[Tensor], held_back: list[Tensor]
) -> dict[str, Any]:
    """One run's PSNR, iterations and seconds."""
    loaded, device = plugins.load("upscale"), torch.device("cpu")
    training = trainer.Trainer(recipe, loaded.task, loaded.hooks, device)
    if name.startswith("AdamW"):
        parameters = training.network.parameters()
        adam = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=0.0)
        training.optimisers.clear()
        training.optimisers["adam"] = adam
    corpus = photographs.Corpus.of(pictures, recipe.crop, device)
    started = time.monotonic()
    for _ in range(recipe.iterations):
        training.step(corpus)
    seconds = time.monotonic() - started
    psnr = training.validate(held_back)
    return {
        "psnr-y": psnr and round(psnr, 3),
        "iterations": recipe.iterations,
        "seconds": round(seconds),
    }


def main() -> None:
    """Run every choice and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/training/choices.json")
    )
    arguments = parser.parse_args()
    paths, back = photographs.hold_back(photographs.find(arguments.data), 20)
    pictures, held_back = photographs.load(paths), photographs.load(back)
    whole, found = cost(BASE) * BASE.iterations, {}
    for name, recipe in CHOICES.items():
        equal = dataclasses.replace(recipe, iterations=round(whole / cost(recipe)))
        found[name] = score(name, equal, pictures, held_back)
        print(f"| {name} | {found[name]['iterations']} | {found[name]['psnr-y']:.2f} |", flush=True)
    record = {"date": datetime.date.today().isoformat(), "machine": machine(), "runs": found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
