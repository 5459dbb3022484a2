"""LPIPS v0.1 (Zhang et al. 2018, CVPR): a perceptual distance from a network's features.

Equal to the `lpips` package's `LPIPS(net=...)` in evaluation, but with its own trunks, so
that no torchvision is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.errors import ModelError, UsageError
from restorekit.metrics.checks import Picture, as_rgb, check_pair
from restorekit.metrics.lpips_weights import WeightsPlace, load_weights, weights_place

Net = Literal["alex", "squeeze", "vgg"]

_EPS = 1e-10  # added to the length of a feature vector, as the authors do


class _Fire(nn.Module):
    """SqueezeNet's block: (N, C, H, W) to (N, 2 * expand, H, W)."""

    def __init__(self, channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class _Trunk(NamedTuple):
    """A feature network numbered as torchvision's, and where LPIPS taps it."""

    layers: nn.Sequential
    taps: tuple[int, ...]
    channels: tuple[int, ...]
    smallest: int  # pixels a side below which a pooling window finds nothing


def _alexnet() -> _Trunk:
    """torchvision's AlexNet.features, without its last pooling."""
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )
    return _Trunk(layers, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256), smallest=31)


def _squeezenet() -> _Trunk:
    """torchvision's SqueezeNet 1.1 .features."""
    layers = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(64, 16, 64),
        _Fire(128, 16, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(128, 32, 128),
        _Fire(256, 32, 128),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(256, 48, 192),
        _Fire(384, 48, 192),
        _Fire(384, 64, 256),
        _Fire(512, 64, 256),
    )
    channels = (64, 128, 256, 384, 384, 512, 512)
    return _Trunk(layers, (1, 4, 7, 9, 10, 11, 12), channels, smallest=17)


def _vgg16() -> _Trunk:
    """torchvision's VGG16.features, without its last pooling."""
    layers: list[nn.Module] = []
    channels, taps, before = (64, 128, 256, 512, 512), [], 3
    for count, width in zip((2, 2, 3, 3, 3), channels, strict=True):
        layers += [nn.MaxPool2d(2)] if layers else []
        for _ in range(count):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        taps.append(len(layers) - 1)
    return _Trunk(nn.Sequential(*layers), tuple(taps), channels, smallest=16)


_TRUNKS: dict[str, Callable[[], _Trunk]] = {
    "alex": _alexnet,
    "squeeze": _squeezenet,
    "vgg": _vgg16,
}


class LPIPS(nn.Module):
    """The distance of two batches of images as a frozen, differentiable module.

    Args:
        net: the trunk: "alex" (what papers report), "squeeze" (cheaper, for training) or "vgg".
        weights: the files to read; by default `weights_place(net)` searches for them.

    Raises:
        ModelError: the weights are missing or of another shape; nothing is downloaded.
        UsageError: an unknown net.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, net: Net = "alex", weights: WeightsPlace | None = None) -> None:
        super().__init__()
        if net not in _TRUNKS:
            raise UsageError(f"net is {net!r}; give one of {', '.join(_TRUNKS)}")
        self.net = net
        self.features, self.taps, channels, self.smallest = _TRUNKS[net]()
        # One weight a channel and tap: the `lin` heads, 1x1 convolutions without bias.
        self.heads = nn.ParameterList(torch.empty(1, c, 1, 1) for c in channels)
        # ImageNet's mean and deviation, for images in [-1, 1].
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))
        self._load(weights or weights_place(net))
        self.requires_grad_(False).eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The distance of each image in `a` to its fellow in `b`.

        Args:
            a, b: (N, 3, H, W) in [-1, 1], at least 31 (alex), 17 (squeeze) or 16 (vgg) pixels a side.
                The range is not checked here; `lpips_distance` does that for pictures.

        Returns:
            (N,), at least 0; gradients flow to both, and are 0 where features vanish.
        """
        self._check(a, b)
        distance = a.new_zeros(len(a))
        for fa, fb, head in zip(self.embed(a), self.embed(b), self.heads, strict=True):
            # Not a convolution: under autocast that would drop to half precision.
            distance = distance + ((fa - fb).square() * head).sum(1).mean((1, 2))
        return distance

    def embed(self, x: Tensor) -> list[Tensor]:
        """The tapped features of (N, 3, H, W) in [-1, 1], each of unit length per place."""
        x = (x - self.shift) / self.scale
        taps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                # At least float32: _EPS is nothing in half precision.
                full = x.to(torch.promote_types(x.dtype, torch.float32))
                # vector_norm, unlike sqrt of the sum, has a finite gradient at 0.
                taps.append(full / (torch.linalg.vector_norm(full, dim=1, keepdim=True) + _EPS))
        return taps

    def _check(self, a: Tensor, b: Tensor) -> None:
        if a.ndim != 4 or a.shape[1] != 3 or a.shape != b.shape:
            raise UsageError(
                f"LPIPS got shapes {tuple(a.shape)} and {tuple(b.shape)}; "
                "give two tensors (N, 3, H, W) of one shape"
            )
        if min(a.shape[2:]) < self.smallest:
            raise UsageError(
                f"LPIPS with {self.net} needs {self.smallest} pixels a side, "
                f"but the images are {a.shape[3]}x{a.shape[2]}"
            )

    def _load(self, weights: WeightsPlace) -> None:
        trunk, lin = load_weights(weights)
        heads = {f"{i}": lin.get(f"lin{i}.model.1.weight") for i in range(len(self.heads))}
        trunk = {key.removeprefix("features."): value for key, value in trunk.items()}
        try:
            self.features.load_state_dict({key: trunk[key] for key in self.features.state_dict()})
            self.heads.load_state_dict(heads)
        except (RuntimeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{weights.trunk} and {weights.heads} are not the trunk and heads of LPIPS "
                f"for {self.net}; name a folder with the right ones"
            ) from error


def lpips_distance(a: Picture, b: Picture, net: Net = "alex") -> float:
    """LPIPS v0.1 of two pictures, whole, on the processor in float32.

    Args:
        a, b: pictures of one shape, (H, W, 3) or (H, W) (grey is repeated); uint8 or floats
            in [0, 1]. They are mapped to the network's [-1, 1] here, and only here.
        net: "alex", which papers report, "squeeze" or "vgg".

    Raises:
        UsageError: dtype, range, shape or net do not fit.
        ModelError: the weights are missing.
    """
    check_pair(a, b)
    network = _network(net, weights_place(net))
    with torch.inference_mode():
        return float(network(_signed(a), _signed(b)))


@cache
def _network(net: Net, weights: WeightsPlace) -> LPIPS:
    """One network per net and files, read once."""
    return LPIPS(net, weights)


def _signed(image: Picture) -> Tensor:
    """(1, 3, H, W) float32 in [-1, 1]."""
    rgb = np.ascontiguousarray(as_rgb(image).transpose(2, 0, 1))[None]
    tensor = torch.from_numpy(rgb).float()
    return tensor / 127.5 - 1 if image.dtype == np.uint8 else tensor * 2 - 1
