"""Draws the figures of docs/engine: `python docs/engine_figures.py [NAME …]` writes docs/engine/images.

noising.png: a photograph on the linear and the cosine path. schedules.svg: nine paths side by side.
orders.svg: errors of solvers on an exact denoiser. spiral.png: a trained model's two chains.
guidance.png: digits over the scale of guidance. tradeoff.svg: distortion and perception over steps.
chains.png: the flow and the reverse SDE on a mixture. weights.svg: the losses' λ over SNR.
editing.png: SDEdit, interpolation and RePaint with the exact denoiser of digits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor, nn

from restorekit.cli.demo import photographs
from restorekit.engine.conditioning import Condition
from restorekit.engine.denoiser import Predicting
from restorekit.engine.editing import invert, repaint, sdedit, slerp
from restorekit.engine.guidance import NO_CLASS, class_names, class_numbers, drop_labels
from restorekit.engine.guidance import classifier_free as guided_by
from restorekit.engine.loop import sample
from restorekit.engine.noise import noise_at
from restorekit.engine.path import PATHS
from restorekit.engine.resample import resample
from restorekit.engine.samplers import SAMPLERS
from restorekit.engine.schedules import log_snr_times, repaint_times, uniform_times
from restorekit.engine.tiles import Box
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.training.average import Average
from restorekit.training.prediction_loss import WEIGHTS as LOSS_WEIGHTS
from restorekit.training.prediction_loss import prediction_loss

IMAGES = Path(__file__).resolve().parent / "engine" / "images"
SHOWN = (
    *("vp", "vp_quadratic", "vp_sigmoid", "vp_cosine", "vp_cosine_offset", "vp_shifted_cosine"),
    *("vp_zero_terminal_snr", "sub_vp", "rectified_flow"),
)
SOLVERS = ("ddim", "heun", "dpm++2m", "plms", "adams3", "deis", "unipc")
# A mixture of three Gaussians, whose exact denoiser is known.
MEANS = torch.tensor([-1.0, 0.2, 1.1], dtype=torch.float64)
DEVIATIONS = torch.tensor([0.15, 0.3, 0.1], dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)

mpl.rcParams.update({"svg.hashsalt": "restorekit", "svg.fonttype": "path", "font.size": 9})
mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def noising() -> None:
    """One photograph at nine times, by the linear and the cosine schedule."""
    pixels = next(iter(photographs()))[1]
    side = min(pixels.shape[:2])
    square = torch.tensor(pixels[:side, :side]).permute(2, 0, 1)[None] / 127.5 - 1
    x0 = resample(square, (128, 128))
    noise = noise_at(Box(0, 0, 128, 128), 3, seed=0)
    figure, axes = plt.subplots(2, 9, figsize=(9, 2.3), layout="constrained")
    for row, name in zip(axes, ("vp", "vp_cosine"), strict=True):
        for axis, t in zip(row, torch.linspace(0, 1, 9).tolist(), strict=True):
            x_t = PATHS[name]().marginal(x0, x0, t, noise)[0].permute(1, 2, 0)
            axis.imshow((x_t / 2 + 0.5).clamp(0, 1).numpy())
            axis.set_axis_off()
            axis.set_title(f"{name}, t = 0" if t == 0 else f"{t:.3g}", fontsize=8)
    save(figure, "noising.png")


def schedules() -> None:
    """Signal and noise of nine paths."""
    t = torch.linspace(0, 1, 201, dtype=torch.float64)
    figure, axes = plt.subplots(3, 3, figsize=(8, 5.4), sharex=True, layout="constrained")
    for axis, name in zip(axes.flat, SHOWN, strict=True):
        alpha, _, sigma = PATHS[name]().at(t)
        axis.plot(t, alpha, label="α")
        axis.plot(t, sigma, "--", label="σ")
        axis.set_title(name, fontsize=9)
    axes[0, 0].legend(frameon=False)
    save(figure, "schedules.svg")


def of_mixture(x: Tensor, t: float) -> Tensor:
    """The exact denoiser of the mixture on VP."""
    alpha, _, sigma = (float(c) for c in PATHS["vp"]().at(t))
    return posterior_mean(x, alpha, sigma, MEANS, DEVIATIONS**2, WEIGHTS)


def posterior_mean(
    u: Tensor, alpha: float, sigma: float, means: Tensor, variances: Tensor, weights: Tensor
) -> Tensor:
    """E[x0 | α x0 + σ ε = u] for Gaussians of means, variances and weights along the last axis."""
    total = alpha**2 * variances + sigma**2
    away = u[..., None] - alpha * means
    share = torch.softmax(weights.log() - 0.5 * total.log() - 0.5 * away**2 / total, -1)
    return (share * (means + alpha * variances / total * away)).sum(-1)


def orders() -> None:
    """Errors over steps on VP, against 4,000 steps of UniPC."""
    path, x = PATHS["vp"](), torch.linspace(-2, 2, 200, dtype=torch.float64)
    y, counts = torch.zeros_like(x), (10, 20, 40, 80, 160, 320)

    def solve(name: str, steps: int) -> Tensor:
        times = log_snr_times(path, steps + 1, -4.0, 3.0)[:-1]
        return sample(SAMPLERS[name], of_mixture, path, y, x, times, lambda _: y)

    exact = solve("unipc", 4000)
    figure, axis = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    for name in SOLVERS:
        errors = [float((solve(name, n) - exact).square().mean().sqrt()) for n in counts]
        axis.loglog(counts, errors, "o-", markersize=3, label=name)
    axis.set(xlabel="steps", ylabel="RMS error")
    axis.legend(frameon=False)
    save(figure, "orders.svg")


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    """A module whose first weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


