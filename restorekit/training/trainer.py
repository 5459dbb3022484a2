"""The training loop: batches through a task's own hooks, checkpoints, a CSV log.

What a batch holds depends on the seed and the iteration alone, so a resumed run follows the curve of
an unbroken one.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from restorekit import device as devices
from restorekit.engine.conditioning import Condition, overwrite_known
from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.path import PATHS
from restorekit.engine.tiles import Box
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.errors import ModelError, UsageError
from restorekit.task import Stage, Task
from restorekit.training import checkpoint, draws, log, processes
from restorekit.training.average import Average
from restorekit.training.grow import begun
from restorekit.training.loss import batch_loss, draw_times, estimate_loss
from restorekit.training.optimisers import optimisers, set_rates
from restorekit.training.perceptual import PerceptualPhase
from restorekit.training.photographs import Corpus
from restorekit.training.recipe import Draw, Recipe
from restorekit.training.start import INHERITED, Start

VALIDATION_CROP = 320
Staged = Callable[[Stage, bool], Tensor]
"""Given another task's stage and whether the look is sharp, what that task makes of its pictures."""


class Trainer:
    """The state of a run: network, averaged weights, optimiser, and the iteration reached."""

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        hooks: Any,
        device: torch.device,
        staged: Staged | None = None,
    ) -> None:
        self.recipe, self.task, self.hooks = recipe, task, hooks
        self.device, self.staged = device, staged
        for number, one in enumerate(recipe.draws, 1):
            try:
                draws.check(one, task)
            except UsageError as error:
                raise UsageError(f"recipe: draw {number}: {error}") from error
        torch.manual_seed(recipe.seed)  # initial weights only
        self.network = _network(recipe, device)
        self.average = Average(self.network, recipe.average)
        fused = torch.compile(self.network) if device.type == "cuda" else self.network
        self.denoiser = self._denoiser(fused)
        if recipe.only_look:
            for name, value in self.network.named_parameters():
                value.requires_grad_(name.endswith((".narrow", ".widen")))
        self.optimisers = optimisers(self.network, recipe)
        self.perceptual = PerceptualPhase(recipe, device) if recipe.perceptual else None
        self.iteration, self.seconds = 0, 0.0
        self.earlier: list[dict[str, Any]] = []  # phases that came before, for the card
        self.data: list[Mapping[str, Any]] = []

    def try_draws(self) -> None:
        """Make a condition at both ends of each draw: a rare one that is wrong would end a run hours
        later. UsageError."""
        for one in self.recipe.draws:
            for options in draws.ends(one, self.task):
                grey = torch.zeros(1, 3, *[one.crop or self.recipe.crop] * 2, device=self.device)
                self.condition(grey, options, seed=0)

    def _denoiser(self, network: Any) -> Preconditioned:
        path = PATHS[self.recipe.path](**self.recipe.path_parameters)
        config = self.recipe.network
        return Preconditioned(
            network, path, self.recipe.deviation, config.numbers, around_source=config.concat > 0
        )

    def step(self, corpus: Corpus) -> tuple[float, str]:
        """One iteration; (its loss, what the perceptual phase says of itself).

        Its gradient is the mean over the recipe's `accumulate` batches, shared out among the processes.
        """
        set_rates(self.optimisers.values(), pace(self.recipe, self.iteration))
        self.network.zero_grad(set_to_none=True)
        parts, total, extra = self.recipe.accumulate, torch.zeros((), device=self.device), ""
        for part in processes.share(parts):
            loss, extra = self._loss(corpus, part)
            (loss / parts).backward()
            total += loss.detach() / parts
        processes.sum_up([total])
        processes.sum_up_gradients(self.network.parameters())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        for optimiser in self.optimisers.values():
            optimiser.step()
        self.average.update(self.network)
        self.iteration += 1
        return float(total), extra

    def _loss(self, corpus: Corpus, part: int) -> tuple[Tensor, str]:
        """Of one batch, which the seed, the iteration and its number among the iteration's decide."""
        seed = (self.recipe.seed * 1_000_003 + self.iteration) * self.recipe.accumulate + part
        draw = torch.Generator().manual_seed(seed)
        chosen = draws.choose(self.recipe.draws, draw)
        x0, condition = self.batch(corpus, chosen, draw)
        with devices.mixed(self.device):
            if self.perceptual is None:
                return self.path_loss(x0, condition, draw), ""
            split = self.recipe.faithful_items
            sharp = _items(condition, slice(split, None))
            loss, extra = self.perceptual.loss(
                self.denoiser, x0[split:], sharp, self.iteration, chosen.terms
            )
            if split:
                loss = loss + self.path_loss(x0[:split], _items(condition, slice(split)), draw)
            return loss, extra

    def path_loss(self, x0: Tensor, condition: Condition, draw: torch.Generator) -> Tensor:
        """The loss of the faithful look, averaged over a batch."""
        recipe = self.recipe
        # Times stay on the processor: paths are computed in float64, which not every device has.
        times = draw_times(len(x0), recipe.start_share, draw)
        noise = self._noise(x0, draw)
        quiet = (times == 1) & (torch.rand(len(x0), generator=draw) < recipe.quiet_share)
        noise = noise * (~quiet).to(self.device)[:, None, None, None]
        faithful = condition.with_numbers(look=0.0)
        losses = estimate_loss(self.denoiser, x0, faithful, times, noise, recipe.power)
        return batch_loss(losses, recipe.relative_above)

    def _noise(self, like: Tensor, draw: torch.Generator) -> Tensor:
        seed = int(torch.randint(2**62, (1,), generator=draw))
        generator = torch.Generator(self.device).manual_seed(seed)
        return torch.randn(like.shape, generator=generator, device=self.device)

    def batch(
        self, corpus: Corpus, chosen: Draw, draw: torch.Generator
    ) -> tuple[Tensor, Condition]:
        """Clean crops, and their condition made by the task's own hooks as one of the draws says."""
        recipe = self.recipe
        crop = chosen.crop or recipe.crop
        clean = corpus.crops(recipe.batch, crop, draw, recipe.grey_share).to(self.device)
        options = draws.options_of(chosen, self.task, lambda: draws.uniform(draw))
        seed = int(torch.randint(2**62, (1,), generator=draw))
        return clean, self.condition(clean, options, seed)

    def condition(self, clean: Tensor, options: dict[str, Any], seed: int) -> Condition:
        """The condition that the task makes of degraded clean images, for their whole area."""
        height, width = clean.shape[-2:]
        if any(option.name == "size" for option in self.task.options):
            options["size"] = (width, height)
        checked, degradation = draws.checked(self.task, options)
        with torch.no_grad():
            given = checked | degradation
            inputs = dict(self.hooks.restorekit_degrade(clean=clean, options=given, seed=seed))
            plan = self.hooks.restorekit_prepare(inputs=inputs, options=checked, file={})
            if isinstance(plan, Stage):
                if self.staged is None or plan.task in ("", self.task.name):
                    own = plan.task or self.task.name
                    raise UsageError(f"recipe: a stage of {own} cannot be done in training")
                inputs |= {"stage": self.staged(plan, self.recipe.perceptual is not None)}
                plan = self.hooks.restorekit_prepare(inputs=inputs, options=checked, file={})
            known = self.hooks.restorekit_condition(plan=plan, box=Box(0, 0, height, width))
        known = dataclasses.replace(known, cell=plan.cell)
        self._check_fits_network(known)
        return known

    def _check_fits_network(self, known: Condition) -> None:
        """UsageError where a condition has other channels or sides than the recipe's network takes."""
        network = self.recipe.network.on(known.cell)
        sides, stride = known.source.shape[-2:], network.stride
        if any(side % stride for side in sides):
            raise UsageError(
                f"recipe: a crop of {sides[0]} pixels on cells of {network.factor}; give a multiple of "
                f"{stride}"
            )
        given = (known.source.shape[1], 0 if known.concat is None else known.concat.shape[1])
        names = set(self.recipe.network.numbers) - set(known.numbers) - {"look"}
        if names:
            raise UsageError(
                f"recipe: the condition of {self.task.name} has no number {sorted(names)[0]!r}; it has "
                f"{', '.join(sorted(known.numbers)) or 'none'}"
            )
        # A network that takes nothing beside x_t is a model of pictures as such, for any condition.
        if given != (network.channels, network.concat or given[1]):
            raise UsageError(
                f"the condition of {self.task.name} has {given[0]} + {given[1]} channels and the "
                f"recipe's network takes {network.channels} + {network.concat} (source + concatenated)"
            )

    @torch.no_grad()
    def validate(self, pictures: Sequence[Tensor]) -> float | None:
        """Mean PSNR-Y in dB of the averaged weights' first call on the first draw's degradation; None
        where no picture is as large as the network's cells."""
        from restorekit.metrics import psnr

        network = _network(self.recipe, self.device)
        network.load_state_dict(self.average.values)
        denoiser, scores = self._denoiser(network), []
        first = self.recipe.draws[0]
        options = draws.options_of(first, self.task, lambda: draws.uniform(torch.Generator()))
        for picture in pictures:
            if min(picture.shape[-2:]) < _unit(self.recipe):
                continue
            clean = _centre(picture, self.recipe).to(self.device).float()[None] / 127.5 - 1
            condition = self.condition(clean, dict(options), seed=0).with_numbers(look=0.0)
            with devices.mixed(self.device):
                estimate = denoiser(condition.source, torch.ones(()), condition)
                estimate = overwrite_known(estimate, condition)
            images = (((image[0] + 1) * 127.5).round().clamp(0, 255) for image in (estimate, clean))
            result, reference = (i.byte().permute(1, 2, 0).cpu().numpy() for i in images)
            scores.append(psnr(result, reference, channels="y", border=4))
        return sum(scores) / len(scores) if scores else None

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs."""
        tensors = {
            **checkpoint.prefixed("network", self.network.state_dict()),
            **checkpoint.prefixed("average", self.average.values),
        }
        for name, optimiser in self.optimisers.items():
            tensors |= checkpoint.prefixed(name, checkpoint.optimiser_tensors(optimiser))
        if self.perceptual:
            tensors |= checkpoint.prefixed("perceptual", self.perceptual.tensors())
        record = {
            "recipe": dataclasses.asdict(self.recipe),
            "iteration": self.iteration,
            "seconds": self.seconds,
            "phases": [*self.earlier, self.phase()],
            "data": self.data,
        }
        checkpoint.save(path, tensors, record)

    def phase(self) -> dict[str, Any]:
        """What the card says of this run."""
        recipe = self.recipe
        return {
            "iterations": self.iteration,
            "hours": round(self.seconds / 3600, 2),
            "device": self.device.type,
            "batch": recipe.batch,
            "crop": recipe.crop,
            "learning_rate": recipe.learning_rate,
            "matrix_learning_rate": recipe.matrix_learning_rate,
            "perceptual": recipe.perceptual is not None,
        }

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same recipe; ModelError where it is of another network, path or
        deviation, or one of the two has a perceptual phase and the other has none."""
        tensors, record = checkpoint.load(path)
        its = {**record["recipe"], "network": UNetConfig.from_dict(record["recipe"]["network"])}
        apart = [name for name in INHERITED if getattr(self.recipe, name) != its[name]]
        if (self.recipe.perceptual is None) != (its["perceptual"] is None):
            apart.append("perceptual")
        if apart:
            raise ModelError(f"{path} is of another network or recipe: {', '.join(apart)} differ")
        with checkpoint.fitting(path):
            self.network.load_state_dict(checkpoint.part("network", tensors))
            self.average.load(checkpoint.part("average", tensors), record["iteration"])
            for name, optimiser in self.optimisers.items():
                checkpoint.restore_optimiser(optimiser, checkpoint.part(name, tensors))
            if self.perceptual:
                self.perceptual.restore(checkpoint.part("perceptual", tensors))
        self.iteration, self.seconds = record["iteration"], record["seconds"]
        self.earlier = record.get("phases", [])[:-1]

    def start_from(self, start: Start) -> None:
        """Begin with another run's averaged weights, or a model's, as far as the network is like it.

        A run's discriminator comes along: a new one would have to learn first what it knew. ModelError
        for a network that is no part of the recipe's, or a discriminator of other widths.
        """
        self.earlier = list(start.phases)
        weights = start.weights
        if start.network != self.recipe.network:
            try:
                weights = begun(weights, start.network, self.recipe.network)
            except ModelError as error:
                raise ModelError(f"{start.path} is of another network: {error}") from error
        with checkpoint.fitting(start.path):
            self.network.load_state_dict(weights)
            self.average.load(weights, 0)
            if self.perceptual and start.judge:
                self.perceptual.restore(start.judge)


