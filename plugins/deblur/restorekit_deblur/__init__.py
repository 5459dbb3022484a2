"""Undo a blur: Gaussian, out of focus, motion, or a picture of the point spread; found where not known.

Half-quadratic splitting (Zhang 2021, DPIR) with restorekit's denoiser as the prior: each of a few stages
solves for the picture that agrees with what was measured and is near the stage before, puts back some
noise (Zhu 2023, DiffPIR), and has the denoiser take it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:
    from torch import Tensor

TASK = rk.Task(
    name="deblur",
    summary="Undo a blur, known or found in the picture",
    options=(
        rk.Option(
            "shape",
            str,
            None,
            "Of the blur; by default it is found in the picture.",
            choices=("gaussian", "disc", "motion"),
        ),
        rk.Option(
            "blur",
            float,
            None,
            "In pixels: a Gaussian's deviation, a disc's radius, a motion's length; by default it is "
            "found in the picture.",
            minimum=0.1,
            maximum=60.0,
        ),
        rk.Option(
            "angle",
            float,
            None,
            "Of a motion, in degrees, counter-clockwise from the right; by default it is found in the "
            "picture.",
            minimum=-360.0,
            maximum=360.0,
        ),
        rk.Option(
            "noise",
            float,
            None,
            "Its deviation, of 255; by default it is measured in the picture.",
            minimum=0.0,
            maximum=50.0,
        ),
        rk.Option("iterations", int, 8, "More take longer.", minimum=1, maximum=16),
    ),
    companions=(
        rk.Input("kernel", "Picture of the point spread: one file for all, or a folder of them."),
    ),
    model="denoise",
    degradations=(
        rk.Degradation(
            "blurred",
            "Blurred as the options say, with white noise, rounded to 8 bits.",
            (rk.Option("level", float, 2.0, "The noise's deviation, of 255.", minimum=0.0),),
        ),
    ),
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit deblur`."""
    return TASK


@rk.hookimpl
def restorekit_prepare(
    inputs: Mapping[str, Tensor], options: Mapping[str, Any]
) -> rk.Plan | rk.Stage:
    """The source of the next denoising, after the stage before it; the first starts from the picture.

    options: the task's, and in stages "iteration", which of them this is, with the blur that was found.
    """
    from restorekit_deblur import estimate, kernels, splitting

    image, last = inputs["image"], options["iterations"]
    iteration, noise = options.get("iteration", last), options["noise"]
    seen, found, known = None, None, {}
    if "kernel" not in inputs:
        seen = estimate.completed(image, options["shape"], options["blur"], options["angle"])
        found = seen or estimate.SHARP
        known = dict(zip(("shape", "blur", "angle"), found, strict=True))
    noise = splitting.noise_level(image) if noise is None else noise
    size, facts = (image.shape[-2], image.shape[-1]), {**known, "noise": round(noise, 2)}
    # A picture that cannot tell, as a black one, decides nothing for its alpha and further frames.
    decided = (known if seen else {}) | ({"noise": noise} if noise else {})
    if found == estimate.SHARP:
        return rk.Plan(size, facts, image, areas=(), settled=decided)  # it stays as it is
    if iteration > 1 and "stage" not in inputs:
        return rk.Stage(inputs, {**options, **known, "iteration": iteration - 1})
    kernel = kernels.of_shape(*found) if found else kernels.of_picture(inputs["kernel"])
    level = splitting.levels(noise, last)[iteration - 1]
    source = splitting.solved(image, inputs.get("stage", image), kernel, noise / level)
    source = splitting.noised(source, level, iteration)
    return rk.Plan(size, facts, source, settled=decided)


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """A window of the stage's noisy picture: source and concatenated image in one."""
    rows, columns = box.slices()
    noisy = plan.state[..., rows, columns]
    return rk.Condition(noisy, concat=noisy)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Blurred and noisy images from clean ones; beyond their edges these are repeated."""
    import torch

    from restorekit_deblur import kernels

    shape, angle = options["shape"] or "gaussian", options["angle"] or 0.0
    kernel = kernels.of_shape(shape, options["blur"] or 1.6, angle)
    draw = torch.Generator(clean.device).manual_seed(seed)
    noise = torch.randn(clean.shape, generator=draw, device=clean.device)
    blurred = kernels.convolved(clean, kernel)
    return {"image": rk.to_levels(blurred + options["level"] / 127.5 * noise)}
