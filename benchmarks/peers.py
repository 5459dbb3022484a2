"""Other people's small restorers, for measuring side by side; none of them is shipped.

The weights are in the folder `peers` of the data (`RESTOREKIT_DATA`, by default
../shared/data beside the repository); its README has their sources and licences. Loading is
strict.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from peer_networks import CARNM, IMDN, RLFN, Compact, DnCNN, FFDNet, RRDBNet
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from restorekit.errors import ModelError


class Peer(nn.Module):
    """A network as (N, C, H, W) in [0, 1] to (N, C, scale H, scale W), not clipped.

    Args:
        network: takes and gives [0, top].
        scale: its factor.
        channels: 3, or 1 for a network of grey pictures.
        told: whether it takes the noise's deviation, in [0, 1], after the picture.
        top: the value of white in its training, 1 or 255.
    """

    def __init__(
        self,
        network: nn.Module,
        scale: int,
        channels: int = 3,
        told: bool = False,
        top: float = 1.0,
    ) -> None:
        super().__init__()
        self.network, self.scale, self.top = network, scale, top
        self.channels, self.told = channels, told
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor, *sigma: float) -> Tensor:
        return self.network(x * self.top, *sigma) / self.top


@dataclass(frozen=True)
class _Entry:
    file: str
    scale: int
    build: Callable[[], nn.Module]
    channels: int = 3
    told: bool = False


_ENTRIES = {
    "rlfn-x4": _Entry("rlfn-x4", 4, RLFN),
    "imdn-x4": _Entry("imdn-x4", 4, IMDN),
    "carn-m-x2": _Entry("carn-m", 2, lambda: CARNM(2)),
    "carn-m-x3": _Entry("carn-m", 3, lambda: CARNM(3)),
    "carn-m-x4": _Entry("carn-m", 4, lambda: CARNM(4)),
    "lsdir-compact-x4": _Entry("lsdir-compact-x4", 4, lambda: Compact(16)),
    "realesr-general-x4v3": _Entry("realesr-general-x4v3", 4, lambda: Compact(32)),
    "dncnn-color-blind": _Entry("dncnn-color-blind", 1, lambda: DnCNN(3)),
    "ffdnet-color": _Entry("ffdnet-color", 1, FFDNet, told=True),
    "dncnn3": _Entry("dncnn3", 1, lambda: DnCNN(1), channels=1),
}


def peer_names() -> tuple[str, ...]:
    """The networks that `load_peer` knows."""
    return tuple(_ENTRIES)


def load_peer(name: str) -> Peer:
    """One of `peer_names()` with its published weights, in float32 on the processor.

    Raises:
        ModelError: an unknown name, or a file that is missing, damaged or of another shape.
    """
    if name not in _ENTRIES:
        raise ModelError(f"{name!r} is no peer; known are {', '.join(_ENTRIES)}")
    entry = _ENTRIES[name]
    path = _folder() / f"{entry.file}.safetensors"
    if not path.is_file():
        raise ModelError(f"{path} is missing; set RESTOREKIT_DATA to a folder with peers/ in it")
    network = entry.build()
    try:
        with safe_open(path, "pt") as file:
            top = float((file.metadata() or {}).get("range", 1))
            # Some files hold kernels in half precision: all become float32.
            network.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold the weights of {name}") from error
    return Peer(network, entry.scale, entry.channels, entry.told, top)


def rrdbnet(seed: int = 0) -> Peer:
    """Real-ESRGAN's RRDBNet, 16.7 million parameters, x4, with random weights: for timing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Peer(RRDBNet(), scale=4)


def _folder() -> Path:
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    return Path(os.environ.get("RESTOREKIT_DATA") or beside) / "peers"
