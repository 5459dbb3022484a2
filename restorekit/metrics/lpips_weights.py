"""Where LPIPS's weights are found on this machine; nothing is ever downloaded."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from restorekit.errors import ModelError, UsageError

_TRUNKS = {
    "alex": "alexnet_features",
    "squeeze": "squeezenet1_1_features",
    "vgg": "vgg16_features",
}
# torchvision's names in torch's hub cache, where the `lpips` package puts its trunks.
_HUB_TRUNKS = {
    "alex": "alexnet-owt-*.pth",
    "squeeze": "squeezenet1_1-*.pth",
    "vgg": "vgg16-*.pth",
}

_DAMAGE = (RuntimeError, OSError, ValueError, EOFError, pickle.UnpicklingError)


class WeightsPlace(NamedTuple):
    """The two files of one net: the ImageNet trunk and the learned heads."""

    trunk: Path
    heads: Path


def weights_place(net: str, folder: Path | None = None) -> WeightsPlace:
    """The files of `net` ("alex", "squeeze" or "vgg"), the first found of:

    1. `folder`, or else the folder named by RESTOREKIT_LPIPS_WEIGHTS: if one is given, it
       alone counts;
    2. RESTOREKIT_DATA/weights, then ../shared/data/weights beside the repository and beside
       the current folder;
    3. the heads of the installed `lpips` package with the trunk it has fetched before into
       torch's hub cache.

    In 1 and 2 the files are {alexnet,squeezenet1_1,vgg16}_features.safetensors (torchvision's key
    names) and lin_{alex,squeeze,vgg}.safetensors (the `lpips` package's).

    Raises:
        UsageError: an unknown net.
        ModelError: none of them has both files.
    """
    if net not in _TRUNKS:
        raise UsageError(f"net is {net!r}; give one of {', '.join(_TRUNKS)}")
    given = folder or _from_environment("RESTOREKIT_LPIPS_WEIGHTS")
    folders = [given] if given else list(_usual_folders())
    places = [_place_in(folder, net) for folder in folders]
    if not given:
        places.extend(_lpips_package_places(net))
    for place in places:
        if place.trunk.is_file() and place.heads.is_file():
            return place
    raise ModelError(_missing(net, given))


def load_weights(place: WeightsPlace) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(trunk, heads) as tensors by name, on the processor.

    Raises:
        ModelError: a file is damaged.
    """
    return _tensors(place.trunk), _tensors(place.heads)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # The lpips package's own files; weights_only admits tensors and nothing else.
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, *_DAMAGE) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{path} is not a readable weights file: {reason}") from error


def _place_in(folder: Path, net: str) -> WeightsPlace:
    return WeightsPlace(folder / f"{_TRUNKS[net]}.safetensors", folder / f"lin_{net}.safetensors")


def _from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def _usual_folders() -> Iterator[Path]:
    data = _from_environment("RESTOREKIT_DATA")
    if data:
        yield data / "weights"
    for root in (Path(__file__).resolve().parents[2], Path.cwd()):
        yield root.parent / "shared" / "data" / "weights"


def _lpips_package_places(net: str) -> Iterator[WeightsPlace]:
    spec = find_spec("lpips")  # not imported: it would import torchvision
    if spec is None or spec.origin is None:
        return
    heads = Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    for trunk in sorted((Path(torch.hub.get_dir()) / "checkpoints").glob(_HUB_TRUNKS[net])):
        yield WeightsPlace(trunk, heads)


def _missing(net: str, given: Path | None) -> str:
    files = " and ".join(path.name for path in _place_in(Path(), net))
    if given:
        return f"LPIPS finds no {files} in {given}; put both there, or name another folder"
    return (
        f"LPIPS finds no weights: set RESTOREKIT_LPIPS_WEIGHTS to a folder with {files}, or "
        "install the lpips package with pip install 'restorekit[lpips]' and run "
        f"lpips.LPIPS(net='{net}') once, which brings them"
    )
