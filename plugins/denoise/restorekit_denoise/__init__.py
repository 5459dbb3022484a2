"""Take noise out of photographs, and soften JPEG artefacts.

The noisy image is the source of the path and is concatenated to the network's input; the network is
told nothing of the noise (blind) and takes all of it out in one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:
    from torch import Tensor

TASK = rk.Task(
    name="denoise",
    summary="Take noise out of photographs, and soften JPEG artefacts",
    model="denoise",
    looks=("faithful", "sharp"),
    degradations=(
        rk.Degradation("blind", "Each image its own: noise, JPEG, both, or nothing."),
        rk.Degradation(
            "gaussian",
            "White Gaussian noise.",
            (
                rk.Option("sigma", float, 25.0, "Deviation, of 255.", minimum=0.0, maximum=255.0),
                rk.Option("rounded", bool, True, "Clipped and rounded to 8 bits."),
            ),
        ),
        rk.Degradation(
            "sensor",
            "Noise that grows with brightness, as a camera's.",
            (
                rk.Option("read", float, 5.0, "Deviation in black, of 255.", minimum=0.0),
                rk.Option("shot", float, 20.0, "What white has more, of 255.", minimum=0.0),
            ),
        ),
        rk.Degradation(
            "jpeg",
            "JPEG compression.",
            (rk.Option("quality", int, 20, "libjpeg's, 1 to 100.", minimum=1, maximum=100),),
        ),
    ),
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit denoise`."""
    return TASK


@rk.hookimpl
def restorekit_models() -> Mapping[str, Path]:
    """The weights in this package."""
    return {"denoise": Path(__file__).parent / "weights" / "denoise.safetensors"}


@rk.hookimpl
def restorekit_prepare(inputs: Mapping[str, Tensor]) -> rk.Plan:
    """The picture's own size; the noise found in it, for the report."""
    from restorekit_denoise.level import noise_level

    image = inputs["image"]
    size = (image.shape[-2], image.shape[-1])
    return rk.Plan(size, {"noise": noise_level(image)}, image)


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """A window of the noisy image: source and concatenated image in one."""
    rows, columns = box.slices()
    noisy = plan.state[..., rows, columns]
    return rk.Condition(noisy, concat=noisy)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Noisy images from clean ones."""
    from restorekit_denoise.degrade import degrade

    return {"image": degrade(clean, options, seed)}