def run(
    trainer: Trainer,
    corpus: Corpus,
    validation: Sequence[Tensor],
    folder: Path,
    *,
    time_limit: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    report_every: int = 50,
    validate_every: int = 500,
    tell: Callable[[log.Progress], None] = lambda _: None,
) -> bool:
    """Train until the recipe's end (True), the time limit in seconds or `stopped` (False); saves then.

    Writes checkpoint.safetensors and log.csv into the folder; of several processes, the first does.
    UsageError where the loss is no longer a number; the last checkpoint stays as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started, before, losses = time.monotonic(), trainer.seconds, []
    last = trainer.recipe.iterations
    while trainer.iteration < last:
        loss, extra = trainer.step(corpus)
        if not math.isfinite(loss):
            raise UsageError(
                f"the loss of iteration {trainer.iteration} is {loss}: the weights have run away; give "
                "the recipe a smaller learning_rate, or a matrix_decay of .2, and start again"
            )
        losses.append(loss)
        elapsed = time.monotonic() - started
        trainer.seconds = before + elapsed
        late = stopped() or (time_limit is not None and elapsed > time_limit)
        stop = trainer.iteration == last or processes.any_of(late, trainer.device)
        validating = trainer.iteration % validate_every == 0 or stop
        writing = processes.rank() == 0
        if writing and validating:
            trainer.save(folder / "checkpoint.safetensors")
        if writing and (trainer.iteration % report_every == 0 or stop):
            score = trainer.validate(validation) if validating and validation else None
            rate = trainer.recipe.learning_rate * pace(trainer.recipe, trainer.iteration - 1)
            mean = sum(losses) / len(losses)
            progress = log.Progress(trainer.iteration, trainer.seconds, mean, rate, score, extra)
            losses = []
            log.append(folder / "log.csv", progress)
            tell(progress)
        if stop:
            break
    return trainer.iteration >= last


def pace(recipe: Recipe, iteration: int) -> float:
    """The share of the learning rates: linear warm-up, then a cosine to nought at the recipe's end."""
    if iteration < recipe.warmup:
        return (iteration + 1) / recipe.warmup
    done = (iteration - recipe.warmup) / max(1, recipe.iterations - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


def _network(recipe: Recipe, device: torch.device) -> UNet:
    network = UNet(recipe.network)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _items(condition: Condition, chosen: slice) -> Condition:
    """Some items of a batch: of its images, and of the numbers that each item has its own of."""
    numbers = {
        name: value[chosen] if isinstance(value, Tensor) and value.ndim else value
        for name, value in condition.numbers.items()
    }
    return condition.map(lambda image: image[chosen]).with_numbers(**numbers)


def _centre(picture: Tensor, recipe: Recipe) -> Tensor:
    """What is validated: as much of the middle as fits the network, whatever its cells."""
    unit = _unit(recipe)
    side = min(VALIDATION_CROP // unit * unit, *(n // unit * unit for n in picture.shape[-2:]))
    top, left = ((length - side) // 2 for length in picture.shape[-2:])
    return picture[:, top : top + side, left : left + side]


def _unit(recipe: Recipe) -> int:
    """Pixels that the sides of what is validated are multiples of."""
    network = recipe.network
    unit = math.lcm(*(network.on(factor).stride for factor in network.factors))
    return unit if network.further else unit * max(1, 64 // unit)