class Points(nn.Module):
    """ε of points (N, 2, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(14, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU()),
            *(nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2)),
        )

    def forward(self, x: Tensor, _: Tensor | None, t: Tensor, numbers: Tensor) -> Tensor:  # noqa: ARG002
        """The answer for x_t at times (N,) or (1,)."""
        phases, flat = t[:, None].expand(len(x), 1) * math.pi, x.flatten(1)
        code = [phases.sin(), phases.cos(), (phases / 2).sin(), (phases * 2).sin()]
        place = [flat, (2 * flat).sin(), (2 * flat).cos(), (4 * flat).sin(), (4 * flat).cos()]
        return self.layers(torch.cat([*place, *code], 1))[..., None, None]


def train(
    denoiser: Predicting,
    batch: Callable[[torch.Generator], tuple[Tensor, Condition]],
    iterations: int,
) -> None:
    """AdamW on the loss of what is predicted; averaged weights in the end."""
    network = denoiser.network
    assert isinstance(network, nn.Module)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    decline = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    average, generator = Average(network, 0.99), torch.Generator().manual_seed(1)
    for _ in range(iterations):
        x0, condition = batch(generator)
        t = 1 - torch.rand(len(x0), generator=generator)
        noise = torch.randn(x0.shape, generator=generator)
        optimiser.zero_grad(set_to_none=True)
        prediction_loss(denoiser, x0, condition, t, noise).mean().backward()
        optimiser.step()
        decline.step()
        average.update(network)
    network.load_state_dict(average.values)
    network.requires_grad_(False).eval()


def on_spiral(generator: torch.Generator, count: int = 256) -> tuple[Tensor, Condition]:
    """Points of a spiral, and a condition that knows nothing."""
    share = torch.rand(count, generator=generator).sqrt()
    angle = 3 * math.pi * share
    x0 = (2.0 * share * torch.stack([angle.cos(), angle.sin()])).T[..., None, None]
    return x0, Condition(torch.zeros_like(x0))


def spiral() -> None:
    """The forward chain of a spiral of points, and the trained model's way back."""
    path = PATHS["vp_cosine"]()
    denoiser = Predicting(seeded(Points), path, "epsilon")
    train(denoiser, on_spiral, 2000)
    generator = torch.Generator().manual_seed(2)
    x0, known = on_spiral(generator, 1500)
    noise = torch.randn(x0.shape, generator=generator)
    times = [0.995 * t for t in uniform_times(60)]
    kept: dict[float, Tensor] = {}

    def estimate(x: Tensor, t: float) -> Tensor:
        kept[t] = x
        return denoiser(x, torch.tensor([t], dtype=torch.float64), known)

    start = torch.randn(x0.shape, generator=generator)
    end = sample(
        SAMPLERS["ancestral"], estimate, path, known.source, start, times,
        lambda _: torch.randn(x0.shape, generator=generator),
    )  # fmt: skip
    kept[0.0] = end
    shown = [times[i] for i in (60, 50, 40, 30, 0)]
    figure, axes = plt.subplots(2, 5, figsize=(9, 3.7), layout="constrained")
    for column, t in enumerate(shown):
        for row, points in enumerate((path.marginal(x0, x0, t, noise), kept[t])):
            axis = axes[row, column if row == 0 else 4 - column]
            axis.scatter(*points.flatten(1).T.numpy(), s=1, c=("#06c", "#c40")[row])
            axis.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[])
            axis.set_title(f"{('forward', 'reverse')[row]}, t = {t:.2f}", fontsize=8)
    save(figure, "spiral.png")


