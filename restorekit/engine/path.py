"""The family q(x_t | x0, y) = N(α_t x0 + γ_t y, σ_t² I) that every method of restorekit is written on.

Time runs over [0, 1]: 0 is the clean image, 1 is where sampling starts. Coefficients are computed in
float64 and cast once, at the tensor they multiply. A published system is one row of `PATHS`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import NamedTuple, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

from restorekit.errors import UsageError


class Coefficients(NamedTuple):
    """α, γ, σ at some times; float64 tensors of the shape of t."""

    alpha: Tensor
    gamma: Tensor
    sigma: Tensor


@dataclass(frozen=True)
class Path:
    """Three functions of time, and how much of a step's noise is fresh at η = 1.

    `posterior` is "markov" where u_t = x_t − γ_t y is a Markov chain of (α, σ), so that the ancestral
    step is its posterior (DDPM, I2SB, IR-SDE), or "shift" where σ² and γ grow together and the chain
    is Markov in x_t (ResShift, InDI). `name` and `parameters` write a path into a model's card.
    """

    coefficients: Callable[[Tensor], Coefficients]
    posterior: str = "markov"
    name: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)

    def at(self, t: Tensor | float) -> Coefficients:
        """α, γ, σ at times t in [0, 1], as float64 tensors of t's shape and device."""
        return self.coefficients(torch.as_tensor(t, dtype=torch.float64))

    def slopes(self, t: Tensor | float) -> Coefficients:
        """dα/dt, dγ/dt, dσ/dt at times t, by differentiation; float64 of t's shape."""
        with torch.inference_mode(False), torch.enable_grad():
            time = torch.as_tensor(t, dtype=torch.float64).clone().requires_grad_()
            # + 0 · t: a coefficient may be constant, and then no graph leads from it to t.
            return Coefficients(
                *(
                    torch.autograd.grad((value + 0 * time).sum(), time, retain_graph=True)[0]
                    for value in self.coefficients(time)
                )
            )

    def marginal(self, x0: Tensor, y: Tensor, t: Tensor | float, noise: Tensor) -> Tensor:
        """A draw of x_t: α_t x0 + γ_t y + σ_t noise, for images (N, C, H, W) and t a number or (N,)."""
        alpha, gamma, sigma = (broadcast(c, x0) for c in self.at(t))
        return alpha * x0 + gamma * y + sigma * noise

    def fresh_noise(self, t: Tensor | float, s: Tensor | float) -> Tensor:
        """τ at η = 1: the deviation of the fresh noise in the ancestral step from t to s < t.

        "markov": σ_s √(1 − (α_t σ_s)² / (α_s σ_t)²), DDPM's posterior deviation (Ho 2020, eq. 7).
        "shift": σ_s √(1 − σ_s² / σ_t²), ResShift's (Yue 2023, eq. 7) and InDI's. From σ_t = 0,
        where a bridge starts, all of σ_s is fresh.
        """
        alpha_t, _, sigma_t = self.at(t)
        alpha_s, _, sigma_s = self.at(s)
        if float(sigma_t) == 0.0 or float(sigma_s) == 0.0:
            return sigma_s
        kept = sigma_s / sigma_t
        if self.posterior == "markov":
            kept = kept * alpha_t / alpha_s
        return sigma_s * (1 - kept**2).clamp(min=0).sqrt()


def broadcast(coefficient: Tensor, like: Tensor) -> Tensor:
    """A coefficient of shape () or (N,) ready to multiply images (N, C, H, W), in their dtype."""
    value = coefficient.to(device=like.device, dtype=like.dtype)
    return value.reshape(-1, *([1] * (like.ndim - 1))) if value.ndim else value


Coefficient = Callable[[Tensor], Tensor]
P = ParamSpec("P")


def _path(
    alpha: Coefficient, gamma: Coefficient, sigma: Coefficient, posterior: str = "markov"
) -> Path:
    return Path(lambda t: Coefficients(alpha(t), gamma(t), sigma(t)), posterior)


def _preset(make: Callable[P, Path]) -> Callable[P, Path]:
    """The same preset, whose paths carry its name and the parameters they were made with."""
    defaults = {p.name: p.default for p in inspect.signature(make).parameters.values()}

    @wraps(make)
    def named(*args: P.args, **given: P.kwargs) -> Path:
        path = make(*args, **given)
        return replace(path, name=make.__name__, parameters={**defaults, **given})

    return named


def _zero(t: Tensor) -> Tensor:
    return torch.zeros_like(t)


def _time(t: Tensor) -> Tensor:
    return t


def _rest(t: Tensor) -> Tensor:
    return 1 - t


def _cosine(t: Tensor) -> Tensor:
    return torch.cos(0.5 * math.pi * t * 0.9999)


def _sine(t: Tensor) -> Tensor:
    return torch.sin(0.5 * math.pi * t * 0.9999)


