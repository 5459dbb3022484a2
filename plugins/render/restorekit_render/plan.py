"""The task's hooks at work: light to the network's numbers, windows of them, and back to light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import restorekit as rk
from restorekit_render import guides, transfer

_OVERSHOOT = 1.1  # above white, by which a display-coded float may ring; it is cut off


def plan(inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> rk.Plan:
    """Everything that the windows need. inputs: image, albedo and normal, (N, 3, H, W).

    Raises UsageError for passes of another size than the picture's, for a scale that is none, and for
    light that is called display-coded.
    """
    image, broken = guides.repaired(inputs["image"])
    if options["ldr"]:
        _check_display(image)
    size = (image.shape[-2], image.shape[-1])
    light = transfer.from_display(image.clamp(0, 1)) if options["ldr"] else image
    note: dict[str, float | str] = {"repaired": float(broken)} if broken else {}
    smooth = options["prefilter"] != "none" and not options["clean_aux"]
    reach = guides.PREFILTERS[options["prefilter"]] if smooth else 0
    albedo = _guide(inputs, "albedo", reach, note)
    normal = _guide(inputs, "normal", reach, note)
    divisor = torch.ones_like(light) if albedo is None else transfer.divisor(albedo)
    if not guides.belongs(divisor, light):
        albedo, normal, divisor = None, None, torch.ones_like(light)
        note["albedo"] = "the albedo is not of this picture; it and the normals were left out"
    least = light.clamp_max(0)
    light = light / divisor
    scale = _scale(options["input_scale"], light)
    source = transfer.encode(light * scale)
    shown = None if albedo is None else transfer.shown(divisor)
    known = [torch.zeros_like(source) if guide is None else guide for guide in (shown, normal)]
    note["exposure"] = round(math.log2(float(scale.flatten()[0])), 3)
    state = {
        "source": source,
        "concat": torch.cat([source, *known], 1),
        "factor": divisor / scale,
        "least": least,
        "numbers": {"albedo": float(albedo is not None), "normal": float(normal is not None)},
        "ldr": options["ldr"],
    }
    return rk.Plan(size, note, state)


def _guide(
    inputs: Mapping[str, Tensor],
    name: str,
    reach: int,
    note: dict[str, float | str],
) -> Tensor | None:
    """A pass, checked and, with a reach, prefiltered; what was wrong with it is noted."""
    if name not in inputs:
        return None
    given, size = inputs[name], inputs["image"].shape[-2:]
    if given.shape[-2:] != size:
        found, wanted = (f"{shape[1]} x {shape[0]}" for shape in (given.shape[-2:], size))
        raise rk.UsageError(
            f"the {name} is {found} pixels and the picture {wanted}; render both alike"
        )
    check = guides.checked_albedo if name == "albedo" else guides.checked_normal
    guide, wrong = check(guides.repaired(given)[0])
    if wrong:
        note[name] = wrong
    return guides.prefiltered(guide, reach) if reach else guide


def _check_display(image: Tensor) -> None:
    """UsageError for what is no display's: cut to [0, 1], its light would be lost without a word."""
    top = float(image.amax())
    if top > _OVERSHOOT:
        raise rk.UsageError(
            f"--ldr is for pictures that are display-coded in [0, 1], and this one reaches {top:.4g}: "
            "it is light, so leave --ldr out"
        )


def _scale(given: str, light: Tensor) -> Tensor:
    """What light is multiplied by, (N, 1, 1, 1) or (1, 1, 1, 1)."""
    if given == "auto":
        return transfer.exposure(light)
    try:
        scale = float(given)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        raise rk.UsageError(f"--input-scale {given!r}: write auto, or a number above 0")
    return light.new_full((1, 1, 1, 1), scale)


def condition(made: rk.Plan, box: rk.Box) -> rk.Condition:
    """A window of the source and of what is concatenated."""
    rows, columns = box.slices()
    source, concat = (made.state[name][..., rows, columns] for name in ("source", "concat"))
    return rk.Condition(source, concat=concat, numbers=made.state["numbers"])


def finish(made: rk.Plan, box: rk.Box, x0: Tensor) -> Tensor:
    """The window as light, nowhere below 0 and the render; display-coded where the picture was."""
    rows, columns = box.slices()
    factor, least = (
        made.state[name][..., rows, columns].to(x0.device) for name in ("factor", "least")
    )
    light = transfer.decode(x0) * factor
    if light.requires_grad:  # what is cut off keeps its gradient: it must get out of there
        light = light + (least - light).detach().clamp_min(0)
    else:
        light = torch.maximum(light, least, out=light)
    return transfer.to_display(light.clamp(0, 1)) if made.state["ldr"] else light
