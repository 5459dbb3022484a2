"""Take the noise out of path-traced renders, guided by albedo and normals where there are any.

The names, ranges and conventions are those of Open Image Denoise: the picture is linear light in
[0, ∞), albedo lies in [0, 1], normals in [−1, 1]; exposure is found over the whole picture. The noisy
render — divided by the albedo, in a logarithmic transfer — is the source of the path (noisy-image
guidance); it, the logarithm of what it was divided by and the normals are concatenated.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restorekit as rk

if TYPE_CHECKING:
    from torch import Tensor

TASK = rk.Task(
    name="denoise-render",
    summary="Take the noise out of path-traced renders, guided by albedo and normals",
    options=(
        rk.Option(
            "prefilter",
            str,
            "none",
            "Smooth noisy albedo and normals first: a little or thoroughly.",
            choices=("none", "fast", "accurate"),
        ),
        rk.Option("clean_aux", bool, False, "Albedo and normals hold no noise: no prefilter."),
        rk.Option("input_scale", str, "auto", "What light is multiplied by: auto, or a number."),
        rk.Option("ldr", bool, False, "The picture is display-coded (sRGB) in [0, 1], not light."),
        rk.Option("layer", str, "", "The layer to denoise, where an EXR's beauty is not meant."),
        rk.Option("passes", bool, False, "Denoise an EXR's light passes too; they still add up."),
    ),
    companions=(
        rk.Input(
            "albedo",
            "Colours of surfaces without light, in [0, 1]: a file, a folder, or layer:NAME.",
            words="layer:.+",
        ),
        rk.Input(
            "normal",
            "Normals of surfaces, in [-1, 1]: a file, a folder, or layer:NAME.",
            words="layer:.+",
        ),
    ),
    model="denoise-render",
    linear=True,
    degradations=(
        rk.Degradation(
            "paths",
            "Noise as of few paths a pixel, which find the light or not.",
            (rk.Option("samples", int, 32, "Paths a pixel.", minimum=1),),
        ),
    ),
)


@rk.hookimpl
def restorekit_task() -> rk.Task:
    """The declaration of `restorekit denoise-render`."""
    return TASK


@rk.hookimpl
def restorekit_models() -> Mapping[str, Path]:
    """The weights in this package, once they are trained."""
    weights = Path(__file__).parent / "weights" / "denoise-render.safetensors"
    return {"denoise-render": weights} if weights.exists() else {}


@rk.hookimpl
def restorekit_prepare(inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> rk.Plan:
    """The picture repaired, its exposure, and the guides, ready for the network."""
    from restorekit_render.plan import plan

    return plan(inputs, options)


@rk.hookimpl
def restorekit_condition(plan: rk.Plan, box: rk.Box) -> rk.Condition:
    """The noisy render as source; it, its divisor's logarithm and normals concatenated."""
    from restorekit_render.plan import condition

    return condition(plan, box)


@rk.hookimpl
def restorekit_finish(plan: rk.Plan, box: rk.Box, x0: Tensor) -> Tensor:
    """Back to light: (N, 3, H, W) in [0, ∞), or in [0, 1] for a display-coded picture.

    Where the render itself is below 0, the result may be, but no further.
    """
    from restorekit_render.plan import finish

    return finish(plan, box, x0)


@rk.hookimpl
def restorekit_degrade(
    clean: Tensor, options: Mapping[str, Any], seed: int
) -> Mapping[str, Tensor]:
    """Noisy renders from clean pictures."""
    from restorekit_render.degrade import degrade

    return {"image": degrade(clean, options, seed)}
