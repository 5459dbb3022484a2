"""What can be done with a generative model as it is: SDEdit, inversion, interpolation, RePaint.

These sample a picture whole, by `restorekit.engine.loop.sample`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from restorekit.engine.loop import sample
from restorekit.engine.path import Path
from restorekit.engine.samplers import SAMPLERS, Estimate, Noise, Sampler, State, ddim_step, frame
from restorekit.engine.samplers.frame import moved


def sdedit(
    sampler: Sampler,
    estimate: Estimate,
    path: Path,
    y: Tensor,
    guide: Tensor,
    times: Sequence[float],
    noise: Callable[[int], Tensor],
) -> Tensor:
    """A picture near a guide: noise is added up to times[0], and taken away again (Meng 2022).

    The later the start, the more realistic and the less like the guide. noise(0) starts.
    """
    x = path.marginal(guide, y, times[0], noise(0))
    return sample(sampler, estimate, path, y, x, times, lambda i: noise(i + 1))


def invert(
    estimate: Estimate,
    path: Path,
    y: Tensor,
    image: Tensor,
    times: Sequence[float],
    sampler: Sampler = SAMPLERS["ddim"],
) -> Tensor:
    """The noise at times[0] from which a deterministic sampler makes an image (Song 2021, section 5.4).

    The image is taken for the mean of x at the last time above 0, where σ is small: at 0 there is no
    noise to tell of. The sampler then runs against time.
    """
    upwards = [t for t in reversed(times) if t > 0]
    x = path.marginal(image, y, upwards[0], torch.zeros_like(image))
    return sample(sampler, estimate, path, y, x, upwards, lambda _: torch.zeros_like(image))


def slerp(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Spherical interpolation of two noises (N, C, H, W), by item (Song 2021, eq. 67).

    Where the two point the same or the opposite way it is linear.
    """
    a, b = first.flatten(1), second.flatten(1)
    cosine = torch.nn.functional.cosine_similarity(a, b, 1).clamp(-1, 1)
    angle = cosine.acos()[:, None]
    straight = angle.sin() < 1e-6
    below = torch.where(straight, 1.0, angle.sin())
    left = torch.where(straight, 1 - share, ((1 - share) * angle).sin() / below)
    right = torch.where(straight, share, (share * angle).sin() / below)
    return (left * a + right * b).reshape(first.shape)


def repaint(values: Tensor, mask: Tensor) -> Sampler:
    """RePaint (Lugmayr 2022, algorithm 1): an unconditional model fills where mask is 0.

    values: (N, C, H, W); mask: (N, 1, H, W), 1 = known. After each ancestral step the known pixels are
    drawn from the path at its time. Known pixels are exact at the end.
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        # Known and unknown pixels are apart, so one draw serves both.
        draw = noise() if s > 0 else torch.zeros_like(values)
        made = ddim_step(estimate, path, y, state, t, s, lambda: draw, eta=1.0).x
        known = path.marginal(values, y, s, draw)
        return State(torch.where(mask > 0.5, known, made))

    return resampled(Sampler(State, step))


def resampled(sampler: Sampler) -> Sampler:
    """The sampler; a step to a later time (`repaint_times`) adds the noise between.

    With the ancestral sampler and estimates whose known pixels are overwritten this is RePaint too:
    the posterior of a known x̂0 draws x_s from the path at s (Lugmayr 2022, eq. 8 and section 4.2).
    """

    def step(
        estimate: Estimate, path: Path, y: Tensor, state: State, t: float, s: float, noise: Noise
    ) -> State:
        if s <= t:
            return sampler.step(estimate, path, y, state, t, s, noise)
        f = frame(path, t, s)
        kept, added = f.forward()
        share = 0.0 if f.noisy else f.level_s - kept * f.level_t
        return State(moved(f, state.x, y, kept, (), added, noise, share))

    return sampler._replace(step=step)
