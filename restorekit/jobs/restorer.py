"""One picture restored by one task: plan, windows through the engine, back to a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit import device as devices
from restorekit import plugins
from restorekit.engine.conditioning import Condition
from restorekit.engine.loop import Engine, Run
from restorekit.engine.tiles import Box
from restorekit.errors import DeviceError, PluginError, UsageError
from restorekit.images import Picture, quantise, visible
from restorekit.jobs import sampling
from restorekit.jobs.checks import check_room, misfit
from restorekit.jobs.grid import first_budget, grid, smallest_budget, tile_budget
from restorekit.jobs.layers import chosen_layers, passes, said, with_light_passes
from restorekit.jobs.progress import Tell, chain, silent
from restorekit.jobs.report import HASH
from restorekit.jobs.samples import light_samples, to_light, to_samples, to_tensor
from restorekit.jobs.settings import Settings
from restorekit.jobs.transparency import continued, keep_even_parts, resized_alpha
from restorekit.models import store
from restorekit.models.find import find
from restorekit.plugins import LoadedTask
from restorekit.task import Plan

DEEPEST = 16  # stages before stages; a task that reduces its picture for each ends long before
_NOTHING: Mapping[str, Any] = MappingProxyType({})

Planned = Callable[[Plan], None]
"""Given the plan before any work; raises where its size cannot be written."""

Staged = Callable[["Restorer", Plan, Tensor, int], Tensor]
"""Who restores a stage, its plan, its picture and how many stages follow; the result."""


def _any_plan(plan: Plan) -> None:
    """Every plan is welcome in memory."""


class Restorer:
    """A task with its options, ready for any number of pictures; the model is loaded once."""

    def __init__(self, loaded: LoadedTask, options: Mapping[str, Any], settings: Settings) -> None:
        self.task, self.hooks, self.listing = loaded.task, loaded.hooks, loaded.listing
        self.options, self.settings = loaded.task.check_options(options), settings
        self.device = devices.choose(settings.device)
        devices.keep_freed_memory()
        self.model = store.load(find(settings.model, self.hooks))
        # A task may declare another's model as its own; a person may not mix them up.
        if self.model.card.task != self.task.name and settings.model != self.task.model:
            raise UsageError(
                f"--model {settings.model} is for {self.model.card.task}, not for {self.task.name}"
            )
        self.runs()  # a look that the model has not is told of before any picture
        self.budget = first_budget(settings.tile, self.model.config, self.device)
        self.others: dict[str, Restorer] = {}  # of tasks that do a stage

    @cached_property
    def engine(self) -> Engine:
        """The engine with the model in the device's best precision, on the network's first cells."""
        denoiser = self.model.denoiser(self.device, devices.precision(self.device))
        return Engine(
            denoiser,
            lambda: self.model.denoiser(self.device, torch.float32),
            denoiser.path,
            **grid(self.model.config),
            device=self.device,
        )

    def seeded(self, seed: int) -> Restorer:
        """The same with another seed, and with the same network in memory."""
        if seed == self.settings.seed:
            return self
        other = copy(self)
        other.engine, other.settings = self.engine, replace(self.settings, seed=seed)
        other.others = {}
        return other

    @torch.no_grad()
    def __call__(
        self,
        picture: Picture,
        tell: Tell = silent,
        planned: Planned = _any_plan,
        companions: Mapping[str, Picture] | None = None,
        settled: Mapping[str, Any] | None = None,
    ) -> Picture:
        """The restored picture, of the same mode, depth and metadata.

        companions: the task's further images by name. settled: options in the place of its own, as the
        plan of an earlier picture settled them. Memory beside the result and the input is
        bounded by the budget; when it runs out, tiles are halved and the picture is begun again.
        Raises RestoreError.
        """
        picture, companions = self.chosen(picture), companions or {}
        options = {**self.options, **(settled or {})}
        result = self._whole(picture, companions, options, tell, planned)
        silently = partial(
            self._whole, companions=companions, options=options, tell=silent, planned=_any_plan
        )
        return with_light_passes(picture, result, self.options, silently)

    def chosen(self, picture: Picture) -> Picture:
        """What is restored of a picture: the layers of its file that the options name, or itself.

        Raises UsageError.
        """
        return chosen_layers(picture, self.task, self.options)

    def _whole(
        self,
        picture: Picture,
        companions: Mapping[str, Picture],
        options: Mapping[str, Any],
        tell: Tell,
        planned: Planned,
    ) -> Picture:
        others = self._others({**passes(picture, self.task), **companions})
        while True:
            try:
                with devices.as_written(self.device):
                    if self.task.exact or self.task.linear:
                        return self._restored_exactly(picture, others, options, tell, planned)
                    return self._restored(picture, others, options, tell, planned)
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                devices.release(self.device)
                smallest = smallest_budget(self.model.config)
                if self.budget <= smallest:
                    other = "" if self.device.type == "cpu" else ", use --device cpu"
                    raise DeviceError(
                        f"{self.device} ran out of memory even with the smallest tiles; close other "
                        f"programs{other} or ask for a smaller result"
                    ) from error
                self.budget = max(self.budget // 2, smallest)

    def _others(self, companions: Mapping[str, Picture]) -> dict[str, Tensor]:
        """The further images as tensors; UsageError where one is missing or not the task's."""
        known = {companion.name: companion for companion in self.task.companions}
        if strange := sorted(set(companions) - set(known)):
            raise UsageError(f"{self.task.name} takes no image {strange[0]!r}")
        for name, companion in known.items():
            given = name in companions or self.options.get(name) is not None
            if companion.required and not given:
                raise UsageError(f"{self.task.name} needs --{name}: {companion.help}")
        return {name: self._tensor(visible(image)) for name, image in companions.items()}

    def _tensor(self, planes: np.ndarray) -> Tensor:
        """Planes as the task's hooks are given them, (1, 3, H, W)."""
        return to_light(planes) if self.task.linear else to_tensor(planes)

    def _samples(self, values: Tensor, depth: int) -> np.ndarray:
        """What the task's hooks give back as samples of a depth."""
        return light_samples(values, depth) if self.task.linear else to_samples(values, depth)

    def _restored(
        self,
        picture: Picture,
        others: Mapping[str, Tensor],
        options: Mapping[str, Any],
        tell: Tell,
        planned: Planned,
    ) -> Picture:
        color, alpha, depth = picture.color, picture.alpha, picture.depth
        even = alpha is None or alpha.min() == alpha.max()
        if alpha is not None and not even:
            color = continued(color, alpha)
        at = chain(tell)
        plan = self._plan({"image": to_tensor(color), **others}, options, at, said(picture))
        planned(plan)
        check_room(plan.size, color.shape[2] * depth // 8 + (0 if even else 4))
        result = self._planes(plan, color, depth, at(-1))
        if alpha is None:
            return replace(picture, color=result)
        if even:  # an opaque picture stays opaque, and its colours are those it has without alpha
            return replace(
                picture, color=result, alpha=np.full(plan.size, alpha.flat[0], alpha.dtype)
            )
        options = {**options, **plan.settled}  # as its colours were: alpha decides nothing
        shape = self._plan({"image": to_tensor(alpha[..., None]), **others}, options, chain(silent))
        restored = self._planes(shape, alpha[..., None], 32, silent)[..., 0]
        keep_even_parts(restored, alpha)
        result[restored == 0] = 0  # nothing shows there: no need to keep noise in the file
        return replace(picture, color=result, alpha=restored)

    def _restored_exactly(
        self,
        picture: Picture,
        others: Mapping[str, Tensor],
        options: Mapping[str, Any],
        tell: Tell,
        planned: Planned,
    ) -> Picture:
        """By a task that leaves alpha alone and, where it is exact, what it does not change."""
        color, alpha = picture.color, picture.alpha
        inputs = {"image": self._tensor(color), **others}
        if alpha is not None:
            inputs["alpha"] = self._tensor(alpha[..., None])
        at = chain(tell)
        plan = self._plan(inputs, options, at, said(picture))
        planned(plan)
        check_room(plan.size, color.shape[2] * picture.depth // 8)
        result = self._planes(plan, color, picture.depth, at(-1))
        if alpha is None:
            return replace(picture, color=result)
        opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1
        shape = np.full(plan.size, opaque, alpha.dtype)
        if not plan.opaque:
            whole = plan.areas is None and tuple(plan.place) == (0, 0)  # in another size, perhaps
            laid(shape, resized_alpha(alpha, plan.size) if whole else alpha, plan.place)
        return replace(picture, color=result, alpha=shape)

    def _plan(
        self,
        inputs: Mapping[str, Tensor],
        options: Mapping[str, Any],
        at: Callable[[int], Tell],
        file: Mapping[str, Any] = _NOTHING,
    ) -> Plan:
        """The task's plan, after the stages it asks for, each of which tells at its depth."""

        def staged(restorer: Restorer, plan: Plan, picture: Tensor, depth: int) -> Tensor:
            restorer.budget = min(restorer.budget, self.budget)
            return restorer._staged(plan, picture, at(depth))

        return self.planned(inputs, options, staged, file)

    def planned(
        self,
        inputs: Mapping[str, Tensor],
        options: Mapping[str, Any],
        staged: Staged,
        file: Mapping[str, Any] = _NOTHING,
        depth: int = 0,
    ) -> Plan:
        """The task's plan; staged(restorer, plan, picture, depth) gives the result of each stage before.

        file: what the picture's file says of it (`said`). It notes the hashes of other tasks' weights
        that did a stage. PluginError where stages do not end.
        """
        prepare = self.hooks.restorekit_prepare
        answer = prepare(inputs=inputs, options=options, file=file)
        if isinstance(answer, Plan):
            return answer
        if depth == DEEPEST or "stage" in inputs:
            raise PluginError(
                f"plugin {self.listing}: restorekit_prepare asks for stage after stage without end",
                self.listing.name,
            )
        other = self._for(answer.task)
        own = answer.options if other is self else other.task.check_options(answer.options)
        same = answer.inputs["image"] is inputs["image"]
        before = other.planned(answer.inputs, own, staged, file if same else {}, depth + 1)
        result = staged(other, before, answer.inputs["image"], depth)
        plan = prepare(inputs={**inputs, "stage": result}, options=options, file=file)
        if not isinstance(plan, Plan):
            raise PluginError(
                f"plugin {self.listing}: restorekit_prepare asks for a stage of a picture that has been "
                "through one; count them in the stage's options",
                self.listing.name,
            )
        made = {name: fact for name, fact in before.note.items() if name.endswith(HASH)}
        if other is not self:
            made[other.task.name + HASH] = other.model.card.tensors_sha256
        return replace(plan, note={**plan.note, **made})

    def _for(self, name: str) -> Restorer:
        """Who restores a stage's picture: itself, or a task that is named, as it is by default."""
        if not name:
            return self
        if name not in self.others:
            loaded = plugins.load(name)
            if loaded.task.linear != self.task.linear:
                raise PluginError(
                    f"plugin {self.listing}: its stage is for {name}, whose pictures are "
                    f"{'light' if loaded.task.linear else 'not light'}",
                    self.listing.name,
                )
            fidelity = self.settings.fidelity if "sharp" in loaded.task.looks else 1.0
            own = {"fidelity": fidelity, "steps": None, "model": loaded.task.model}
            self.others[name] = Restorer(loaded, {}, replace(self.settings, **own))
        return self.others[name]

    def _staged(self, plan: Plan, picture: Tensor, tell: Tell) -> Tensor:
        """(1, 3, H, W): a stage's picture restored."""
        image = torch.empty(1, 3, *plan.size)
        image.copy_(_beneath(picture, plan))
        for box, x0 in self._windows(plan, tell):
            rows, columns = box.slices()
            image[..., rows, columns] = self.hooks.restorekit_finish(plan=plan, box=box, x0=x0)
        return image

    def _planes(self, plan: Plan, source: np.ndarray, depth: int, tell: Tell) -> np.ndarray:
        """(H, W, C) of the planned size, C as the source's: integers of a depth, or float32 for 32."""
        # Channels that are equal stay equal: grey that a camera or a scanner saved as RGB gets no tint.
        grey = all(np.array_equal(source[..., 0], source[..., c]) for c in range(source.shape[2]))
        dtype = {8: np.uint8, 16: np.uint16, 32: np.float32}[depth]
        result = np.empty((*plan.size, source.shape[2]), dtype)
        if plan.areas is not None:
            result[:] = 0
            laid(result, source if depth == 32 else quantise(source, depth), plan.place)

        def sampled(values: Tensor) -> np.ndarray:
            return self._samples(values.mean(1, keepdim=True) if grey else values, depth)

        for box, x0 in self._windows(plan, tell):
            finished = self.hooks.restorekit_finish(plan=plan, box=box, x0=x0)
            rows, columns = box.slices()
            part = result[rows, columns]
            samples = sampled(finished)
            if plan.areas is None:
                part[:] = samples
            else:  # what has not changed keeps the samples it had, whatever a float's last bit says
                before = sampled(self._tensor(part))
                np.copyto(part, samples, where=samples != before)
        return result

    def _regions(self, plan: Plan) -> list[Box]:
        return self.tiled(plan).regions(plan.size, self.runs(plan), _boxes(plan))

    def tiled(self, plan: Plan) -> Engine:
        """The engine on the cells of a plan, in tiles for which there is memory."""
        config, tile = self.model.config.on(plan.cell), self.settings.tile
        asked = tile_budget(tile, config) if tile else self.budget
        return replace(self.engine, budget=min(asked, self.budget), **grid(config))

    def _windows(self, plan: Plan, tell: Tell) -> Iterator[tuple[Box, Tensor]]:
        """The windows of a plan with their x0; each is told of when it has been put away."""

        def condition(box: Box) -> Condition:
            known = self.hooks.restorekit_condition(plan=plan, box=box)
            if wrong := misfit(known, self.model):
                words = f"plugin {self.listing}: its condition {wrong}"
                raise PluginError(words, self.listing.name)
            return known

        def correct(box: Box, x0_hat: Tensor, t: float) -> Tensor:
            return self.hooks.restorekit_correct(plan=plan, box=box, x0_hat=x0_hat, t=t)

        corrects = not self.hooks.restorekit_correct.is_default
        observed = bool(self.hooks.restorekit_step.get_hookimpls())
        whole = Box(0, 0, *plan.size)
        done, total = 0, sum(region.clip(whole).pixels for region in self._regions(plan))
        for box, x0 in self.tiled(plan).restore(
            plan.size,
            self.runs(plan),
            condition,
            areas=_boxes(plan),
            correct=correct if corrects else None,
            strength=self.settings.strength,
            seed=self.settings.seed,
            watch=(lambda event: self.hooks.restorekit_step(event=event)) if observed else None,
        ):
            yield box, x0
            done += box.pixels
            tell(done, total)

    def runs(self, plan: Plan | None = None) -> list[Run]:
        """The samplings whose weighted mean is the result, as a plan wants them."""
        jump = plan.jump if plan else None
        added = self.hooks.restorekit_samplers()
        return sampling.looks(self.model.card, self.settings, added, jump)


def _boxes(plan: Plan) -> list[Box] | None:
    return None if plan.areas is None else [Box(*area) for area in plan.areas]


def _beneath(image: Tensor, plan: Plan) -> Tensor:
    """What a stage's result is where nothing is restored: its picture, where there are areas."""
    if plan.areas is None:
        return torch.zeros(())
    beneath = torch.zeros(1, image.shape[1], *plan.size)
    top, left = plan.place
    beneath[..., top : top + image.shape[-2], left : left + image.shape[-1]] = image
    return beneath


def laid(canvas: np.ndarray, image: np.ndarray, place: tuple[int, int]) -> None:
    """Put an image (h, w, …) into a larger one at (top, left), in place."""
    canvas[place[0] : place[0] + image.shape[0], place[1] : place[1] + image.shape[1]] = image