def guidance() -> None:
    """Digits of four classes over the scale of classifier-free guidance, from the same noise."""
    from sklearn.datasets import load_digits

    pixels, target = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
    labels, names = torch.tensor(target), class_names(10)
    config = UNetConfig(1, 0, 1, (32, 48), (2, 2), numbers=names, embedding=64)
    path = PATHS["vp_cosine"]()
    denoiser = Predicting(seeded(lambda: UNet(config)), path, "v", names)

    def batch(generator: torch.Generator) -> tuple[Tensor, Condition]:
        chosen = torch.randint(len(images), (128,), generator=generator)
        seen = class_numbers(drop_labels(labels[chosen], 0.15, generator), 10)
        return images[chosen], Condition(torch.zeros_like(images[chosen]), None, seen)

    train(denoiser, batch, 600)
    wanted = torch.tensor([2, 3, 5, 8]).repeat_interleave(4)
    blank = torch.zeros(16, 1, 8, 8)
    start = torch.randn(blank.shape, generator=torch.Generator().manual_seed(4))

    def says(labels: Tensor) -> Callable[[Tensor, float], Tensor]:
        known = Condition(blank, None, class_numbers(labels, 10))
        return lambda x, t: denoiser(x, torch.tensor([t], dtype=torch.float64), known)

    rows, solver, times = {}, SAMPLERS["dpm++2m"], uniform_times(25)
    for scale in (0.0, 1.0, 2.0, 4.0):
        guided = guided_by(says(wanted), says(torch.full_like(wanted, NO_CLASS)), scale)
        rows[f"scale {scale:g}"] = sample(
            solver, guided, path, blank, start, times, lambda _: start
        )
    strips(rows, "guidance.png")


def strips(rows: dict[str, Tensor], name: str) -> None:
    """Rows of small grey pictures (N, 1, H, W), each picture in a frame of its own."""
    height = len(rows) * (0.3 + 8 / max(map(len, rows.values())))
    figure, axes = plt.subplots(len(rows), 1, figsize=(8, height), layout="constrained")
    for axis, (title, pictures) in zip(axes, rows.items(), strict=True):
        framed = torch.nn.functional.pad(pictures.clamp(-1, 1), [1, 1, 1, 1], value=1.0)
        axis.imshow(torch.cat(list(framed[:, 0]), 1).numpy(), cmap="gray", vmin=-1, vmax=1)
        axis.set_axis_off()
        axis.set_title(title, fontsize=7)
    save(figure, name)


def digits() -> tuple[Tensor, Callable[[Tensor, float], Tensor]]:
    """The digits (1797, 1, 8, 8), and the exact denoiser of them seen through noise of .15, on VP."""
    from sklearn.datasets import load_digits

    path, spread = PATHS["vp"](), 0.15**2
    flat = torch.tensor(load_digits(return_X_y=True)[0]) / 8 - 1

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, _, sigma = (float(c) for c in path.at(t))
        total, u = alpha**2 * spread + sigma**2, x.flatten(1)
        share = torch.softmax(-0.5 * torch.cdist(u, alpha * flat) ** 2 / total, 1)
        mean = share @ flat
        return (mean + alpha * spread / total * (u - alpha * mean)).reshape(x.shape)

    return flat.reshape(-1, 1, 8, 8), estimate


def editing() -> None:
    """A guide brought back from ever later starts; the way between two digits; the other halves."""
    path, (images, estimate) = PATHS["vp"](), digits()
    generator = torch.Generator().manual_seed(3)
    y, rows = torch.zeros(10, 1, 8, 8, dtype=torch.float64), {}

    def noise(_: int) -> Tensor:
        return torch.randn(y.shape, generator=generator, dtype=torch.float64)

    guide = torch.full((1, 1, 8, 8), -1.0, dtype=torch.float64)
    guide[..., [0, 3, 7], 2:6] = guide[..., :4, 2:3] = guide[..., 3:, 5:6] = 1

    def back(t: float) -> Tensor:
        times = [t * u for u in uniform_times(50)]
        chain = SAMPLERS["ancestral"]
        return sdedit(chain, estimate, path, y[:1], guide, times, lambda i: noise(i)[:1])

    begins = torch.linspace(0.05, 0.5, 9).tolist()
    title = "SDEdit: a guide, and what is made of it from t = 0.05 … 0.5"
    rows[title] = torch.cat([guide, *map(back, begins)])
    times = log_snr_times(path, 60, -4.5, 3.5)
    first, last = (invert(estimate, path, y[:1], images[i : i + 1], times) for i in (13, 8))
    x = torch.cat([slerp(first, last, share) for share in torch.linspace(0, 1, 10).tolist()])
    title = "inversion: a 3 and an 8, and what lies between their noises"
    rows[title] = sample(SAMPLERS["heun"], estimate, path, y, x, times, noise)
    mask, whole = torch.zeros_like(y), images[9:10].expand_as(y)
    mask[..., :4] = 1
    walk = repaint_times(uniform_times(60), jump=2, resamples=5)
    made = sample(repaint(whole, mask), estimate, path, y, noise(0), walk, noise)
    made[0] = mask[0] * whole[0]
    rows["RePaint: the left half of a 9, and nine pictures that it may be of"] = made
    strips(rows, "editing.png")


