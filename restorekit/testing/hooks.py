"""Promises of single hooks, tried by calling them: options, windows, corrections, degradations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restorekit.engine.conditioning import Condition
from restorekit.engine.tiles import Box
from restorekit.errors import PluginError, RestoreError, UsageError
from restorekit.task import Option, Plan
from restorekit.testing.promise import Broken, NotTried, Promise, demand
from restorekit.testing.subject import Subject, clean_batch, planned, restored, small

NEARLY = 1e-6  # what the last bit of a vectorised function may change
TIMES = (1.0, 0.5)  # of a look's first step, which may be its only one, and of a later one
BEYOND = 3.0  # how far noise may lead a degraded image out of [−1, 1]
_UNLIKELY = 0x5EED_CAFE  # a seed


def declared(subject: Subject) -> str:
    """Every option has a help, every look is the model's, every hook is marked as one."""
    for name in _unmarked(subject):
        demand(False, f"{name} lacks @restorekit.hookimpl and is never called")
    for option in subject.task.options:
        demand(bool(option.help.strip()), f"option {option.name} has no help")
    card = subject.usual.model.card
    missing = [look for look in subject.task.looks if look not in card.looks]
    demand(
        not missing,
        f"the task declares the look {missing[:1]} and model {card.name} has "
        f"{', '.join(card.looks)}",
    )
    summary = subject.loaded.listing.summary
    demand(bool(summary), "the module's docstring is missing; its first line is the task's summary")
    names = ", ".join(option.name for option in subject.task.options) or "none"
    return f"options: {names}; looks: {', '.join(subject.task.looks)}"


def _unmarked(subject: Subject) -> list[str]:
    """The plugin's functions that have a hook's name and are none."""
    hooks = {name: hook.get_hookimpls() for name, hook in vars(subject.loaded.hooks).items()}
    own = str(subject.loaded.listing)
    plugin = next(i.plugin for i in hooks["restorekit_task"] if i.plugin_name == own)
    named = [name for name in hooks if callable(getattr(plugin, name, None))]
    return [name for name in named if all(i.plugin_name != own for i in hooks[name])]


def options_work(subject: Subject) -> str:
    """Every value an option allows gives a result or a sentence, and so does an image left out; every
    other value gives a UsageError."""
    case, tried = small(subject.usual_case, 24, 20), 0
    for companion in subject.task.companions:
        if companion.name in case.inputs and not companion.required:
            tried += 1
            kept = {name: image for name, image in case.inputs.items() if name != companion.name}
            try:
                restored(subject.usual, replace(case, inputs=kept))
            except UsageError:
                pass  # it is a sentence: another image may be wanted with it
            except PluginError as error:
                demand(False, f"without {companion.name}: {error}")
    for option in subject.task.options:
        for value in _allowed(option):
            tried += 1
            try:
                restored(subject.restorer(**{option.name: value}), case)
            except PluginError as error:
                demand(False, f"with {option.name}={value!r}: {error}")
            except RestoreError:
                pass  # it is a sentence: some values do not fit a small picture, or any machine
        for value in _refused(option):
            tried += 1
            try:
                subject.task.check_options({option.name: value})
            except UsageError:
                continue
            demand(False, f"{option.name}={value!r} is accepted")
    if not tried:
        raise NotTried("the task has no options")
    count = len(subject.task.options) + len(subject.task.companions)
    return f"{tried} values of {count} options"


def _allowed(option: Option) -> Iterator[Any]:
    if option.kind is bool:
        yield from (True, False)
    yield from option.choices
    if option.kind in (int, float):
        if np.isfinite(option.minimum) and not option.open_minimum:
            yield option.minimum
        if np.isfinite(option.maximum):
            yield option.maximum


def _refused(option: Option) -> Iterator[Any]:
    yield object()
    if option.choices:
        yield "none of the choices"
    if option.kind in (int, float):
        yield from ("words", float("nan"), float("inf"))
        yield from (v for v in (option.minimum - 1, option.maximum + 1) if np.isfinite(v))


