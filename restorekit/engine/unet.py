"""The network F: a UNet of residual 3×3 blocks on a space-to-depth grid.

Time and the condition's numbers enter through a sinusoidal embedding as a scale and a shift of each
block's inner channels. No layer of the default configuration looks further than `radius` output
pixels, which is what makes exact tiling possible.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restorekit.engine import codec
from restorekit.errors import UsageError


@dataclass(frozen=True)
class UNetConfig:
    """What a UNet is made of; written whole into a model's card.

    channels: of the image that is predicted.
    concat: of what is concatenated to it: the resampled source, auxiliary images; 0: a model of pictures
        as such.
    factor: side of the first level's cells in pixels (space-to-depth).
    widths: channels of each level; each halves the grid of the one before.
    blocks: residual blocks of each level, on each side; of the last level once.
    numbers: names of the condition's numbers that it is given, beside t.
    embedding: channels that t and the numbers become.
    attention: levels with self-attention, by number; looks at everything.
    norm_groups: of a GroupNorm before each convolution; 0: none; looks at everything.
    bias: false: ReLU and nothing added, so that F(k x) = k F(x) for k > 0 (Mohan 2020).
    rank: of what the number "look" adds, times itself, to the weights of the blocks and the tail (Hu
        2021).
    further: other sides of cells that a plan may ask for, with a first and last layer of their own
        (MDSR, Lim 2017).

    Raises UsageError where the numbers contradict each other.
    """

    channels: int = 3
    concat: int = 3
    factor: int = 4
    widths: tuple[int, ...] = (64, 128)
    blocks: tuple[int, ...] = (4, 6)
    numbers: tuple[str, ...] = ()
    embedding: int = 128
    attention: tuple[int, ...] = ()
    norm_groups: int = 0
    bias: bool = True
    rank: int = 0
    further: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.blocks):
            raise UsageError(f"{len(self.widths)} widths but {len(self.blocks)} block counts")
        least = min(self.channels, self.embedding, *self.factors, *self.widths, 1)
        if not self.widths or least < 1 or min(self.concat, self.norm_groups, *self.blocks) < 0:
            raise UsageError(
                "a network needs a level, channels, factor, widths and embedding from 1, others from 0"
            )
        if not set(self.attention) <= set(range(len(self.widths))):
            raise UsageError(f"attention on level {max(self.attention)} of {len(self.widths)}")
        if len(set(self.factors)) < len(self.factors):
            raise UsageError(f"cells of {', '.join(map(str, self.factors))}: two are the same")
        if self.norm_groups and any(w % self.norm_groups for w in self.widths):
            raise UsageError(f"widths {self.widths} are not multiples of {self.norm_groups} groups")
        if not self.bias and (self.norm_groups or self.attention):
            raise UsageError("a network without biases has neither GroupNorm nor attention")
        if self.rank < 0 or (self.rank and "look" not in self.numbers):
            raise UsageError(f'a rank of {self.rank}; give 0, or more with the number "look"')

    @property
    def factors(self) -> tuple[int, ...]:
        """Sides of its cells, in output pixels."""
        return (self.factor, *self.further)

    def on(self, factor: int) -> UNetConfig:
        """The same with cells of another side as its first ones; itself where it has none of those."""
        if factor not in self.further:
            return self
        others = tuple(other for other in self.factors if other != factor)
        return replace(self, factor=factor, further=others)

    @property
    def stride(self) -> int:
        """Output pixels to one pixel of the coarsest level; sizes are multiples of it."""
        return self.factor * 2 ** (len(self.widths) - 1)

    @property
    def radius(self) -> float:
        """Receptive field: the farthest input pixel, in output pixels, that a result can depend on.

        infinity with attention or GroupNorm, which look at the whole image.
        """
        if self.attention or self.norm_groups:
            return math.inf
        levels = len(self.widths)
        steps = [self.factor * 2**level for level in range(levels)]
        sides = [2 if level < levels - 1 else 1 for level in range(levels)]
        convolutions = sum(
            2 * side * count * step
            for side, count, step in zip(sides, self.blocks, steps, strict=True)
        )
        # head and tail reach one cell of the first level each; a value of a coarse cell spreads
        # over the whole cell on the way up, so each halving adds up to one finer cell less a pixel.
        return convolutions + 2 * steps[0] + (steps[-1] - 1)

    def to_dict(self) -> dict[str, Any]:
        """A record that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> UNetConfig:
        """The inverse of `to_dict`; unknown keys raise TypeError."""
        values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**values)


