"""Other people's small networks, written from their papers with the published key names."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _conv(cin: int, cout: int, size: int = 3, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(cin, cout, size, padding=size // 2, groups=groups)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.05)


class Compact(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact (Wang et al. 2021): a plain chain with PReLU."""

    def __init__(self, layers: int, width: int = 64, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale
        body: list[nn.Module] = [_conv(3, width), nn.PReLU(width)]
        for _ in range(layers):
            body += [_conv(width, width), nn.PReLU(width)]
        self.body = nn.Sequential(*body, _conv(width, 3 * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        nearest = F.interpolate(x, scale_factor=self.scale, mode="nearest")
        return F.pixel_shuffle(self.body(x), self.scale) + nearest


class _SpatialAttention(nn.Module):
    """ESA of RFANet (Liu et al. 2020), as RLFN slims it."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = _conv(width, inner, 1)
        self.conv_f = _conv(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = _conv(inner, inner)
        self.conv4 = _conv(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        slim = self.conv1(x)
        wide = self.conv3(F.max_pool2d(self.conv2(slim), 7, stride=3))
        wide = F.interpolate(wide, x.shape[-2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.conv4(wide + self.conv_f(slim)))


class _LocalBlock(nn.Module):
    """RLFN's residual local feature block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (_conv(width, width) for _ in range(3))
        self.c5 = _conv(width, width, 1)
        self.esa = _SpatialAttention(width, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = _leaky(self.c3_r(_leaky(self.c2_r(_leaky(self.c1_r(x))))))
        return self.esa(self.c5(x + y))


class RLFN(nn.Module):
    """Residual local feature network (Kong et al. 2022), winner of NTIRE 2022's run time."""

    def __init__(self, width: int = 52, blocks: int = 6, scale: int = 4) -> None:
        super().__init__()
        self.scale, self.blocks = scale, blocks
        self.conv_1, self.conv_2 = _conv(3, width), _conv(width, width)
        for i in range(1, blocks + 1):
            self.add_module(f"block_{i}", _LocalBlock(width))
        self.upsampler = nn.Sequential(_conv(width, 3 * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        head = x = self.conv_1(x)
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"block_{i}")(x)
        return F.pixel_shuffle(self.upsampler(self.conv_2(x) + head), self.scale)


class _ContrastAttention(nn.Module):
    """IMDN's channel attention on mean plus deviation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            _conv(width, width // 16, 1), nn.ReLU(), _conv(width // 16, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        deviation = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        return x * self.conv_du(mean + deviation)


class _DistillBlock(nn.Module):
    """IMDN's block: a quarter of the channels is kept aside at each step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        kept = width // 4
        self.kept, rest = kept, width - kept
        self.c1, self.c2, self.c3 = _conv(width, width), _conv(rest, width), _conv(rest, width)
        self.c4, self.c5 = _conv(rest, kept), _conv(width, width, 1)
        self.cca = _ContrastAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        kept, rest = [], x
        for conv in (self.c1, self.c2, self.c3):
            y = _leaky(conv(rest))
            kept.append(y[:, : self.kept])
            rest = y[:, self.kept :]
        return self.c5(self.cca(torch.cat([*kept, self.c4(rest)], 1))) + x


class IMDN(nn.Module):
    """Information multi-distillation network (Hui et al. 2019)."""

    def __init__(self, width: int = 64, blocks: int = 6, scale: int = 4) -> None:
        super().__init__()
        self.scale, self.blocks = scale, blocks
        self.fea_conv, self.LR_conv = _conv(3, width), _conv(width, width)
        for i in range(1, blocks + 1):
            self.add_module(f"IMDB{i}", _DistillBlock(width))
        self.c = nn.Sequential(_conv(blocks * width, width, 1))
        self.upsampler = nn.Sequential(_conv(width, 3 * scale**2))

    def forward(self, x: Tensor) -> Tensor:
        head = x = self.fea_conv(x)
        outputs = []
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"IMDB{i}")(x)
            outputs.append(x)
        x = self.LR_conv(_leaky(self.c(torch.cat(outputs, 1)))) + head
        return F.pixel_shuffle(self.upsampler(x), self.scale)


class _Body(nn.Module):
    """A sequence under the name `body`, as CARN's files have it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class _Shift(nn.Module):
    """CARN's subtraction or addition of the training set's mean, a 1x1 convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.shifter = _conv(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shifter(x)


class _EfficientResidual(_Body):
    def __init__(self, width: int, groups: int) -> None:
        grouped = [_conv(width, width, groups=groups) for _ in range(2)]
        super().__init__(grouped[0], nn.ReLU(), grouped[1], nn.ReLU(), _conv(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + x)


def _cascade(x: Tensor, steps: list[nn.Module], mixes: list[nn.Module]) -> Tensor:
    """Each step's output joins all former ones and a 1x1 convolution mixes them."""
    every, last = x, x
    for step, mix in zip(steps, mixes, strict=True):
        every = torch.cat([every, step(last)], 1)
        last = mix(every)
    return last


def _mixes(width: int) -> list[nn.Module]:
    return [_Body(_conv(n * width, width, 1), nn.ReLU()) for n in (2, 3, 4)]


class _CascadeBlock(nn.Module):
    """Three passes of one residual block (CARN-M shares its weights), cascaded."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.b1 = _EfficientResidual(width, groups)
        self.c1, self.c2, self.c3 = _mixes(width)

    def forward(self, x: Tensor) -> Tensor:
        return _cascade(x, [self.b1] * 3, [self.c1, self.c2, self.c3])


def _shuffle_up(width: int, groups: int, factors: tuple[int, ...]) -> _Body:
    layers: list[nn.Module] = []
    for factor in factors:
        conv = _conv(width, width * factor**2, groups=groups)
        layers += [conv, nn.ReLU(), nn.PixelShuffle(factor)]
    return _Body(*layers)


class CARNM(nn.Module):
    """CARN-M (Ahn et al. 2018): one file for x2, x3 and x4, which share all but the end."""

    def __init__(self, scale: int = 4, width: int = 64, groups: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.sub_mean, self.add_mean = _Shift(), _Shift()
        self.entry, self.exit = _conv(3, width), _conv(width, 3)
        self.b1, self.b2, self.b3 = (_CascadeBlock(width, groups) for _ in range(3))
        self.c1, self.c2, self.c3 = _mixes(width)
        self.upsample = nn.ModuleDict(
            {
                f"up{factor}": _shuffle_up(width, groups, steps)
                for factor, steps in ((2, (2,)), (3, (3,)), (4, (2, 2)))
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(self.sub_mean(x))
        x = _cascade(x, [self.b1, self.b2, self.b3], [self.c1, self.c2, self.c3])
        return self.add_mean(self.exit(self.upsample[f"up{self.scale}"](x)))


class _DenseBlock(nn.Module):
    """ESRGAN's residual dense block of five convolutions."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            _conv(width + i * growth, growth if i < 4 else width) for i in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        dense = x
        for conv in self.convs[:4]:
            dense = torch.cat([dense, F.leaky_relu(conv(dense), 0.2)], 1)
        return self.convs[4](dense) * 0.2 + x


class _DenseTrio(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x) * 0.2 + x


class RRDBNet(nn.Module):
    """Real-ESRGAN's x4 generator (Wang et al. 2018, 2021)."""

    def __init__(self, width: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = _conv(3, width)
        self.body = nn.Sequential(*(_DenseTrio(width, growth) for _ in range(blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            _conv(width, width) for _ in range(4)
        )
        self.conv_last = _conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for conv in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


def _chain(cin: int, cout: int, width: int, layers: int) -> nn.Sequential:
    """3x3 convolutions with ReLU between them."""
    widths = [cin, *[width] * (layers - 1), cout]
    body: list[nn.Module] = []
    for before, after in pairwise(widths):
        body += [_conv(before, after), nn.ReLU()]
    return nn.Sequential(*body[:-1])


class DnCNN(nn.Module):
    """Denoising network (Zhang et al. 2017), batch normalisation merged in: predicts the noise."""

    def __init__(self, channels: int, width: int = 64, layers: int = 20) -> None:
        super().__init__()
        self.model = _chain(channels, channels, width, layers)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.model(x)


class FFDNet(nn.Module):
    """Colour denoising at half resolution, told the noise's deviation (Zhang et al. 2018)."""

    def __init__(self, width: int = 96, layers: int = 12) -> None:
        super().__init__()
        self.model = _chain(4 * 3 + 1, 4 * 3, width, layers)

    def forward(self, x: Tensor, sigma: float) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        halved = F.pixel_unshuffle(x, 2)
        level = torch.full_like(halved[:, :1], sigma)
        return F.pixel_shuffle(self.model(torch.cat([halved, level], 1)), 2)[..., :height, :width]