def options_are_read(subject: Subject) -> str:
    """Some hook has asked for each option by now."""
    if not subject.task.options:
        raise NotTried("the task has no options")
    if subject.degrades:
        for degradation in subject.task.degradations:
            subject.case(degradation=degradation.name, size=(64, 64))
    unread = [o.name for o in subject.task.options if o.name not in subject.read]
    demand(not unread, f"no hook has read the option {unread[:1]}: it changes nothing")
    return f"all {len(subject.task.options)}"


def windows_agree(subject: Subject) -> str:
    """The condition of a window is the crop of the condition of the whole, bit for bit; with every
    choice and flag of the task, too."""
    plan = planned(subject.usual, subject.usual_case)
    _agree(subject, plan, "")
    case = small(subject.usual_case, 96, 80)
    for option in subject.task.options:
        for value in _allowed(option) if option.choices or option.kind is bool else ():
            if value == option.default:
                continue
            try:
                other = planned(subject.restorer(**{option.name: value}), case)
            except PluginError as error:
                demand(False, f"with {option.name}={value!r}: {error}")
            except RestoreError:
                continue  # it is a sentence: the value may not fit the picture
            else:
                _agree(subject, other, f"with {option.name}={value!r}, ")
    return f"{len(_windows(plan.size))} windows of {plan.size[0]} x {plan.size[1]}"


def _agree(subject: Subject, plan: Plan, given: str) -> None:
    everything = Box(0, 0, *plan.size)

    def condition(box: Box) -> Condition:
        try:
            return subject.loaded.hooks.restorekit_condition(plan=plan, box=box)
        except RestoreError as error:
            raise Broken(f"{given}window {tuple(box)}: {error}") from error

    whole = condition(everything)
    for box in _windows(plan.size):
        different = _difference(condition(box), whole.crop(*box))
        demand(not different, f"{given}{different} of window {tuple(box)} is not the whole's crop")
    again = _difference(condition(everything), whole)
    demand(not again, f"{given}the same window answers differently when asked again")


