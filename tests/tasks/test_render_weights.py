"""What the shipped weights of denoise-render do, on renders made here; skipped where there are none."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from outer_kit import REPOSITORY

import restorekit as rk
from restorekit import plugins
from restorekit.engine.tiles import Box
from restorekit.models import store

sys.path.insert(0, str(REPOSITORY / "plugins" / "render"))

import restorekit_render
from restorekit_render.plan import condition, finish, plan

WEIGHTS = restorekit_render.restorekit_models().get("denoise-render")
SIDE = 192
pytestmark = pytest.mark.skipif(WEIGHTS is None, reason="the weights are not trained yet")


def scene(seed: int = 0) -> dict[str, np.ndarray]:
    """A textured wall, a ball before it and a floor: light, albedo and normals without noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    cells = np.kron(rng.random((24, 24, 3)), np.ones((8, 8, 1)))
    albedo = (0.1 + 0.8 * cells).astype(np.float32)
    normal = np.tile(np.float32([0, 0, 1]), (SIDE, SIDE, 1))
    x, y = (columns - 0.6) / 0.25, (rows - 0.45) / 0.25
    ball = x**2 + y**2 < 1
    normal[ball] = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], 2)[ball]
    albedo[ball] = (0.7, 0.2, 0.1)
    normal[rows > 0.75] = (0, -1, 0)
    lamp = np.float32([0.4, -0.6, 0.7])
    light = 0.1 + 2 * np.maximum(normal @ lamp, 0) * np.exp(-2 * columns)
    return {"image": albedo * light[..., None], "albedo": albedo, "normal": normal}


def rendered(samples: int, seed: int = 1) -> dict[str, np.ndarray]:
    """The scene with the noise of so many samples: what a share of them brings is all there is."""
    made, rng = scene(), np.random.default_rng(seed)
    hits = rng.gamma(0.3 * samples, 1 / (0.3 * samples), (SIDE, SIDE, 1)).astype(np.float32)
    return made | {"image": (made["image"] * hits).astype(np.float32)}


def restored(inputs: dict[str, np.ndarray]) -> np.ndarray:
    """The whole picture by the path's first call, in float32."""
    assert WEIGHTS is not None
    denoiser = store.load(WEIGHTS).denoiser(torch.device("cpu"), torch.float32)
    tensors = {k: torch.from_numpy(v).permute(2, 0, 1)[None] for k, v in inputs.items()}
    made, whole = plan(tensors, restorekit_render.TASK.check_options({})), Box(0, 0, SIDE, SIDE)
    given = condition(made, whole)
    with torch.no_grad():
        x0 = denoiser(given.source, torch.ones(()), given)
    return finish(made, whole, x0)[0].permute(1, 2, 0).numpy()


def error(light: np.ndarray) -> float:
    """The mean relative squared error of light in the scene."""
    truth = scene()["image"]
    return float(np.mean((light - truth) ** 2 / (truth + 0.02) ** 2))


@pytest.mark.parametrize("samples", [1, 4, 16, 64])
def test_noise_is_taken_out(samples: int) -> None:
    inputs = rendered(samples)
    assert error(restored(inputs)) < {1: 0.1, 4: 0.15, 16: 0.3, 64: 0.7}[samples] * error(
        inputs["image"]
    )


@pytest.mark.user("I2")
@pytest.mark.parametrize("samples", [4, 16, 64])
def test_texture_is_better_with_albedo_and_normals_than_without(samples: int) -> None:
    inputs = rendered(samples)
    assert error(restored(inputs)) < error(restored({"image": inputs["image"]}))


@pytest.mark.user("I4")
@pytest.mark.parametrize("samples", [1, 4, 16])
def test_wrong_passes_are_never_worse_than_none(samples: int) -> None:
    """The albedo and the normals of another picture, of this one mirrored, and of none."""
    inputs, other = rendered(samples), scene(7)
    bare = error(restored({"image": inputs["image"]}))
    for albedo in (other["albedo"][::-1], inputs["albedo"][:, ::-1]):
        wrong = {"albedo": albedo.copy(), "normal": inputs["normal"][::-1].copy()}
        assert error(restored(inputs | wrong)) <= 1.001 * bare


@pytest.mark.user("I4")
def test_passes_that_are_stored_otherwise_do_no_harm() -> None:
    """Normals as colours; the same as they should be, to rounding."""
    inputs = rendered(4)
    coded = inputs | {"normal": (inputs["normal"] + 1) / 2}
    np.testing.assert_allclose(restored(coded), restored(inputs), rtol=1e-3, atol=1e-4)


@pytest.mark.user("I5")
@pytest.mark.parametrize("factor", [0.01, 0.3, 100.0])
def test_light_of_another_unit_gives_the_same_picture(factor: float) -> None:
    inputs = rendered(4)
    once = restored(inputs)
    scaled = restored(inputs | {"image": inputs["image"] * np.float32(factor)}) / factor
    assert float(np.max(np.abs(scaled - once) / (np.abs(once) + 1e-3))) < 0.01


@pytest.mark.user("I5")
def test_grey_stays_grey() -> None:
    made = rendered(4)
    grey = made["image"].mean(2, keepdims=True).repeat(3, 2)
    out = restored({"image": grey})
    spread = out.max(2) - out.min(2)
    assert float(np.median(spread / (out.mean(2) + 1e-3))) < 0.05


@pytest.mark.user("I1")
def test_what_stands_still_flickers_less_than_the_render() -> None:
    """Eight frames of a scene that stands still, each of its own noise: deviation over the frames."""
    frames = [rendered(4, seed) for seed in range(8)]
    before = np.std([frame["image"] for frame in frames], 0).mean()
    after = np.std([restored(frame) for frame in frames], 0).mean()
    assert after < 0.15 * before


def test_the_call_is_what_the_network_says() -> None:
    if "denoise-render" not in plugins.tasks():
        pytest.skip("the task is not installed")
    inputs = rendered(4)
    called = rk.denoise_render(*inputs.values(), model=str(WEIGHTS), device="cpu")
    assert error(called) == pytest.approx(error(restored(inputs)), rel=0.1)
