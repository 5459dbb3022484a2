"""Samplers: pure pairs `init`, `step`, one row of `SAMPLERS` each; one loop runs them all.

To add one, write its step for u_t = x_t − γ_t y and add its row.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from restorekit.engine.path import Path
from restorekit.engine.samplers import multistep, single, stochastic
from restorekit.engine.samplers.frame import Estimate as Estimate
from restorekit.engine.samplers.frame import Noise as Noise
from restorekit.engine.samplers.frame import Sampler as Sampler
from restorekit.engine.samplers.frame import State as State
from restorekit.engine.samplers.frame import Step as Step
from restorekit.engine.samplers.frame import frame as frame
from restorekit.engine.samplers.frame import transfer as transfer
from restorekit.engine.samplers.single import ddim_step as ddim_step

SAMPLERS: Mapping[str, Sampler] = {
    "ddim": Sampler(State, ddim_step),
    "ancestral": Sampler(State, partial(ddim_step, eta=1.0)),
    "euler": Sampler(State, single.euler_step),
    "heun": Sampler(State, single.heun_step, evaluations=2),
    # S_churn = 40 in 256 steps, as for ImageNet in Karras 2022, table 5.
    "heun_churn": Sampler(State, single.churned(single.heun_step, 40 / 256), evaluations=2),
    "dpm++2s": Sampler(State, single.dpm_solver_pp_2s_step, evaluations=2),
    "dpm++2m": Sampler(State, multistep.solver(2, multistep.midpoint_moments)),
    "dpm++3m": Sampler(State, multistep.solver(3, multistep.released_3m_moments)),
    "dpm++2m_sde": Sampler(State, multistep.solver(2, multistep.midpoint_moments, eta=1.0)),
    "adams3": Sampler(State, multistep.solver(3)),
    "deis": Sampler(State, multistep.solver(3, of_noise=True)),
    "unipc": Sampler(State, multistep.unipc(3)),
    "plms": Sampler(State, multistep.plms(1), evaluations=2),
    "pndm": Sampler(State, multistep.plms(3), evaluations=4),
    "euler_maruyama": Sampler(State, stochastic.euler_maruyama_step),
    "predictor_corrector": Sampler(State, stochastic.predictor_corrector()),
    "annealed_langevin": Sampler(State, stochastic.annealed_langevin()),
}


def count_evaluations(sampler: Sampler, path: Path, times: Sequence[float]) -> int:
    """How often a sampler calls the denoiser along a grid, found by sampling an image of one number."""
    calls, one = 0, torch.ones(1, 1, 1, 1)

    def estimate(x: Tensor, t: float) -> Tensor:  # noqa: ARG001 (an estimate's call form)
        nonlocal calls
        calls += 1
        return one

    state = sampler.init(one)
    for t, s in itertools.pairwise(times):
        state = sampler.step(estimate, path, one, state, t, s, lambda: one)
    return calls