def _windows(size: tuple[int, int]) -> list[Box]:
    height, width = size
    return [
        Box(0, 0, 1, 1),
        Box(height - 1, width - 1, 1, 1),
        Box(0, width // 3, height, max(1, width // 5)),
        Box(height // 2, 0, max(1, height // 7), width),
        Box(height // 3, width // 4, max(1, height // 2), max(1, width // 2)),
    ]


def _difference(part: Condition, crop: Condition) -> str:
    """The name of what differs between two conditions, "" where nothing does."""
    pairs: dict[str, tuple[Any, Any]] = {
        "the source": (part.source, crop.source),
        "the concatenated image": (part.concat, crop.concat),
        "t_start": (part.t_start, crop.t_start),
        "the set of numbers": (dict(part.numbers), dict(crop.numbers)),
    }
    for number, name in enumerate(("known values", "known mask")):
        pairs[name] = tuple(c.known[number] if c.known else None for c in (part, crop))  # type: ignore[assignment]
    return next((name for name, pair in pairs.items() if not _same(*pair)), "")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and one == other


def corrections_are_pointwise(subject: Subject) -> str:
    """correct and finish give the same pixel in a window as in the whole picture."""
    hooks = subject.loaded.hooks

    def corrected(t: float) -> Callable[..., Tensor]:
        return lambda plan, box, image: hooks.restorekit_correct(
            plan=plan, box=box, x0_hat=image, t=t
        )

    def finished(plan: Plan, box: Box, image: Tensor) -> Tensor:
        return hooks.restorekit_finish(plan=plan, box=box, x0=image)

    calls: dict[str, list[Callable[..., Tensor]]] = {
        "restorekit_correct": [corrected(t) for t in TIMES],
        "restorekit_finish": [finished],
    }
    own = [name for name in calls if not getattr(hooks, name).is_default]
    if not own:
        raise NotTried("the task leaves correct and finish out")
    plan = planned(subject.usual, subject.usual_case)
    known = hooks.restorekit_condition(plan=plan, box=Box(0, 0, *plan.size))
    image = known.source + 0.1 * torch.sin(7 * known.source)  # an estimate near the source
    for name in own:
        off = max(_window_error(call, plan, image) for call in calls[name])
        demand(off <= NEARLY, f"{name} differs by {off:.2g} between a window and the whole")
    return " and ".join(name.removeprefix("restorekit_") for name in own)


def _window_error(call: Callable[..., Tensor], plan: Plan, image: Tensor) -> float:
    """How far a hook's answer for a window is from the same pixels of its answer for the whole."""
    whole, off = call(plan, Box(0, 0, *plan.size), image.clone()), 0.0
    for box in _windows(plan.size):
        rows, columns = box.slices()
        part = call(plan, box, image[..., rows, columns].clone())
        off = max(off, float((part - whole[..., rows, columns]).abs().max()))
    return off


def degrades(subject: Subject) -> str:
    """Degradations make the task's inputs, seeded, each image from its own clean image alone."""
    if not subject.degrades:
        raise NotTried("the task has no restorekit_degrade: it can be neither trained nor scored")
    clean = clean_batch(2)
    other = torch.cat([clean[:1], -clean[1:]])
    for degradation in subject.task.degradations:
        options, place = subject.options(degradation.name), f"degradation {degradation.name}"

        def made(images: Tensor, options: Any = options) -> Any:
            return subject.loaded.hooks.restorekit_degrade(clean=images, options=options, seed=7)

        given = clean.clone()
        with _own_randomness(place):
            first = made(given)
        demand(torch.equal(given, clean), f"{place} writes into the clean images")
        named = {*subject.task.inputs, "stage"}
        strange = sorted(set(first) - named)
        demand("image" in first, f"{place} makes no input 'image'")
        demand(not strange, f"{place} makes the input {strange[:1]}, which the task does not take")
        second, third = made(clean), made(other)
        for name, images in first.items():
            _check_images(images, f"{name} of {place}")
            demand(torch.equal(images, second[name]), f"{place} is not decided by its seed")
            alone = torch.equal(images[0], third[name][0])
            demand(alone, f"{place}: an image of a batch depends on another one's pixels")
    return ", ".join(degradation.name for degradation in subject.task.degradations)


def _check_images(images: Tensor, place: str) -> None:
    demand(images.dtype == torch.float32, f"{place} is {images.dtype}, not torch.float32")
    demand(bool(images.isfinite().all()), f"{place} is not finite")
    reach = float(images.abs().max())
    demand(reach <= BEYOND, f"{place} reaches {reach:.3g}; the range is [−1, 1]")


@contextmanager
def _own_randomness(place: str) -> Iterator[None]:
    """Refuse what draws from, or seeds, a random generator that others use."""
    with _unlikely_states():
        before = torch.get_rng_state(), _numpy_state(), random.getstate()
        yield
        after = torch.get_rng_state(), _numpy_state(), random.getstate()
    demand(torch.equal(before[0], after[0]), f"{place} uses torch's global random generator")
    demand(before[1] == after[1], f"{place} uses numpy's global random generator")
    demand(before[2] == after[2], f"{place} uses the global generator of module random")


@contextmanager
def _unlikely_states() -> Iterator[None]:
    """The global generators as no plugin seeds them: what an earlier call has seeded, the next one would
    leave as it was."""
    numpys, pythons = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_UNLIKELY)
            np.random.seed(_UNLIKELY)
            random.seed(_UNLIKELY)
            yield
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


def _numpy_state() -> tuple[list[int], int]:
    """Its numbers, and how many of them are drawn already."""
    _, numbers, position, *_ = np.random.get_state()
    return numbers.tolist(), position  # type: ignore[union-attr, return-value]


def draws_its_own(subject: Subject) -> str:
    """A restoration leaves every global random generator as it was."""
    with _own_randomness("the task"):
        restored(subject.restorer(), subject.usual_case)
    return "torch's, numpy's and random's"


PROMISES = (
    Promise(
        "declaration", "options have a help, looks are the model's", "The declaration", declared
    ),
    Promise("options", "an option's value gives a result or one sentence", "Options", options_work),
    Promise(
        "windows",
        "a window's condition is the crop of the whole's",
        "The rule of windows",
        windows_agree,
    ),
    Promise(
        "corrections",
        "correct and finish work pixel by pixel",
        "restorekit_correct",
        corrections_are_pointwise,
    ),
    Promise(
        "degradation",
        "degraded images are seeded, in range, of their own",
        "restorekit_degrade",
        degrades,
    ),
    Promise("options read", "every declared option is used", "Options", options_are_read),
    Promise(
        "randomness", "no global random generator is used", "restorekit_degrade", draws_its_own
    ),
)
