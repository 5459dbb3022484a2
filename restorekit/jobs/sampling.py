"""How a picture is sampled: the runs of a model's looks, as a person has set them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restorekit.engine.editing import resampled
from restorekit.engine.loop import Run
from restorekit.engine.samplers import SAMPLERS, Sampler
from restorekit.engine.schedules import repaint_times, uniform_times
from restorekit.errors import UsageError
from restorekit.jobs.settings import Settings
from restorekit.models.card import Card


def looks(
    card: Card,
    settings: Settings,
    added: Sequence[Mapping[str, Sampler]],
    jump: tuple[int, int] | None = None,
) -> list[Run]:
    """The samplings whose weighted mean is the result: one look, or two between them.

    added: samplers by name beside `SAMPLERS`. jump: a plan's. UsageError where the model has no such
    look, its sampler is not here, or there are too few steps to jump back.
    """
    samplers = dict(SAMPLERS)
    for table in added:
        samplers.update(table)
    weights = {"faithful": settings.fidelity, "sharp": 1 - settings.fidelity}
    runs = []
    for name, weight in weights.items():
        if not weight:
            continue
        if name not in card.looks:
            raise UsageError(f"model {card.name} has no look {name}")
        look = card.looks[name]
        steps = settings.steps or look.steps
        if look.sampler not in samplers:
            raise UsageError(
                f"model {card.name} wants the sampler {look.sampler!r}, which is not here"
            )
        sampler, times = samplers[look.sampler], uniform_times(steps)
        if jump:
            if steps <= jump[0]:
                raise UsageError(
                    f"jumps back after every {jump[0]} steps need more steps than that, and there are "
                    f"{steps}; give --steps {5 * jump[0]}"
                )
            times = repaint_times(times, jump=jump[0], resamples=jump[1])
            sampler = resampled(SAMPLERS["ancestral"])
        start = look.start_noise if steps == 1 else 1.0
        # The first call may answer with a likely picture; the steps after it need the mean.
        later = dict(card.looks.get("faithful", look).numbers)
        runs.append(Run(sampler, times, dict(look.numbers), start, weight, later))
    return runs