def chains() -> None:
    """Ways from noise to a mixture of three Gaussians, over its density at every time."""
    path, y = PATHS["vp"](), torch.zeros(14, dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    at, values = torch.linspace(0, 1, 301, dtype=torch.float64), torch.linspace(-2.6, 2.6, 300)
    alpha, _, sigma = (c[None, :, None] for c in path.at(at))
    total = (alpha * DEVIATIONS) ** 2 + sigma**2
    away = values[:, None, None].double() - alpha * MEANS
    density = (WEIGHTS * (-0.5 * away**2 / total).exp() / total.sqrt()).sum(-1).sqrt()

    def noise(_: int) -> Tensor:
        return torch.randn(14, generator=generator, dtype=torch.float64)

    start, times = noise(0), [*torch.linspace(1, 0.002, 400).tolist(), 0.0]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for axis, name in zip(axes, ("ddim", "euler_maruyama"), strict=True):
        seen: list[Tensor] = []

        def estimate(x: Tensor, t: float, seen: list[Tensor] = seen) -> Tensor:
            seen.append(x)
            return of_mixture(x, t)

        end = sample(SAMPLERS[name], estimate, path, y, start, times, noise)
        axis.imshow(density, extent=(0, 1, -2.6, 2.6), origin="lower", aspect="auto", cmap="Blues")
        axis.plot(times, torch.stack([*seen, end]), color="#c40", linewidth=0.7)
        axis.set(xlim=(1, 0), ylim=(-2.6, 2.6), xlabel="t", title=name)
    save(figure, "chains.png")


def weights() -> None:
    """λ of ε's squared error over log SNR."""
    snr = torch.logspace(-4, 4, 200, dtype=torch.float64)
    figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
    for name, weight in LOSS_WEIGHTS.items():
        axis.loglog(snr, weight(snr), label=name)
    axis.set(
        xlabel="SNR = α²/σ²; clean images to the right", ylabel="λ of ε's error", ylim=(1e-4, 1e4)
    )
    axis.legend(frameon=False)
    save(figure, "weights.svg")


def tradeoff() -> None:
    """Mean squared error against distance from the law, over steps of the flow from the source."""
    generator = torch.Generator().manual_seed(0)
    path, count, level = PATHS["flow_from_source"](sigma=0.1), 20_000, 0.4

    def normal() -> Tensor:
        return torch.randn(count, generator=generator, dtype=torch.float64)

    part = torch.multinomial(WEIGHTS, count, replacement=True, generator=generator)
    x0 = MEANS[part] + DEVIATIONS[part] * normal()
    y = x0 + level * normal()
    # x0 given y is a mixture again: product of each Gaussian and the noise's.
    gain = DEVIATIONS**2 / (DEVIATIONS**2 + level**2)
    means = MEANS + gain * (y[:, None] - MEANS)
    evidence = -0.5 * (y[:, None] - MEANS) ** 2 / (DEVIATIONS**2 + level**2)
    weights = torch.softmax(WEIGHTS.log() - 0.5 * (DEVIATIONS**2 + level**2).log() + evidence, -1)

    def estimate(x: Tensor, t: float) -> Tensor:
        alpha, gamma, sigma = (float(c) for c in path.at(t))
        variances = gain * level**2
        return posterior_mean(x - gamma * y, alpha, sigma, means, variances, weights)

    figure, axis = plt.subplots(figsize=(5, 3.2), layout="constrained")
    start = y + 0.1 * normal()
    for steps in (1, 2, 3, 5, 10, 30, 100):
        made = sample(SAMPLERS["ddim"], estimate, path, y, start, uniform_times(steps), lambda _: y)
        error = float((made - x0).square().mean())
        distance = float((made.sort()[0] - x0.sort()[0]).abs().mean())
        axis.plot(error, distance, "o", color="#06c")
        axis.annotate(f" {steps}", (error, distance))
    axis.set_xlabel("distortion: mean squared error")
    axis.set_ylabel("perception: Wasserstein distance")
    save(figure, "tradeoff.svg")


def save(figure: Figure, name: str) -> None:
    """Write a figure into IMAGES, the same bytes each time."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    vector = name.endswith("svg")
    figure.savefig(IMAGES / name, dpi=110, metadata={"Date": None} if vector else {})
    plt.close(figure)
    print(f"written: docs/engine/images/{name}")


FIGURES = {
    f.__name__: f
    for f in (noising, schedules, orders, spiral, guidance, tradeoff, editing, chains, weights)
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or FIGURES:
        FIGURES[wanted]()
