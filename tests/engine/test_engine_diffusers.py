"""Step by step against a second implementation: the schedulers of diffusers, on the same inputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from engine_oracles import images
from torch import Tensor

from restorekit.engine.editing import invert
from restorekit.engine.markov import betas_of
from restorekit.engine.path import PATHS, Path, from_betas, zero_terminal_snr
from restorekit.engine.samplers import SAMPLERS, Sampler, State, ddim_step
from restorekit.engine.schedules import karras_times

schedulers = pytest.importorskip("diffusers.schedulers")
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

X, *DRAWS = images(61, 1, 3, 6, 5, seed=8, dtype=torch.float32)
EXACT = {"rtol": 0, "atol": 1e-5}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
STEPS = 20


def network(x: Tensor) -> Tensor:
    """x̂0 for any x_t: not linear, and without a time, as grids name theirs differently."""
    return torch.tanh(1.3 * x + 0.2)


def precise(name: str, **options: Any) -> tuple[Any, Path]:
    """A scheduler and its chain as a path.

    Its ᾱ are made in double precision: in its own float32, 1 − ᾱ of the first step has three digits.
    """
    scheduler = getattr(schedulers, name)(**options)
    scheduler.alphas_cumprod = (1 - scheduler.betas.double()).cumprod(0)
    return scheduler, from_betas(scheduler.betas.double())


def make(name: str, **options: Any) -> tuple[Any, Path, list[float]]:
    """A scheduler ready for STEPS steps, its chain as a path, and its times on that path."""
    scheduler, path = precise(name, **{"prediction_type": "sample", **options})
    scheduler.set_timesteps(STEPS)
    times = [(int(i) + 1) / 1000 for i in scheduler.timesteps]
    if hasattr(scheduler, "sigmas"):
        last = scheduler.sigmas[-1:].double()
        scheduler.sigmas = torch.cat([levels(path, times), last])  # their own, unrounded
    return scheduler, path, [*times, 0.0]


def levels(path: Path, times: list[float]) -> Tensor:
    """σ/α at times, in double precision."""
    alpha, _, sigma = path.at(torch.tensor(times, dtype=torch.float64))
    return sigma / alpha


def none(step: int) -> dict[str, Any]:
    """No further options for a step of theirs."""
    return {}


def assert_same(
    scheduler: Any,
    path: Path,
    times: list[float],
    sampler: str | Sampler,
    *,
    steps: int = STEPS,
    options: Callable[[int], dict[str, Any]] = none,
) -> None:
    """Both chains from the same x_1, compared after each of so many steps."""
    method = SAMPLERS[sampler] if isinstance(sampler, str) else sampler
    theirs, state = X, method.init(X)
    for i, (t, s) in enumerate(itertools.pairwise(times[: steps + 1])):
        step = scheduler.step(network(theirs), scheduler.timesteps[i], theirs, **options(i))
        theirs = step.prev_sample
        state = method.step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda i=i: DRAWS[i]
        )
        torch.testing.assert_close(state.x, theirs, **EXACT, msg=lambda m, i=i: f"step {i}: {m}")
    assert float((theirs - X).abs().max()) > 0.1


@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
def test_ddpm(betas: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ancestral sampling over all of a thousand steps' last sixty, with the posterior's variance."""
    scheduler, path = precise(
        "DDPMScheduler", prediction_type="sample", clip_sample=False, beta_schedule=betas
    )
    draws = iter(DRAWS)
    module = "diffusers.schedulers.scheduling_ddpm.randn_tensor"
    monkeypatch.setattr(module, lambda *_, **__: next(draws))
    theirs = ours = X
    for i in reversed(range(60)):
        t, s = (i + 1) / 1000, i / 1000
        draw = DRAWS[59 - i]
        theirs = scheduler.step(network(theirs), i, theirs).prev_sample
        state = SAMPLERS["ancestral"].init(ours)
        ours = (
            SAMPLERS["ancestral"]
            .step(lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda d=draw: d)
            .x
        )
        torch.testing.assert_close(ours, theirs, **EXACT)


@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_ddim(betas: str) -> None:
    made = make("DDIMScheduler", clip_sample=False, beta_schedule=betas)
    assert_same(*made, "ddim")


@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_ddim_with_noise(eta: float) -> None:
    """η = 1 is the ancestral sampler."""
    made = make("DDIMScheduler", clip_sample=False)
    some = Sampler(State, partial(ddim_step, eta=eta))
    sampler = "ancestral" if eta == 1 else some
    assert_same(*made, sampler, options=lambda i: {"eta": eta, "variance_noise": DRAWS[i]})


