"""The sharp look's phase: the losses of its first call, and its discriminator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from restorekit.engine import codec
from restorekit.engine.conditioning import Condition, overwrite_known
from restorekit.engine.denoiser import Preconditioned
from restorekit.training import checkpoint
from restorekit.training.recipe import Recipe, period

_WINDOW = 8  # cells a side, over which what repeats is averaged
_OCTAVES = 3
_LEVEL = 1 / 127.5
_OPPONENT = ((0.299, 0.587, 0.114), (0.701, -0.587, -0.114), (-0.299, -0.587, 0.886))
_RINGS = 32
_FLOOR = (0.25 / 127.5) ** 2


class Discriminator(nn.Module):
    """Spectrally normalised convolutions with one head at full and one at a quarter resolution.

    It sees the picture beside 4 × (picture − source): what was added is where artefacts show.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        first, second, third = widths
        self.full = _layers((6, first, 3, 1), (first, first, 3, 1))
        self.full_head = spectral_norm(nn.Conv2d(first, 1, 3, padding=1))
        self.quarter = _layers((first, second, 4, 2), (second, third, 4, 2), (third, third, 3, 1))
        self.quarter_head = spectral_norm(nn.Conv2d(third, 1, 3, padding=1))

    def forward(self, image: Tensor, source: Tensor) -> list[Tensor]:
        """Scores, (N, 1, h, w) a head: above 0 real, below 0 made."""
        full = self.full(torch.cat([image, 4 * (image - source)], 1))
        return [self.full_head(full), self.quarter_head(self.quarter(full))]


