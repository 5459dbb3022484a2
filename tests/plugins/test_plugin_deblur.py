"""The plugin that is a distribution of its own: kernels, the closed form, and what it is worth."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from distributions import installed
from outer_kit import REPOSITORY

import restorekit
from restorekit.metrics import psnr
from restorekit.testing import photograph

PACKAGE = REPOSITORY / "plugins" / "deblur"
ndimage = pytest.importorskip("scipy.ndimage")


@pytest.fixture(autouse=True)
def plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> Iterator[None]:
    """The plugin, as if its wheel were installed."""
    yield from installed(PACKAGE, tmp_path / "site", monkeypatch, fresh_plugins)


SHAPES = [("gaussian", 1.6, 0), ("gaussian", 0.2, 0), ("disc", 3.3, 0), ("motion", 9.5, 30)]


@pytest.mark.parametrize(("shape", "extent", "angle"), SHAPES)
def test_kernels_are_odd_sum_to_one_and_stay_in_the_middle(shape, extent, angle) -> None:
    from restorekit_deblur import kernels

    kernel = kernels.of_shape(shape, extent, angle)
    assert kernel.shape[0] % 2 == kernel.shape[1] % 2 == 1
    assert kernel.min() >= 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(kernel, kernel.flip(0, 1))


def variance(kernel: torch.Tensor, axis: int) -> float:
    places = torch.arange(kernel.shape[axis]) - kernel.shape[axis] // 2
    return float((kernel.sum(1 - axis) * places**2).sum())


def test_kernels_are_as_wide_as_they_say() -> None:
    from restorekit_deblur import kernels

    assert variance(kernels.of_shape("gaussian", 2.0, 0), 0) == pytest.approx(4.0, rel=0.01)
    # A disc's is r²/4 along an axis, a line's l²/12; a pixel is a square, and a line one pixel wide.
    assert variance(kernels.of_shape("disc", 6.0, 0), 1) == pytest.approx(9.0, rel=0.02)
    line = kernels.of_shape("motion", 12.0, 90.0)
    assert variance(line, 0) == pytest.approx(12.0, rel=0.04)
    assert variance(line, 1) < 0.1
    tilted = kernels.of_shape("motion", 12.0, 30.0)  # up to the right: rows fall as columns grow
    rows, columns = np.mgrid[0 : tilted.shape[0], 0 : tilted.shape[1]] - tilted.shape[0] // 2
    slope = float((tilted.numpy() * rows * columns).sum() / (tilted.numpy() * columns**2).sum())
    assert slope == pytest.approx(-math.tan(math.radians(30)), rel=0.05)


@pytest.mark.parametrize("size", [(5, 5), (3, 7), (4, 6), (1, 1)])
def test_blurring_is_a_convolution(size: tuple[int, int]) -> None:
    from restorekit_deblur import kernels

    draw = np.random.default_rng(0)
    kernel, image = draw.random(size), draw.random((11, 13))
    kernel /= kernel.sum()
    expected = ndimage.convolve(image, kernel, mode="nearest", origin=0)
    images = torch.from_numpy(image).float().expand(2, 3, -1, -1)
    found = kernels.convolved(images, torch.from_numpy(kernel).float())
    even = tuple(side % 2 == 0 for side in size)
    if not any(even):  # of even sides scipy has another middle
        np.testing.assert_allclose(found[1, 2].numpy(), expected, atol=1e-5)
    assert found.shape == images.shape


def test_a_kernel_from_a_picture() -> None:
    from restorekit_deblur import kernels

    kernel = kernels.of_shape("disc", 2.0, 0)
    shown = (kernel / kernel.max() * 2 - 1).expand(1, 3, -1, -1)
    torch.testing.assert_close(kernels.of_picture(shown), kernel, atol=1e-6, rtol=0)
    with pytest.raises(restorekit.UsageError, match="is black"):
        kernels.of_picture(-torch.ones(1, 3, 5, 5))


def test_the_closed_form_solves_the_normal_equations() -> None:
    """(KᵀK + α)(x − z) = Kᵀ M (y − K z), written as matrices on the frame."""
    from restorekit_deblur import kernels, splitting

    draw = torch.Generator().manual_seed(1)
    image, near = (torch.randn(1, 3, 10, 12, generator=draw, dtype=torch.float64) for _ in range(2))
    kernel = kernels.of_shape("motion", 4.0, 20.0).double()
    ratio, side, reach = 0.3, 32, kernel.shape[0]
    found = splitting.solved(image, near, kernel, ratio)
    framed = torch.nn.functional.pad(
        near, (reach, side - 12 - reach, reach, side - 10 - reach), mode="replicate"
    )
    matrix = torch.zeros(side, side, side, side, dtype=torch.float64)
    middle = reach // 2
    for row in range(side):
        for column in range(side):
            for i in range(reach):
                for j in range(reach):
                    target = (row + i - middle) % side, (column + j - middle) % side
                    matrix[(*target, row, column)] += kernel[i, j]
    K = matrix.reshape(side**2, side**2)
    mask = torch.zeros(side, side, dtype=torch.float64)
    mask[reach : reach + 10, reach : reach + 12] = 1
    measured = torch.zeros(side, side, dtype=torch.float64)
    measured[reach : reach + 10, reach : reach + 12] = image[0, 0]
    z = framed[0, 0].flatten()
    missing = mask.flatten() * (measured.flatten() - K @ z)
    alpha = splitting.WEIGHT * ratio**2
    change = torch.linalg.solve(
        K.T @ K + alpha * torch.eye(side**2, dtype=torch.float64), K.T @ missing
    )
    expected = (z + change).reshape(side, side)[reach : reach + 10, reach : reach + 12]
    torch.testing.assert_close(found[0, 0], expected, atol=1e-8, rtol=0)


def test_levels_fall_evenly_to_the_picture_s_own() -> None:
    from restorekit_deblur import splitting

    levels = splitting.levels(2.0, 5)
    assert levels[0] == splitting.FIRST
    assert levels[-1] == pytest.approx(2.0)
    ratios = [b / a for a, b in itertools.pairwise(levels)]
    assert ratios == pytest.approx([ratios[0]] * 4)
    assert splitting.levels(3.0, 1) == [3.0]
    assert splitting.levels(0.0, 3)[-1] == splitting.QUIETEST
    assert splitting.levels(45.0, 3) == [45.0] * 3


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_the_noise_of_a_blurred_picture_is_measured(sigma: float) -> None:
    from restorekit_deblur import kernels, splitting

    clean = torch.from_numpy(photograph(128, 128)).permute(2, 0, 1)[None].float() / 127.5 - 1
    blurred = kernels.convolved(clean, kernels.of_shape("gaussian", 1.6, 0))
    draw = torch.Generator().manual_seed(0)
    noisy = blurred + sigma / 127.5 * torch.randn(blurred.shape, generator=draw)
    assert splitting.noise_level(noisy) == pytest.approx(sigma, rel=0.15)
    assert splitting.noise_level(noisy[..., :1]) == 0


def blurred(truth: np.ndarray, shape: str, extent: float, angle: float) -> np.ndarray:
    from restorekit_deblur import TASK, restorekit_degrade

    options = TASK.check_options({"shape": shape, "blur": extent, "angle": angle})
    clean = torch.from_numpy(truth.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    image = restorekit_degrade(clean, {**options, "level": 2.0}, seed=3)["image"]
    return ((image[0].permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8)


def test_tiles_do_not_show_through_its_stages() -> None:
    picture = blurred(photograph(120, 150), "gaussian", 1.6, 0)
    whole = restorekit.deblur(picture, iterations=3, device="cpu")
    tiled = restorekit.deblur(picture, iterations=3, device="cpu", tile=64)
    np.testing.assert_array_equal(tiled, whole)


def test_a_kernel_s_picture_does_what_its_shape_does() -> None:
    from restorekit_deblur import kernels

    picture = blurred(photograph(64, 80), "disc", 2.0, 0)
    kernel = kernels.of_shape("disc", 2.0, 0).numpy()
    shown = (kernel / kernel.max()).astype(np.float32)
    named = restorekit.deblur(picture, shape="disc", blur=2.0, iterations=2)
    given = restorekit.deblur(picture, shown, iterations=2)
    assert np.abs(named.astype(int) - given).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "extent", "angle", "margin"),
    [("gaussian", 1.6, 0.0, 0.4), ("motion", 15.0, 30.0, 1.0)],
)
def test_it_beats_richardson_lucy_and_unsupervised_wiener(shape, extent, angle, margin) -> None:
    restoration = pytest.importorskip("skimage.restoration")
    data = pytest.importorskip("skimage.data")
    from restorekit_deblur import kernels

    kernel = kernels.of_shape(shape, extent, angle).double().numpy()
    reach = len(kernel)

    def scored(deconvolve: Callable[[np.ndarray], np.ndarray], given: np.ndarray) -> np.ndarray:
        framed = np.pad(given / 255, ((reach,) * 2, (reach,) * 2, (0, 0)), "edge")
        planes = [deconvolve(np.ascontiguousarray(framed[..., c])) for c in range(3)]
        inside = np.stack(planes, 2)[reach:-reach, reach:-reach].clip(0, 1)
        return (inside * 255 + 0.5).astype(np.uint8)

    methods: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "richardson-lucy 10": lambda plane: restoration.richardson_lucy(plane, kernel, num_iter=10),
        "richardson-lucy 30": lambda plane: restoration.richardson_lucy(plane, kernel, num_iter=30),
        "wiener": lambda plane: restoration.unsupervised_wiener(plane, kernel, rng=0)[0],
    }
    scores: dict[str, list[float]] = defaultdict(list)
    for photograph_ in (data.chelsea(), data.astronaut(), data.coffee()):
        truth = np.ascontiguousarray(photograph_[64:224, 96:288])
        given = blurred(truth, shape, extent, angle)
        scores["nothing"].append(psnr(given, truth))
        for name, method in methods.items():
            scores[name].append(psnr(scored(method, given), truth))
        ours = restorekit.deblur(given, shape=shape, blur=extent, angle=angle)
        scores["ours"].append(psnr(ours, truth))
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    ours = means.pop("ours")
    assert ours > max(means.values()) + margin, (ours, means)