class UNet(nn.Module):
    """F(x, concat, t, numbers): images in, one image of the same size out."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, blocks, last = config.widths, config.blocks, len(config.widths) - 1
        bias = config.bias
        self.embed = Embedding(1 + len(config.numbers), config.embedding)
        self.head = _head(config, config.factor)
        self.heads = nn.ModuleDict({str(n): _head(config, n) for n in config.further})
        self.encoder = nn.ModuleList(_level(config, i, blocks[i]) for i in range(last))
        self.down = nn.ModuleList(
            nn.Conv2d(widths[i], widths[i + 1], 2, stride=2, bias=bias) for i in range(last)
        )
        self.middle = _level(config, last, blocks[last])
        self.up = nn.ModuleList(
            nn.Conv2d(widths[i + 1], 4 * widths[i], 1, bias=bias) for i in reversed(range(last))
        )
        self.decoder = nn.ModuleList(_level(config, i, blocks[i]) for i in reversed(range(last)))
        self.tail = _tail(config, config.factor)
        self.tails = nn.ModuleDict({str(n): _tail(config, n) for n in config.further})
        if (
            config.further
        ):  # what they tell the blocks begins as the same of all cells: of their means
            means = nn.Conv2d(config.channels + config.concat, widths[0], 3).weight.detach()
            for head, side in zip((self.head, *self.heads.values()), config.factors, strict=True):
                spread = means.repeat_interleave(side**2, 1) / side**2
                head.weight = nn.Parameter(5 * spread)  # of pixels from −1 to 1 about unit variance

    def forward(
        self, x: Tensor | None, concat: Tensor | None, t: Tensor, numbers: Tensor, cell: int = 0
    ) -> Tensor:
        """The prediction, (N, channels, H, W), in the dtype of its images.

        x: (N, channels, H, W), or None for zeros, which then cost nothing. concat: (N, concat, H, W);
        not looked at where config.concat is 0. One of the two is an image. t: (N,) or (1,) times in
        [0, 1]. numbers: (N or 1, len(config.numbers)). One row of t and numbers serves a whole batch,
        and is folded into the weights. cell: the side of its cells; where it has none of those, they are
        of `config.factor`. H and W are multiples of the stride on them; UsageError otherwise.
        """
        images = [i for i in (x, concat if self.config.concat else None) if i is not None]
        config = self.config.on(cell)
        (height, width), stride, factor = images[0].shape[-2:], config.stride, config.factor
        if height % stride or width % stride:
            raise UsageError(f"size {(height, width)} is no multiple of the stride {stride}")
        first, last, dtype = self.head, self.tail, images[0].dtype
        if factor != self.config.factor:
            layers = zip(self.heads.values(), self.tails.values(), strict=True)
            first, last = dict(zip(self.config.further, layers, strict=True))[factor]
        grid = codec.encode(images[0] if len(images) == 1 else torch.cat(images, 1), factor)
        # torch's convolution of one small float32 image rounds otherwise than of several or a large.
        small = grid.shape[2:].numel() * self.config.widths[-1] <= 20480 * 4 ** len(self.down)
        if small and len(grid) == 1 and dtype == torch.float32:
            grid = torch.cat([grid, grid])
        rows = max(len(t), len(numbers))
        times = t[:, None].to(numbers.dtype).expand(rows, 1)
        code = self.embed(torch.cat([times, numbers.expand(rows, -1)], 1)).to(dtype)
        look = numbers[:, self.config.numbers.index("look")].to(dtype) if self.config.rank else None
        look = None if look is None or not look.any() else look  # nothing is added, at no cost
        head = _of_concat(first, grid) if x is None else first(grid)
        # What is skipped is overwritten later; without a block on the first level it is the head.
        hidden, skips = head if self.config.blocks[0] else head.clone(), []
        for level, down in zip(self.encoder, self.down, strict=True):
            hidden = _run(level, hidden, code, look)
            skips.append(hidden)
            hidden = _halved(hidden, down)
        hidden = _run(self.middle, hidden, code, look)
        for level, up in zip(self.decoder, self.up, strict=True):
            hidden = _add_doubled(skips.pop(), hidden, up)
            hidden = _run(level, hidden, code, look)
        return codec.decode(last(hidden + head, look)[: len(images[0])], factor)


def _head(config: UNetConfig, factor: int) -> nn.Conv2d:
    inputs = (config.channels + config.concat) * factor**2
    return nn.Conv2d(inputs, config.widths[0], 3, padding=1, bias=config.bias)


def _tail(config: UNetConfig, factor: int) -> Adapted:
    tail = Adapted(config.widths[0], config.channels * factor**2, config.bias, config.rank)
    nn.init.zeros_(tail.weight)
    if tail.bias is not None:
        nn.init.zeros_(tail.bias)
    return tail


def _of_concat(head: nn.Module, grid: Tensor) -> Tensor:
    """The first layer where x is zero: its weights for the concatenated images alone."""
    assert isinstance(head, nn.Conv2d)  # a ModuleDict does not know what it holds
    weight = head.weight[:, -grid.shape[1] :].contiguous(memory_format=torch.channels_last)
    return F.conv2d(grid, weight, head.bias, padding=1)


def _halved(fine: Tensor, down: nn.Module) -> Tensor:
    """down(fine), a convolution of 2 × 2 cells, as one of 1 × 1 on the cells' values side by side.

    By which of the four values a processor begins is its kernel's choice, and with Intel's AMX it
    depends on the width; of one by one there is nothing to choose, so tiles do not show.
    """
    count, channels, height, width = fine.shape
    cells = fine.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width // 2, 2, channels)
    cells = cells.transpose(2, 3).reshape(count, height // 2, width // 2, 4 * channels)
    weight = down.weight.permute(0, 2, 3, 1).reshape(-1, 4 * channels, 1, 1)  # type: ignore[operator]
    return F.conv2d(cells.permute(0, 3, 1, 2), weight, down.bias)  # type: ignore[arg-type]


def _add_doubled(skip: Tensor, coarse: Tensor, up: nn.Module) -> Tensor:
    """skip + pixel_shuffle(up(coarse), 2), in one pass over memory that is laid out channels_last.

    `up` counts its channels as pixel_shuffle does, (C, 2, 2); here they are counted (2, 2, C), so that
    the channels of a pixel stay side by side.
    """
    count, channels, height, width = skip.shape
    inner = coarse.shape[1]
    weight = up.weight.reshape(channels, 2, 2, inner).permute(1, 2, 0, 3)  # type: ignore[operator]
    bias = None if up.bias is None else up.bias.reshape(channels, 4).T.reshape(-1)  # type: ignore[operator]
    cells = F.conv2d(coarse, weight.reshape(4 * channels, inner, 1, 1), bias)  # type: ignore[arg-type]
    cells = cells.permute(0, 2, 3, 1).reshape(count, height // 2, width // 2, 2, 2, channels)
    pixels = skip.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width // 2, 2, channels)
    needed = pixels.requires_grad or cells.requires_grad
    both = (pixels.add if needed else pixels.add_)(cells.transpose(2, 3))  # skip's own memory
    return both.reshape(count, height, width, channels).permute(0, 3, 1, 2)


def _level(config: UNetConfig, level: int, count: int) -> nn.ModuleList:
    width = config.widths[level]
    layers: list[nn.Module] = [
        Block(width, config.embedding, config.norm_groups, config.bias, config.rank)
        for _ in range(count)
    ]
    if level in config.attention:
        layers.append(Attention(width, config.norm_groups))
    return nn.ModuleList(layers)


def _run(layers: nn.Module, hidden: Tensor, code: Tensor, look: Tensor | None) -> Tensor:
    for layer in layers:  # type: ignore[attr-defined]
        hidden = layer(hidden, code, look)
    return hidden


class Embedding(nn.Module):
    """Scalars to a vector: sines and cosines of each (Vaswani 2017), then two layers."""

    def __init__(self, scalars: int, width: int, octaves: int = 5) -> None:
        super().__init__()
        self.octaves = octaves
        self.layers = nn.Sequential(
            nn.Linear(scalars * (2 * octaves + 1), width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, scalars: Tensor) -> Tensor:
        """(N, S) numbers, float32, to (N, width)."""
        # Not a buffer: a network in bfloat16 would round π to 3.140625, and phases reach 100 radians.
        octaves = torch.arange(self.octaves, dtype=scalars.dtype, device=scalars.device)
        phases = scalars[..., None] * (math.pi * 2.0**octaves)  # (N, S, octaves)
        features = torch.cat([scalars[..., None], phases.sin(), phases.cos()], -1).flatten(1)
        return F.silu(self.layers(features.to(next(self.layers.parameters()).dtype)))


class Adapted(nn.Conv2d):
    """A 3×3 convolution of weights W + look · B A, where B A has a low rank; rank 0: W alone."""

    def __init__(self, inside: int, outside: int, bias: bool, rank: int) -> None:
        super().__init__(inside, outside, 3, padding=1, bias=bias)
        self.rank = rank
        if rank:
            self.narrow = nn.Parameter(torch.randn(rank, inside, 3, 3) / (9 * inside) ** 0.5)
            self.widen = nn.Parameter(torch.zeros(outside, rank))

    def kernel(self, look: Tensor | None) -> Tensor:
        """The weights at one look, (1,); None: W."""
        if look is None:
            return self.weight
        return self.weight + look * torch.einsum("or,rihw->oihw", self.widen, self.narrow)

    def forward(self, input: Tensor, look: Tensor | None = None) -> Tensor:
        """(N, inside, h, w) to (N, outside, h, w); look: (N or 1,)."""
        if look is None or len(look) == 1:
            return F.conv2d(input, self.kernel(look), self.bias, padding=1)
        added = F.conv2d(F.conv2d(input, self.narrow, padding=1), self.widen[..., None, None])
        return super().forward(input) + look[:, None, None, None] * added


class Block(nn.Module):
    """x + conv(silu(scale · conv(x) + shift)), 3×3 each; scale and shift from the embedding.

    Without biases: x + conv(relu(scale · conv(x))).
    """

    def __init__(
        self, width: int, embedding: int, norm_groups: int = 0, bias: bool = True, rank: int = 0
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, width) if norm_groups else nn.Identity()
        self.inner = Adapted(width, width, bias, rank)
        self.outer = Adapted(width, width, bias, rank)
        self.modulate = nn.Linear(embedding, 2 * width if bias else width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        with torch.no_grad():
            self.outer.weight.mul_(0.1)

    def forward(self, x: Tensor, code: Tensor, look: Tensor | None = None) -> Tensor:
        """(N, width, h, w) to the same; code: (N or 1, embedding); look: (N or 1,), None for 0."""
        scale, shift = self.modulate(code).tensor_split((x.shape[1],), 1)
        gain, old = 1 + scale, self.inner.bias
        hidden = self.norm(x)
        if len(code) == 1:  # folding costs nothing; modulating costs a pass over the activations
            weight = self.inner.kernel(look) * gain[0][:, None, None, None]
            bias = None if old is None else old * gain[0] + shift[0]
            hidden = F.conv2d(hidden, weight, bias, padding=1)
        elif old is None:
            hidden = self.inner(hidden, look) * gain[..., None, None]
        else:
            hidden = torch.addcmul(
                shift[..., None, None], self.inner(hidden, look), gain[..., None, None]
            )
        bent = F.relu(hidden, inplace=not hidden.requires_grad) if old is None else _silu_(hidden)
        return self.outer(bent, look).add_(x)


def _silu_(x: Tensor) -> Tensor:
    """SiLU, in x's own memory where no gradient needs it.

    torch's float32 kernel computes the last elements of each thread's share by another exponential
    than the others, so that where a value lies would decide its last bit. These steps do not.
    """
    if x.requires_grad or x.dtype != torch.float32 or x.device.type != "cpu":
        return F.silu(x, inplace=not x.requires_grad)
    return x.div_(x.neg().exp_().add_(1.0))


class Attention(nn.Module):
    """Self-attention over all positions, one head, with a residual around it."""

    def __init__(self, width: int, norm_groups: int = 0) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, width) if norm_groups else nn.Identity()
        self.project = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, *_: Tensor | None) -> Tensor:
        """(N, width, h, w) to the same."""
        q, k, v = self.project(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, -1)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(x.shape))