def test_inversion_by_ddim() -> None:
    """From the second of their steps on: the first begins at t = 0, where there is no noise."""
    scheduler, path = precise("DDIMInverseScheduler", prediction_type="sample", clip_sample=False)
    scheduler.set_timesteps(STEPS)
    times = [(int(i) + 1) / 1000 for i in scheduler.timesteps]
    assert times[0] < times[-1]
    theirs = ours = X.double()
    for place, (t, s) in zip(scheduler.timesteps[1:], itertools.pairwise(times), strict=True):
        theirs = scheduler.step(network(theirs), place, theirs).prev_sample
        ours = invert(lambda x, _: network(x), path, 0 * X, ours / path.at(t).alpha, [s, t, 0.0])
        torch.testing.assert_close(ours, theirs.to(ours), **EXACT)


def test_dpm_solver_pp_2s() -> None:
    """Theirs takes the middle of a step as a step of its own: given where λ is half-way."""
    scheduler, path = precise(
        "DPMSolverSinglestepScheduler",
        prediction_type="sample",
        lower_order_final=False,
        final_sigmas_type="sigma_min",
    )
    scheduler.set_timesteps(STEPS)
    times = [0.98 - 0.9 * i / (STEPS // 2) for i in range(STEPS // 2 + 1)]
    ends = levels(path, times)
    middles = (ends[1:] * ends[:-1]).sqrt()
    scheduler.sigmas = torch.cat([torch.stack([ends[:-1], middles], 1).flatten(), ends[-1:]])
    theirs, state = X.double(), SAMPLERS["dpm++2s"].init(X.double())
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        for call in (2 * i, 2 * i + 1):
            theirs = scheduler.step(network(theirs), scheduler.timesteps[call], theirs).prev_sample
        state = SAMPLERS["dpm++2s"].step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda: X
        )
        torch.testing.assert_close(state.x, theirs, **EXACT, msg=lambda m, i=i: f"step {i}: {m}")


@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("dpm++2m", {"solver_order": 2}),
        ("dpm++3m", {"solver_order": 3}),
        ("dpm++2m_sde", {"solver_order": 2, "algorithm_type": "sde-dpmsolver++"}),
    ],
)
def test_dpm_solver_pp(sampler: str, options: dict[str, Any], betas: str) -> None:
    made = make(
        "DPMSolverMultistepScheduler", final_sigmas_type="zero", beta_schedule=betas, **options
    )
    noisy = sampler.endswith("sde")
    assert_same(*made, sampler, options=lambda i: {"variance_noise": DRAWS[i]} if noisy else {})


def test_unipc() -> None:
    """All but the last step, where theirs falls to first order earlier or not at all."""
    scheduler, path, times = make(
        "UniPCMultistepScheduler", solver_order=3, solver_type="bh2", lower_order_final=False
    )
    assert_same(scheduler, path, times, "unipc", steps=STEPS - 1)


def test_deis() -> None:
    scheduler, path, times = make("DEISMultistepScheduler", solver_order=3)
    assert_same(scheduler, path, times, "deis", steps=STEPS - 1)


def epsilon(path: Path, x: Tensor, t: float) -> Tensor:
    """The noise that the network's x̂0 leaves, in double precision."""
    alpha, _, sigma = (float(c) for c in path.at(t))
    return (x - alpha * network(x)) / sigma


@pytest.mark.parametrize(("sampler", "skip"), [("plms", True), ("pndm", False)])
def test_pndm(sampler: str, skip: bool) -> None:
    """Theirs is called once an evaluation: twice in PLMS's first step, four times in PNDM's three."""
    scheduler, path = precise(
        "PNDMScheduler", prediction_type="epsilon", skip_prk_steps=skip, set_alpha_to_one=True
    )
    scheduler.set_timesteps(STEPS)
    marks = {i + 1: (int(t) + 1) / 1000 for i, t in enumerate(scheduler.timesteps)}
    warm = [2] if skip else [4, 4, 4]
    theirs, state, call = X.double(), SAMPLERS[sampler].init(X.double()), 0
    grid = sorted({(int(t) + 1) / 1000 for t in scheduler.timesteps}, reverse=True)
    if not skip:  # the middles of Runge and Kutta's steps are no steps
        grid = [t for t in grid if round(t * 1000 - 1) % 50 == 0]
    for i, (t, s) in enumerate(itertools.pairwise([*grid, 0.0])):
        for _ in range(warm[i] if i < len(warm) else 1):
            call += 1
            answer = epsilon(path, theirs, marks[call])
            theirs = scheduler.step(answer, scheduler.timesteps[call - 1], theirs).prev_sample
        state = SAMPLERS[sampler].step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda: X
        )
        torch.testing.assert_close(state.x, theirs, **EXACT, msg=lambda m, i=i: f"step {i}: {m}")
    assert call == len(scheduler.timesteps)


