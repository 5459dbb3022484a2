"""A run on several processes, as torchrun starts them; without it, a run on one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from restorekit import device as devices
from restorekit.errors import UsageError


def join() -> None:
    """Take part in torchrun's group where there is one."""
    if dist.is_available() and dist.is_torchelastic_launched() and not dist.is_initialized():
        dist.init_process_group(devices.of_process(int(os.environ["LOCAL_RANK"])))


def count() -> int:
    """How many processes share the run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number; 0 is the one that writes files."""
    return dist.get_rank() if count() > 1 else 0


def share(parts: int) -> range:
    """This process's of the batches 0 … parts − 1; UsageError where they cannot be shared evenly."""
    if parts % count():
        raise UsageError(
            f"recipe: accumulate is {parts}, which {count()} processes cannot share evenly"
        )
    return range(rank(), parts, count())


def sum_up(tensors: Sequence[Tensor]) -> None:
    """Each tensor replaced by its sum over the processes, in place."""
    if count() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def sum_up_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Each gradient replaced by its sum; one that only another process has counts as 0 here."""
    if count() == 1:
        return
    parameters = list(parameters)
    here = torch.tensor(
        [float(p.grad is not None) for p in parameters], device=parameters[0].device
    )
    sum_up([here])
    for parameter, somewhere in zip(parameters, here.tolist(), strict=True):
        if somewhere and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    sum_up([parameter.grad for parameter in parameters if parameter.grad is not None])


def any_of(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up in any process, so that all of them do the same."""
    if count() == 1:
        return flag
    flags = torch.tensor(float(flag), device=device)
    sum_up([flags])
    return bool(flags > 0)