def _vp(decay: Coefficient) -> Path:
    """Variance preserving from B(t) = ∫β = −log ᾱ: α = e^(−B/2), σ = √(1 − e^(−B))."""
    return _path(
        lambda t: torch.exp(-0.5 * decay(t)), _zero, lambda t: (-torch.expm1(-decay(t))).sqrt()
    )


@_preset
def vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Variance preserving with β linear in t (DDPM in continuous time; Song 2021, eq. 33)."""
    return _vp(lambda t: 0.5 * t**2 * (beta_max - beta_min) + t * beta_min)


@_preset
def vp_quadratic(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Variance preserving with √β linear in t ("quad" of Ho 2020's code, "scaled linear" since)."""
    low = math.sqrt(beta_min)
    slope = math.sqrt(beta_max) - low
    return _vp(lambda t: t * (beta_min + low * slope * t + slope**2 * t**2 / 3))


@_preset
def vp_sigmoid(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Variance preserving with β = β_min + (β_max − β_min) s(12t − 6), s logistic (Xu 2022)."""

    def decay(t: Tensor) -> Tensor:
        area = (F.softplus(12 * t - 6) - math.log1p(math.exp(-6))) / 12
        return beta_min * t + (beta_max - beta_min) * area

    return _vp(decay)


@_preset
def vp_cosine() -> Path:
    """Variance preserving with ᾱ = cos²(πt/2) (Nichol 2021, without the offset); t ends at .9999."""
    return _path(_cosine, _zero, _sine)


@_preset
def vp_cosine_offset(*, offset: float = 0.008) -> Path:
    """Variance preserving with ᾱ = f(t)/f(0), f = cos²(π/2 · (t + s)/(1 + s)) (Nichol 2021, eq. 17).

    At the very end ᾱ is held at .001 ᾱ(.999), as their β of a thousand steps is clipped at .999.
    """

    def alpha_bar(t: Tensor) -> Tensor:
        scaled = torch.cos(0.5 * math.pi * (t + offset) / (1 + offset)) ** 2
        return scaled / math.cos(0.5 * math.pi * offset / (1 + offset)) ** 2

    floor = 0.001 * float(alpha_bar(torch.tensor(0.999, dtype=torch.float64)))
    return _vp(lambda t: -alpha_bar(t).clamp(min=floor).log())


def from_betas(betas: Sequence[float] | Tensor) -> Path:
    """A discrete chain of T steps as a path: ᾱ at t = i/T is ∏_{j ≤ i} (1 − β_j); log-linear between.

    betas: (T,), each in (0, 1], else UsageError. Step i of a paper that counts from 1 is at t = i/T.
    """
    steps = torch.as_tensor(betas, dtype=torch.float64)
    if not len(steps) or not ((steps > 0) & (steps <= 1)).all():
        raise UsageError("betas are one number or more in (0, 1]")
    total = torch.cat([steps.new_zeros(1), -torch.log1p(-steps).cumsum(0)])

    def decay(t: Tensor) -> Tensor:
        place = t * len(steps)
        before = place.detach().floor().long().clamp(0, len(steps) - 1)
        low, high = total.to(t.device)[before], total.to(t.device)[before + 1]
        share, ends = place - before, high.isinf()
        between = low.lerp(high.where(~ends, low), share).nan_to_num(nan=math.inf)  # after such a β
        return between.where(~ends | (share == 0), math.inf)  # β = 1 leaves nothing of the image

    return _vp(decay)


@_preset
def ddpm(*, steps: float = 1000, beta_first: float = 1e-4, beta_last: float = 0.02) -> Path:
    """The discrete chain of DDPM: β linear from `beta_first` to `beta_last` (Ho 2020, section 4)."""
    return from_betas(torch.linspace(beta_first, beta_last, int(steps), dtype=torch.float64))


def zero_terminal_snr(path: Path) -> Path:
    """A variance-preserving path whose √ᾱ is shifted and scaled to end in 0 (Lin 2024, algorithm 1).

    Predict v or x0 on it: where α is 0, ε says nothing of x0.
    """
    last = path.at(1.0).alpha

    def alpha(t: Tensor) -> Tensor:
        return (path.coefficients(t).alpha - last) / (1 - last)

    return _path(alpha, _zero, lambda t: ((1 - alpha(t)) * (1 + alpha(t))).sqrt())


@_preset
def vp_zero_terminal_snr(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """`vp` with `zero_terminal_snr` (Lin 2024)."""
    return zero_terminal_snr(vp(beta_min=beta_min, beta_max=beta_max))


def shift_resolution(path: Path, *, size: float, base: float = 64) -> Path:
    """A variance-preserving path for images of `size` pixels a side, tuned for `base` of them.

    log SNR is moved by 2 log(base/size): a larger image averages more noise away (Hoogeboom 2023).
    """

    def shifted(t: Tensor) -> tuple[Tensor, Tensor]:
        alpha, _, sigma = path.coefficients(t)
        noise = sigma * (size / base)
        total = (alpha**2 + noise**2).sqrt()
        return alpha / total, noise / total

    return _path(lambda t: shifted(t)[0], _zero, lambda t: shifted(t)[1])


@_preset
def vp_shifted_cosine(*, size: float = 256, base: float = 64) -> Path:
    """`vp_cosine` with `shift_resolution`: simple diffusion's schedule (Hoogeboom 2023)."""
    return shift_resolution(vp_cosine(), size=size, base=base)


@_preset
def sub_vp(*, beta_min: float = 0.1, beta_max: float = 20.0) -> Path:
    """Sub-VP: VP's mean with σ = 1 − ᾱ (Song 2021, eq. 29)."""
    plain = vp(beta_min=beta_min, beta_max=beta_max).coefficients
    return _path(lambda t: plain(t).alpha, _zero, lambda t: plain(t).sigma ** 2)


@_preset
def ve(*, sigma_min: float = 0.01, sigma_max: float = 50.0) -> Path:
    """Variance exploding: σ² = σ_min² ((σ_max/σ_min)^(2t) − 1) (Song 2021, eq. 29 and 31)."""
    growth = 2 * math.log(sigma_max / sigma_min)
    return _path(torch.ones_like, _zero, lambda t: sigma_min * torch.expm1(growth * t).sqrt())


@_preset
def edm(*, sigma_max: float = 80.0) -> Path:
    """Variance exploding with σ(t) = σ_max t (Karras 2022)."""
    return _path(torch.ones_like, _zero, lambda t: sigma_max * t)


@_preset
def rectified_flow(*, shift: float = 1.0) -> Path:
    """Straight lines from noise to image: α = 1 − t', σ = t' (Liu 2022, Lipman 2022).

    t' = s t/(1 + (s − 1) t): with s the ratio of the sides of an image to that which t' = t suits,
    noise is as visible in both (Esser 2024, eq. 23).
    """

    def warped(t: Tensor) -> Tensor:
        return shift * t / (1 + (shift - 1) * t)

    return _path(lambda t: 1 - warped(t), _zero, warped)


@_preset
def srdiff() -> Path:
    """Diffusion of the residual to the up-sampled image (Li 2021): `vp_cosine` shifted to y."""
    return _path(_cosine, lambda t: 1 - _cosine(t), _sine)


@_preset
def resshift(*, kappa: float = 2.0, power: float = 0.3) -> Path:
    """Residual shifting: α = 1 − η, γ = η, σ = κ√η (Yue 2023, eq. 2).

    √η grows to 1 from min(.04/κ, √.001) (eq. 10 and the text below it), and is 0 at t = 0 itself.
    """
    first = min(0.04 / kappa, math.sqrt(0.001))

    def eta(t: Tensor) -> Tensor:
        grown = first * (1 / first) ** (t.clamp(min=0) ** power)
        return torch.where(t > 0, grown, torch.zeros_like(t)) ** 2

    return _path(lambda t: 1 - eta(t), eta, lambda t: kappa * eta(t).sqrt(), "shift")


@_preset
def ir_sde(*, level: float = 0.1, theta: float = 4.6) -> Path:
    """Mean-reverting SDE: α = e^(−θ̄), σ = λ√(1 − e^(−2θ̄)), θ̄ = θ t (Luo 2023, eq. 6)."""
    return _path(
        lambda t: torch.exp(-theta * t),
        lambda t: 1 - torch.exp(-theta * t),
        lambda t: level * (1 - torch.exp(-2 * theta * t)).sqrt(),
    )


@_preset
def i2sb(*, beta: float = 0.3) -> Path:
    """Schrödinger bridge with constant β: σ² = βt, σ̄² = β(1 − t) (Liu 2023, eq. 11)."""
    return _path(_rest, _time, lambda t: (beta * t * (1 - t)).clamp(min=0).sqrt())


@_preset
def indi(*, epsilon: float = 0.0) -> Path:
    """Inversion by direct iteration: α = 1 − t, γ = t, σ = ε√t (Delbracio 2023); ε = 0 is cold."""
    return _path(_rest, _time, lambda t: epsilon * t.sqrt(), "shift")


@_preset
def flow_from_source(*, sigma: float = 0.1) -> Path:
    """Straight lines from the noised source: α = 1 − t, γ = t, σ = σ_e t (Albergo 2023, PMRF)."""
    return _path(_rest, _time, lambda t: sigma * t)


PATHS: Mapping[str, Callable[..., Path]] = {
    make.__name__: make
    for make in (
        *(vp, vp_quadratic, vp_sigmoid, vp_cosine, vp_cosine_offset, vp_shifted_cosine),
        *(vp_zero_terminal_snr, ddpm, sub_vp, ve, edm, rectified_flow),
        *(srdiff, resshift, ir_sde, i2sb, indi, flow_from_source),
    )
}