def test_heun() -> None:
    """Theirs works on x/α: scaled back at every step."""
    scheduler, path = precise("HeunDiscreteScheduler", prediction_type="epsilon")
    scheduler.set_timesteps(STEPS)
    times = [(float(t) + 1) / 1000 for t in [*scheduler.timesteps[::2]]]
    twice = levels(path, times).repeat_interleave(2)[1:]
    scheduler.sigmas = torch.cat([twice, torch.zeros(1)])  # their own, unrounded: 157 at the start
    times = [*times, 0.0]
    state = SAMPLERS["heun"].init(X.double())
    theirs = X.double() / float(path.at(times[0]).alpha)
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        for call in range(2 if s else 1):
            place, at = scheduler.timesteps[2 * i + call], (t, s)[call]
            sigma = float(scheduler.sigmas[2 * i + call])
            answer = (theirs - network(theirs * float(path.at(at).alpha))) / sigma
            theirs = scheduler.step(answer, place, theirs).prev_sample
        state = SAMPLERS["heun"].step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda: X
        )
        alpha_s = float(path.at(s).alpha)
        torch.testing.assert_close(state.x, theirs * alpha_s, **EXACT)


def test_edm() -> None:
    """Their Euler with EDM's own levels, and its preconditioning undone."""
    scheduler = schedulers.EDMEulerScheduler()
    scheduler.set_timesteps(STEPS)
    path = PATHS["edm"]()
    times = karras_times(path, STEPS)
    np.testing.assert_allclose([80 * t for t in times], scheduler.sigmas.numpy(), rtol=2e-6)
    theirs, state = 80 * X.double(), SAMPLERS["ddim"].init(80 * X.double())
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        sigma = float(scheduler.sigmas[i])
        scheduler.scale_model_input(theirs, scheduler.timesteps[i])
        skip = 0.25 / (sigma**2 + 0.25)
        answer = (network(theirs) - skip * theirs) / (sigma * 0.5 / (sigma**2 + 0.25) ** 0.5)
        theirs = scheduler.step(answer, scheduler.timesteps[i], theirs).prev_sample
        state = SAMPLERS["ddim"].step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda: X
        )
        # σ = 80 in their float32: an ulp is 8e-6, so the error is relative to the level.
        torch.testing.assert_close(state.x, theirs, rtol=0, atol=1e-5 * max(1.0, 80 * t))


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_rectified_flow(shift: float) -> None:
    scheduler = schedulers.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(STEPS)
    path = PATHS["rectified_flow"]()
    times = [float(t) for t in scheduler.sigmas]
    theirs, state = X, SAMPLERS["euler"].init(X)
    for i, (t, s) in enumerate(itertools.pairwise(times)):
        answer = (theirs - network(theirs)) / t
        theirs = scheduler.step(answer, scheduler.timesteps[i], theirs).prev_sample
        state = SAMPLERS["euler"].step(
            lambda x, _: network(x), path, torch.zeros_like(X), state, t, s, lambda: X
        )
        torch.testing.assert_close(state.x, theirs, **EXACT)


def test_the_shift_of_rectified_flow() -> None:
    plain, shifted = (schedulers.FlowMatchEulerDiscreteScheduler(shift=s) for s in (1.0, 3.0))
    sigma = PATHS["rectified_flow"](shift=3.0).at(plain.sigmas.double()).sigma
    np.testing.assert_allclose(sigma, shifted.sigmas, rtol=1e-6)


def test_discrete_schedules() -> None:
    """ᾱ of DDPM's linear β, and β of the clipped cosine, as diffusers has them."""
    linear = schedulers.DDPMScheduler(beta_schedule="linear")
    at = torch.arange(1, 1001) / 1000
    np.testing.assert_allclose(
        PATHS["ddpm"]().at(at.double()).alpha ** 2, linear.alphas_cumprod, rtol=1e-4
    )
    cosine = schedulers.DDPMScheduler(**COSINE)
    np.testing.assert_allclose(betas_of(PATHS["vp_cosine_offset"](), 1000), cosine.betas, rtol=1e-4)


def test_zero_terminal_snr() -> None:
    """Their algorithm on a chain whose first β is 0, so that it keeps √ᾱ = 1 as ours does."""
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    path = PATHS["vp"]()
    betas = torch.cat([torch.zeros(1, dtype=torch.float64), betas_of(path, 100)])
    theirs = (1 - rescale_zero_terminal_snr(betas)).cumprod(0).sqrt()
    ours = zero_terminal_snr(path).at(torch.linspace(0, 1, 101, dtype=torch.float64)).alpha
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
