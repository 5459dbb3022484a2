"""Noisy renders made of clean pictures, to try the task where no renders are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from restorekit_render import transfer


def degrade(clean: Tensor, options: Mapping[str, Any], seed: int) -> Tensor:
    """Clean pictures (N, C, H, W) in [−1, 1] as few paths a pixel would render them.

    How many paths find the light is drawn by Poisson's law, of mean `samples`; a pixel is that number
    over `samples` times as bright, in all its colours alike. It stands for a renderer's noise, which
    depends on the scene. The picture's values are light, or with `ldr` a display's, cut off at 1.
    """
    values = (clean + 1) / 2
    light = transfer.from_display(values) if options["ldr"] else values
    rate = light.new_full((len(light), 1, *light.shape[-2:]), float(options["samples"]))
    generator = torch.Generator(clean.device).manual_seed(seed)
    noisy = light * (torch.poisson(rate, generator) / rate)
    return 2 * (transfer.to_display(noisy.clamp(0, 1)) if options["ldr"] else noisy) - 1
