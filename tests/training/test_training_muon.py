"""Muon against the singular value decomposition, and against steps written out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from training_kit import CPU, pictures, recipe, trainer

from restorekit import device as devices
from restorekit.training.muon import COEFFICIENTS, Muon, orthogonal
from restorekit.training.photographs import Corpus


def polynomial(values: torch.Tensor, steps: int) -> torch.Tensor:
    """What the iteration makes of singular values: each is worked on alone."""
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        values = a * values + b * values**3 + c * values**5
    return values


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_the_direction_keeps_singular_vectors_and_evens_values(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    matrices = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    values = polynomial(s / s.square().sum(-1, keepdim=True).sqrt(), 5)
    expected = u @ torch.diag_embed(values) @ v
    made = orthogonal(matrices)
    # bfloat16 has eight bits, and five rounds of it.
    assert float((made - expected).norm() / expected.norm()) < 0.05
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3


@pytest.mark.parametrize(("kind", "off"), [(torch.bfloat16, 0.05), (torch.float32, 1e-4)])
def test_the_iteration_is_in_the_device_s_own_precision(
    kind: torch.dtype, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrices = torch.randn(3, 12, 30, generator=torch.Generator().manual_seed(1))
    u, s, v = torch.linalg.svd(matrices.double(), full_matrices=False)
    values = polynomial(s / s.square().sum(-1, keepdim=True).sqrt(), 5)
    expected = u @ torch.diag_embed(values) @ v
    monkeypatch.setattr(devices, "precision", lambda _: kind)
    made = orthogonal(matrices)
    assert made.dtype == torch.float32
    assert float((made - expected).norm() / expected.norm()) < off


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_step_is_in_the_precision_that_the_device_multiplies_natively(
    kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "precision", lambda _: kind)
    made, seen = trainer(recipe(crop=32, batch=1)), set()
    made.network.tail.register_forward_hook(lambda *parts: seen.add(parts[2].dtype))
    made.step(Corpus.of(pictures(1), 32, CPU))
    assert seen == {kind}


def test_a_zero_matrix_has_no_direction() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))


def test_steps_are_nesterov_s_momentum_made_orthogonal() -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(8, 3, 3, 3, generator=generator)
    weight = nn.Parameter(start.clone(memory_format=torch.channels_last))
    optimiser = Muon([weight], lr=0.1, momentum=0.9)
    expected, momentum = start.clone(), torch.zeros_like(start)
    for _ in range(3):
        gradient = torch.randn(8, 3, 3, 3, generator=generator)
        weight.grad = gradient.clone(memory_format=torch.channels_last)
        optimiser.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        direction = 0.1 * gradient + 0.9 * momentum
        step = orthogonal(direction.reshape(1, 8, 27))[0].reshape(start.shape)
        expected = expected - 0.1 * math.sqrt(max(1.0, 8 / 27)) * step
        assert float((weight.detach() - expected).abs().max()) < 2e-3
    assert float((weight.detach() - start).abs().max()) > 0.02


def test_matrices_of_one_shape_do_not_mix_and_tall_ones_step_further() -> None:
    generator = torch.Generator().manual_seed(3)
    start = [torch.randn(32, 2, 1, 1, generator=generator) for _ in range(2)]
    gradients = [torch.randn(32, 2, 1, 1, generator=generator) for _ in range(2)]
    together = [nn.Parameter(s.clone()) for s in start]
    for parameter, gradient in zip(together, gradients, strict=True):
        parameter.grad = gradient.clone()
    Muon(together, lr=0.1).step()
    for index, parameter in enumerate(together):
        alone = nn.Parameter(start[index].clone())
        alone.grad = gradients[index].clone()
        Muon([alone], lr=0.1).step()
        assert float((alone - parameter).detach().abs().max()) < 1e-3
        size = float((parameter.detach() - start[index]).norm())
        assert size == pytest.approx(0.1 * 4 * math.sqrt(2), rel=0.3)  # √(32/2) = 4, two directions


def test_decay_shrinks_a_weight_by_the_rate_times_it_before_the_step() -> None:
    generator = torch.Generator().manual_seed(4)
    start, gradient = (torch.randn(6, 10, generator=generator) for _ in range(2))
    moved = {}
    for decay in (0.0, 0.5):
        weight = nn.Parameter(start.clone())
        weight.grad = gradient.clone()
        Muon([weight], lr=0.1, decay=decay).step()
        moved[decay] = weight.detach() - start
    torch.testing.assert_close(moved[0.5] - moved[0.0], -0.1 * 0.5 * start)


def test_what_has_no_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(2, 2, 1, 1))
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight.detach(), torch.ones(2, 2, 1, 1))
