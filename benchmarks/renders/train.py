"""Trains denoise-render on renders: Noise2Noise, with references for validation.

    python benchmarks/renders/train.py plugins/render/recipes/1-faithful.toml RENDERS OUT

RENDERS is what make.py wrote: RENDERS/train, and RENDERS/validation with references. A stopped run goes
on where it was; OUT/denoise-render.safetensors is the model so far.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import device as devices
from restorekit.engine.tiles import Box
from restorekit.training import export, recipe, trainer
from restorekit.training.renders import PASSES, Renders, noise_to_noise_loss

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins" / "render"))
plugin = import_module("restorekit_render")

# Of the batches: with both passes, with albedo alone, without any.
SHARES = {PASSES: 0.7, PASSES[:1]: 0.1, (): 0.2}


class Hooks:
    """The plugin's functions, called as the plugin manager would."""

    restorekit_prepare = staticmethod(plugin.restorekit_prepare)
    restorekit_condition = staticmethod(plugin.restorekit_condition)
    restorekit_finish = staticmethod(plugin.restorekit_finish)


class RenderTrainer(trainer.Trainer):
    """The trainer on pairs of renders instead of photographs."""

    def _loss(self, corpus: Any, part: int) -> tuple[Tensor, str]:
        given = self.recipe
        seed = (given.seed * 1_000_003 + self.iteration) * given.accumulate + part
        draw = torch.Generator().manual_seed(seed)
        chosen = int(torch.multinomial(torch.tensor(list(SHARES.values())), 1, generator=draw))
        inputs, target = corpus.batch(given.batch, given.crop, draw, tuple(SHARES)[chosen])
        inputs = {name: image.to(self.device) for name, image in inputs.items()}
        options = self.task.check_options({})
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = noise_to_noise_loss(
                self.denoiser, self.hooks, options, inputs, target.to(self.device)
            )
        return loss.mean(), ""

    @torch.no_grad()
    def validate(self, pictures: Any) -> float:
        """Mean PSNR in dB of 4-sample renders against their references, both tone-mapped."""
        from measure import tonemapped

        network = trainer._network(self.recipe, self.device)
        network.load_state_dict(self.average.values)
        denoiser, scores = self._denoiser(network), []
        options = self.task.check_options({})
        for inputs, reference in pictures:
            height, width = reference.shape[-2:]
            whole = Box(0, 0, height, width)
            plan = self.hooks.restorekit_prepare(inputs=inputs, options=options)
            condition = self.hooks.restorekit_condition(plan=plan, box=whole)
            estimate = denoiser(condition.source, torch.ones(()), condition)
            light = self.hooks.restorekit_finish(plan=plan, box=whole, x0=estimate)
            result, truth = (
                tonemapped(image[0].permute(1, 2, 0).numpy(), reference[0].permute(1, 2, 0).numpy())
                for image in (light, reference)
            )
            scores.append(-10 * np.log10(np.mean((result - truth) ** 2)))
        return float(np.mean(scores))


def held_back(folder: Path) -> list[tuple[dict[str, Tensor], Tensor]]:
    """Renders of 4 samples with their passes and references, from files with references."""
    from measure import inputs_at, read_scene

    scenes = [read_scene(path) for path in sorted(folder.glob("*.npz"))]
    return [
        (
            {name: _tensor(image) for name, image in inputs_at(scene, 4).items()},
            _tensor(scene["reference_color"]),
        )
        for scene in scenes
    ]


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("renders", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--time-limit", type=float, help="seconds")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    made = RenderTrainer(
        recipe.read(given.recipe), plugin.TASK, Hooks, devices.choose(given.device)
    )
    state = given.out / "checkpoint.safetensors"
    if state.exists():
        made.resume(state)
    corpus: Any = Renders.read(given.renders / "train")
    made.data = [{"name": "renders of benchmarks/renders", "pictures": len(corpus.views)}]
    pictures: Any = held_back(given.renders / "validation")
    trainer.run(made, corpus, pictures, given.out, time_limit=given.time_limit, tell=print)
    export.export(
        state,
        given.out / "denoise-render.safetensors",
        name="denoise-render",
        licence="Apache-2.0",
        date=date.today().isoformat(),
    )


if __name__ == "__main__":
    main()
