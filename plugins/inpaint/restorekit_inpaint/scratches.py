"""Scratches and dust on old photographs, proposed by classical filters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

REACH = 3  # pixels: half the widest scratch
THRESHOLD = 0.24  # of [−1, 1]: how far a scratch stands out from what is around it


def scratches(image: Tensor) -> Tensor:
    """(N, 1, H, W), 1 where images (N, 3, H, W) have thin things lighter or darker than around them.

    The top-hat and the bottom-hat of luma: what an opening or a closing by a square removes. Finds
    thin detail of the picture too: look at the mask before you trust it.
    """
    weights = torch.tensor([0.299, 0.587, 0.114], device=image.device)
    luma = torch.einsum("c,nchw->nhw", weights, image)[:, None]
    light = luma - _largest(_smallest(luma))
    dark = _smallest(_largest(luma)) - luma
    found = (torch.maximum(light, dark) > THRESHOLD).float()
    return F.max_pool2d(found, 3, 1, 1)


def _largest(plane: Tensor) -> Tensor:
    return F.max_pool2d(plane, 2 * REACH + 1, 1, REACH)


def _smallest(plane: Tensor) -> Tensor:
    return -_largest(-plane)