def _layers(*shapes: tuple[int, int, int, int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside, kernel, stride in shapes:
        convolution = nn.Conv2d(inside, outside, kernel, stride, padding=1)
        layers += [spectral_norm(convolution), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers)


class PerceptualPhase:
    """The losses of the sharp look, and the discriminator that is trained beside the network."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        from restorekit.metrics.lpips import LPIPS

        if recipe.perceptual is None:
            raise ValueError("the recipe has no perceptual phase")
        self.recipe, self.settings, self.device = recipe, recipe.perceptual, device
        self.distance = LPIPS("squeeze").to(device).requires_grad_(False)
        self.discriminator = Discriminator(self.settings.widths).to(device)
        self.discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            self.discriminator.parameters(), self.settings.learning_rate, betas=(0.5, 0.99)
        )

    def loss(
        self,
        denoiser: Preconditioned,
        x0: Tensor,
        condition: Condition,
        iteration: int,
        terms: Mapping[str, float],
    ) -> tuple[Tensor, str]:
        """(loss of the network, what the discriminator's own was); terms: weights of a draw's own.

        Updates the discriminator, which sees nothing of a batch whose adversarial weight is 0.
        """
        settings = replace(self.settings, **terms)
        seed = self.recipe.seed * 1_000_003 + iteration + 500_000
        generator = torch.Generator(self.device).manual_seed(seed)
        noise = torch.randn(x0.shape, generator=generator, device=self.device)
        start = torch.ones(len(x0))
        x_t = denoiser.path.marginal(x0, condition.source, start, noise)
        made = denoiser(x_t, start, condition.with_numbers(look=1.0))
        made = overwrite_known(made, condition)
        cell = period(self.recipe.network.on(condition.cell).stride)
        loss = settings.pixel * F.l1_loss(made, x0)
        loss = loss + settings.coarse * F.l1_loss(F.avg_pool2d(made, 4), F.avg_pool2d(x0, 4))
        if settings.lattice:
            loss = loss + settings.lattice * repeated(made - x0, cell)
        if settings.excess:
            with torch.no_grad():
                mean = denoiser(x_t, start, condition.with_numbers(look=0.0))
                mean = overwrite_known(mean, condition)
            loss = loss + settings.excess * excess(made - mean, x0 - mean)
        # What is made shows the network's cells, and what judges it has strides: seen always in the
        # same place, a pattern of their period can go unpunished, or even please.
        made, x0, source = _anywhere([made, x0, condition.source], cell, generator)
        if settings.spectrum:
            loss = loss + settings.spectrum * spectral_gap(made, x0)
        if settings.lpips:
            loss = loss + settings.lpips * self.distance(made, x0).mean()
        if not settings.adversarial:
            return loss, ""
        told = self._train_discriminator(x0, made.detach(), source)
        ramp = min(1.0, iteration / max(1, settings.ramp))
        self.discriminator.requires_grad_(False)
        verdicts = self.discriminator(made, source)
        self.discriminator.requires_grad_(True)
        adversarial = -torch.stack([verdict.float().mean() for verdict in verdicts]).sum()
        return loss + ramp * settings.adversarial * adversarial, told

    def _train_discriminator(self, x0: Tensor, made: Tensor, source: Tensor) -> str:
        real, false = self.discriminator(x0, source), self.discriminator(made, source)
        parts = [F.relu(1 - r.float()).mean() for r in real]
        parts += [F.relu(1 + f.float()).mean() for f in false]
        loss = torch.stack(parts).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return f"discriminator {float(loss.detach()):.3f}"

    def tensors(self) -> dict[str, Tensor]:
        """The discriminator and its optimiser, for a checkpoint."""
        return {
            **checkpoint.prefixed("discriminator", self.discriminator.state_dict()),
            **checkpoint.prefixed("optimiser", checkpoint.optimiser_tensors(self.optimiser)),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from `tensors`."""
        self.discriminator.load_state_dict(checkpoint.part("discriminator", tensors))
        checkpoint.restore_optimiser(self.optimiser, checkpoint.part("optimiser", tensors))


def repeated(difference: Tensor, cell: int) -> Tensor:
    """Mean absolute value of what repeats every `cell` pixels, over 8 × 8 periods; () of (N, C, H, W).

    A network draws such lattices along its cells, up to those of its coarsest level.
    """
    return F.avg_pool2d(codec.encode(difference, cell), _WINDOW, _WINDOW // 2).abs().mean()


def excess(added: Tensor, missing: Tensor) -> Tensor:
    """By how much what was added is stronger than what was missing: mean logarithms of the ratio of
    their deviations, where it is above 1, summed; () of (N, 3, H, W) twice.

    Summed over octaves (means of 2 × 2 taken away), and over brightness and two differences of colours;
    in windows of 4 × 4 of each octave. Texture costs nothing where there was some, whatever it looks
    like; a mottle on skin and skies does, and colours that were not there. A level is the least.
    """
    over = []
    pair = [
        torch.einsum("oc,nchw->nohw", image.new_tensor(_OPPONENT), image)
        for image in (added, missing)
    ]
    for _ in range(_OCTAVES):
        means = [F.avg_pool2d(image, 2) for image in pair]
        details = [i - F.interpolate(m, i.shape[-2:]) for i, m in zip(pair, means, strict=True)]
        made, lacked = (F.avg_pool2d(d.square(), 4, 2) + _LEVEL**2 for d in details)
        over.append(F.relu((made / lacked).log() / 2).mean((0, 2, 3)).sum())
        pair = means
    return torch.stack(over).sum()


def spectral_gap(made: Tensor, truth: Tensor) -> Tensor:
    """Mean square of the log of the ratio of powers over rings of frequencies up to Nyquist's; ()
    of (N, C, H, W).

    Squared, since texture costs accuracy: it is asked for where most of it is missing. In each image by
    itself, with a Hann window: a flat image asks for no grain. Powers below a quarter of a level's noise
    count as that.
    """
    height, width = made.shape[-2:]
    windows = (torch.hann_window(side, False, device=made.device) for side in (height, width))
    window = torch.outer(*windows)
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    ring = (torch.hypot(rows, columns) * 2 * _RINGS).long().flatten()
    inside = (ring < _RINGS).nonzero().flatten().to(made.device)
    sums = F.one_hot(ring[ring < _RINGS]).float().to(made.device)  # (bins, rings)
    logs = []
    for image in (made, truth):
        brightness = image.float().mean(1)
        level = brightness - brightness.mean((1, 2), keepdim=True)
        power = torch.fft.rfft2(level * window).abs().square().flatten(1)[:, inside]
        power = power / window.square().sum()
        logs.append((power @ sums / sums.sum(0) + _FLOOR).log())
    return (logs[0] - logs[1]).square().mean()


def _anywhere(images: Sequence[Tensor], cell: int, generator: torch.Generator) -> list[Tensor]:
    """The same window of each, a cell smaller, anywhere in it."""
    height, width = (side - cell for side in images[0].shape[-2:])
    top, left = torch.randint(cell + 1, (2,), generator=generator, device=generator.device).tolist()
    return [image[..., top : top + height, left : left + width] for image in images]
