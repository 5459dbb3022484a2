"""Promises of whole results: sizes, kinds, tiles, batches, seeds, workers, devices, gain."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import torch

from restorekit import device as devices
from restorekit.engine.tiles import Box, round_up
from restorekit.errors import ImageError, RestoreError, UsageError
from restorekit.evaluation.baselines import resized_by
from restorekit.evaluation.cases import Case, as_rgb
from restorekit.images import Picture, from_array, quantise, to_like
from restorekit.jobs.checks import check_result
from restorekit.jobs.samples import to_samples
from restorekit.metrics.pixels import psnr
from restorekit.testing.promise import Broken, NotTried, Promise, demand
from restorekit.testing.subject import (
    SIDE,
    Subject,
    companions,
    planned,
    restored,
    small,
    subject,
)

SIZES = ((1, 1), (1, 7), (9, 1), (2, 3), (17, 31), (37, 20))
NARROW = 64  # the shorter side of a strip, of which its longer one is a multiple
PICTURES = 3  # on which the gain is a mean
ON_GPU = 0.99  # the share of samples that may not differ by more than one level


def any_size(subject: Subject) -> str:
    """Pictures of any size are restored, and all are enlarged by the same factor."""
    case = subject.usual_case
    result = restored(subject.usual, case)
    ratio = result.height / case.picture.height, result.width / case.picture.width
    scale = subject.task.check_options({}).get("scale")
    if isinstance(scale, int | float) and not isinstance(scale, bool):
        demand(
            max(abs(r - scale) for r in ratio) < 0.1, f"scale {scale:g} enlarges {ratio[0]:g} times"
        )
    for height, width in SIZES:
        part = small(case, height, width)
        try:
            made = restored(subject.usual, part)
        except UsageError:
            if subject.task.companions:
                continue  # a mask that is nowhere black, and the like: it is a sentence
            raise
        off = abs(made.height - ratio[0] * height), abs(made.width - ratio[1] * width)
        demand(
            max(off) <= max(1, *ratio), f"{height} x {width} becomes {made.height} x {made.width}"
        )
    return ", ".join(f"{height}x{width}" for height, width in SIZES)


def any_kind(subject: Subject) -> str:
    """Grey, RGB and alpha, of 8 and 16 bits and floats, come back as they came."""
    case = small(subject.usual_case, 24, 20)
    rgb = as_rgb(case.picture)
    alpha = np.linspace(0, 255, rgb[..., :1].size).reshape(rgb[..., :1].shape).astype(np.uint8)
    grey = rgb.mean(2).astype(np.uint8)
    kinds = {
        "grey": grey,
        "grey and alpha": np.concatenate([grey[..., None], alpha], 2),
        "RGB": rgb,
        "RGBA": np.concatenate([rgb, alpha], 2),
        "16-bit grey": grey.astype(np.uint16) * 257,
        "16-bit RGB": rgb.astype(np.uint16) * 257,
        "float": rgb.astype(np.float32) / 255,
    }
    for name, pixels in kinds.items():
        before = pixels.copy()
        made = subject.usual(from_array(pixels), companions=companions(subject.task, case))
        result = to_like(made, pixels)
        demand(np.array_equal(before, pixels), f"{name}: the picture given was changed")
        same = result.dtype == pixels.dtype and result.shape[2:] == pixels.shape[2:]
        demand(same, f"{name}: {pixels.dtype} {pixels.shape} becomes {result.dtype} {result.shape}")
    return ", ".join(kinds)


def looks_like_the_picture(subject: Subject) -> str:
    """The result is not flat and not far off, as what a broken network makes is."""
    if subject.task.exact:
        raise NotTried("the task is exact, and may fill a picture with anything")
    result = restored(subject.usual, subject.usual_case)
    try:
        check_result(subject.usual_case.picture, result)
    except ImageError as error:
        raise Broken(str(error).partition(";")[0]) from error
    return "neither flat nor far off"


def tiles_do_not_show(subject: Subject) -> str:
    """The result is bit-equal in the smallest tiles, and several to a call."""
    made = subject.usual
    multiple = made.tiled(planned(made, subject.usual_case)).multiple
    for case in _strips(subject):
        made = subject.restorer()
        expected = restored(made, case)
        made.budget = 1
        _equal(restored(made, case), expected, "in the smallest tiles the result differs")
        made.engine = replace(made.engine, batch=3)
        _equal(restored(made, case), expected, "with three tiles a call the result differs")
    return f"tiles of {multiple}, one and three a call"


def _strips(subject: Subject) -> Iterator[Case]:
    """A wide picture and a tall one, so long that the smallest tiles with their margins see a part."""
    made = subject.usual
    result = restored(made, subject.usual_case)
    engine = made.tiled(planned(made, subject.usual_case))
    needed = 2 * engine.multiple + engine.margin
    height, width = (
        round_up(-(-needed * SIDE // side), NARROW) for side in (result.height, result.width)
    )
    yield subject.case(size=(NARROW, width))
    yield subject.case(size=(height, NARROW))


def is_determined(subject: Subject) -> str:
    """The same seed gives the same result: again, after another picture, and made anew."""
    case = subject.usual_case
    for look in subject.task.looks:
        made = subject.restorer(look=look, seed=5)
        expected = restored(made, case)
        restored(made, small(case, 11, 13))
        _equal(restored(made, case), expected, f"{look}: after another picture the result differs")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1234567)
            anew = restored(subject.restorer(look=look, seed=5), case)
        _equal(anew, expected, f"{look}: made anew, the result differs")
    return f"looks {', '.join(subject.task.looks)}"


def _equal(result: Picture, expected: Picture, otherwise: str) -> None:
    shapes = result.color.shape == expected.color.shape
    off = float(np.abs(result.color - expected.color).max()) if shapes else np.inf
    demand(off == 0, f"{otherwise} by up to {off:.3g} of the range")


def knows_what_is_known(subject: Subject) -> str:
    """Known pixels are in the result exactly, as samples of the picture's depth."""
    case = subject.usual_case
    plan = planned(subject.usual, case)
    box = Box(0, 0, *plan.size)
    condition = subject.loaded.hooks.restorekit_condition(plan=plan, box=box)
    if condition.known is None:
        raise NotTried("the condition says of no pixel that it is known")
    values, mask = condition.known
    result = restored(subject.usual, case)
    depth = case.picture.depth
    finished = subject.loaded.hooks.restorekit_finish(plan=plan, box=box, x0=values)
    expected = to_samples(finished, depth).astype(np.float64)
    made = quantise(result.color, depth) if depth < 32 else result.color
    off = np.abs(made.astype(np.float64) - expected)[mask[0, 0].numpy() > 0.5]
    demand(off.size > 0, "no pixel of its own degraded picture is known")
    demand(float(off.max()) == 0, f"{int((off.max(1) > 0).sum())} known pixels are changed")
    return f"{len(off)} pixels"


