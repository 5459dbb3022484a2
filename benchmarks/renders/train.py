"""Trains denoise-render on renders: Noise2Noise, with references for validation.

    python benchmarks/renders/train.py plugins/render/recipes/1-faithful.toml RENDERS OUT

RENDERS is what make.py wrote: RENDERS/train, and RENDERS/validation with references. A stopped run goes
on where it was; OUT/denoise-render.safetensors is the model so far. plain-concatenation.toml trains
what guidance.py compares with: a path that starts from noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import device as devices
from restorekit.engine import path as engine
from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.tiles import Box
from restorekit.training import export, recipe, start, trainer
from restorekit.training.loss import batch_loss
from restorekit.training.renders import PASSES, Renders, first_call, noise_to_noise_loss

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins" / "render"))
plugin = import_module("restorekit_render")
transfer = import_module("restorekit_render.transfer")

# Of the batches: with both passes, with albedo alone, without any.
SHARES = {PASSES: 0.55, PASSES[:1]: 0.1, (): 0.35}
STOPS = 1.0  # deviation of a window's exposure from that of its picture


class Hooks:
    """The plugin's functions, called as the plugin manager would."""

    restorekit_prepare = staticmethod(plugin.restorekit_prepare)
    restorekit_condition = staticmethod(plugin.restorekit_condition)
    restorekit_finish = staticmethod(plugin.restorekit_finish)


class Concatenated(Hooks):
    """The same without a source: the noisy render is concatenated and nothing else."""

    @staticmethod
    def restorekit_condition(plan: Any, box: Box) -> Condition:
        condition = plugin.restorekit_condition(plan, box)
        return replace(condition, source=torch.zeros_like(condition.source))


def hooks_for(path: engine.Path) -> type[Hooks]:
    """The plugin's hooks; for a path that starts from noise alone, those without a source."""
    return Hooks if path.at(1.0).gamma else Concatenated


class RenderTrainer(trainer.Trainer):
    """The trainer on pairs of renders instead of photographs."""

    def _loss(self, corpus: Any, part: int) -> tuple[Tensor, str]:
        given = self.recipe
        seed = (given.seed * 1_000_003 + self.iteration) * given.accumulate + part
        draw = torch.Generator().manual_seed(seed)
        chosen = int(torch.multinomial(torch.tensor(list(SHARES.values())), 1, generator=draw))
        inputs, target = corpus.batch(given.batch, given.crop, draw, tuple(SHARES)[chosen])
        exposure = windows_exposure(inputs, draw)
        inputs["image"], target = inputs["image"] * exposure, target * exposure
        inputs = {name: image.to(self.device) for name, image in inputs.items()}
        options = self.task.check_options({"input_scale": "1"})
        noise = self._noise(target, draw) if given.quiet_share < 1 else None
        with devices.mixed(self.device):
            loss = noise_to_noise_loss(
                self.denoiser, self.hooks, options, inputs, target.to(self.device), noise
            )
        return batch_loss(loss, given.relative_above), ""

    @torch.no_grad()
    def validate(self, pictures: Any) -> float:
        """Mean PSNR in dB of 4-sample renders against their references, both tone-mapped."""
        from measure import tonemapped

        network = trainer._network(self.recipe, self.device)
        network.load_state_dict(self.average.values)
        denoiser, scores = self._denoiser(network), []
        for inputs, reference in pictures:
            result, truth = (
                tonemapped(planes(light), planes(reference))
                for light in (denoised(denoiser, inputs), reference)
            )
            scores.append(-10 * np.log10(np.mean((result - truth) ** 2)))
        return float(np.mean(scores))


def denoised(denoiser: Preconditioned, inputs: Mapping[str, Tensor]) -> Tensor:
    """Light (1, 3, H, W) by the path's first call, the whole picture at once."""
    hooks, image = hooks_for(denoiser.path), inputs["image"]
    whole = Box(0, 0, *image.shape[-2:])
    plan = hooks.restorekit_prepare(inputs, plugin.TASK.check_options({}))
    condition = hooks.restorekit_condition(plan, whole)
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(image.shape, generator=draw) if hooks is Concatenated else None
    return hooks.restorekit_finish(plan, whole, first_call(denoiser, condition, noise))


def windows_exposure(inputs: Mapping[str, Tensor], draw: torch.Generator) -> Tensor:
    """What light is multiplied by, (N, 1, 1, 1): the exposure of the windows' pictures, as it were.

    A window may be brighter or darker than the picture it is of, whose exposure the task goes by.
    """
    albedo = inputs.get("albedo")
    divisor = 1.0 if albedo is None else transfer.divisor(albedo)
    found = transfer.exposure(inputs["image"] / divisor)
    return found * 2 ** (STOPS * torch.randn(found.shape, generator=draw))


def held_back(folder: Path) -> list[tuple[dict[str, Tensor], Tensor]]:
    """Renders of 4 samples with their passes and references, from files with references."""
    from measure import inputs_at, read_scene

    scenes = [read_scene(path) for path in sorted(folder.glob("*.npz"))]
    return [
        (
            {name: tensor(image) for name, image in inputs_at(scene, 4).items()},
            tensor(scene["reference_color"]),
        )
        for scene in scenes
    ]


def planes(light: Tensor) -> np.ndarray:
    return light[0].permute(1, 2, 0).numpy()


def tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].contiguous()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("renders", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--time-limit", type=float, help="seconds")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start-from", type=Path, help="a model, or another run's checkpoint")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    read = recipe.read(given.recipe)
    hooks = hooks_for(engine.PATHS[read.path](**read.path_parameters))
    made = RenderTrainer(read, plugin.TASK, hooks, devices.choose(given.device))
    state = given.out / "checkpoint.safetensors"
    if state.exists():
        made.resume(state)
    elif given.start_from:
        made.start_from(start.read(given.start_from))
    corpus: Any = Renders.read(given.renders / "train")
    made.data = [
        {
            "name": "renders of procedural scenes",
            "pictures": len(corpus.views),
            "licence": "Apache-2.0",
            "source": "benchmarks/renders/make.py",
        }
    ]
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