def works_in_workers(subject: Subject) -> str:
    """The declaration pickles, and another process makes the same result."""
    task = subject.task
    demand(pickle.loads(pickle.dumps(task)) == task, "the declaration does not survive pickling")
    expected = _digest(restored(subject.usual, subject.usual_case))
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            made = pool.submit(_in_worker, task.name, torch.get_num_threads()).result()
    except BrokenProcessPool as error:
        raise Broken("a process that restores ends before it is done") from error
    demand(made == expected, "another process makes another result")
    return "the same result in another process"


def _in_worker(name: str, threads: int) -> str:
    torch.set_num_threads(threads)
    examined = subject(name)
    return _digest(restored(examined.usual, examined.usual_case))


def _digest(picture: Picture) -> str:
    return hashlib.sha256(np.ascontiguousarray(picture.color).tobytes()).hexdigest()


def works_on_the_gpu(subject: Subject) -> str:
    """A GPU's result is the processor's but for a level."""
    if not devices.available("cuda"):
        raise NotTried("no GPU here")
    on_cpu, on_gpu = (
        quantise(restored(subject.restorer(device=device), subject.usual_case).color, 8).astype(int)
        for device in ("cpu", "cuda")
    )
    share = float((np.abs(on_cpu - on_gpu) <= 1).mean())
    demand(
        share >= ON_GPU, f"only {share:.1%} of the samples are within a level of the processor's"
    )
    return f"{share:.2%} of the samples within a level of the processor's"


def gains(subject: Subject) -> str:
    """On its usual degradation the task is nearer to the truth than doing nothing."""
    if not subject.degrades:
        raise Broken(
            "there is no restorekit_degrade, so that nobody can tell what the task is worth"
        )
    look = {"look": "faithful"} if "faithful" in subject.task.looks else {}
    made = subject.restorer(**look)
    cases = [subject.case(seed) for seed in range(PICTURES)]
    before = float(np.mean([_psnr(_nothing(case), case) for case in cases]))
    after = float(np.mean([_psnr(as_rgb(restored(made, case)), case) for case in cases]))
    seen = f"{before:.2f} dB to {after:.2f} dB on {PICTURES} pictures"
    demand(after > before, f"doing nothing is nearer to the truth: {seen}")
    return f"from {seen}"


def _nothing(case: Case) -> np.ndarray:
    height, width = case.truth.shape[:2]
    if (case.picture.height, case.picture.width) == (height, width):
        return as_rgb(case.picture)
    return resized_by("bicubic")(case, (height, width))


def _psnr(pixels: np.ndarray, case: Case) -> float:
    if pixels.shape != case.truth.shape:
        raise RestoreError(f"the result is {pixels.shape} and the truth {case.truth.shape}")
    return min(psnr(pixels, case.truth), 99.0)  # equal pictures are as good as any


PROMISES = (
    Promise("sizes", "any size from 1 x 1 up is restored", "restorekit_prepare", any_size),
    Promise(
        "kinds", "grey, RGB, alpha, 8 and 16 bits come through", "restorekit_prepare", any_kind
    ),
    Promise(
        "plausible",
        "the result looks like the picture",
        "restorekit_finish",
        looks_like_the_picture,
    ),
    Promise(
        "tiles",
        "tiles and batches never change the result",
        "The rule of windows",
        tiles_do_not_show,
    ),
    Promise(
        "determinism", "the same seed gives the same result", "The rule of windows", is_determined
    ),
    Promise(
        "known pixels", "known pixels come through exactly", "What a task says", knows_what_is_known
    ),
    Promise("workers", "it works in another process", "The declaration", works_in_workers),
    Promise("gpu", "a GPU gives the processor's result", "restorekit_condition", works_on_the_gpu),
    Promise("gain", "it is better than doing nothing", "restorekit_degrade", gains),
)
