"""Resampling by windows: bit-equal crops, and agreement with MATLAB's imresize and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_oracles import few, images
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from restorekit.degradations import reduce
from restorekit.engine.resample import KERNELS, resample, resampling_matrix, taps
from restorekit.errors import UsageError
from restorekit.metrics import matlab_imresize

SIZES = [  # (from, to)
    ((13, 17), (52, 68)),
    ((13, 17), (14, 51)),
    ((13, 17), (31, 29)),
    ((40, 37), (10, 12)),
    ((40, 37), (39, 11)),
    ((33, 8), (20, 30)),
    ((5, 3), (1, 1)),
    ((1, 1), (4, 7)),
    ((2, 9), (9, 2)),
]


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    (image,) = images(1, 1, 3, height, width, seed=seed, dtype=torch.float32)
    return image.clamp(-2, 2) / 2


side = st.integers(1, 40)


@few
@given(
    side, side, st.integers(1, 70), st.integers(1, 70), st.sampled_from(sorted(KERNELS)), st.data()
)
def test_any_window_is_the_crop_of_the_whole_bit_for_bit(
    height: int, width: int, rows: int, columns: int, kernel: str, data: st.DataObject
) -> None:
    image = picture(height, width, seed=height * 41 + width)
    whole = resample(image, (rows, columns), kernel=kernel)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    box = (
        top,
        left,
        data.draw(st.integers(1, rows - top)),
        data.draw(st.integers(1, columns - left)),
    )
    window = resample(image, (rows, columns), box, kernel)
    assert torch.equal(window, whole[..., top : top + box[2], left : left + box[3]]), (
        height,
        width,
        rows,
        columns,
        box,
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_windows_of_a_large_picture_agree_whatever_the_threads(threads: int) -> None:
    image, before = picture(150, 170), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        whole = resample(image, (601, 677))
        for box in ((0, 0, 64, 64), (1, 3, 333, 41), (599, 670, 2, 7), (250, 111, 301, 555)):
            top, left, height, width = box
            crop = whole[..., top : top + height, left : left + width]
            assert torch.equal(resample(image, (601, 677), box), crop)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("size_in", "size_out"), [(7, 100), (100, 7), (64, 63), (1, 5), (5, 1)])
def test_weights_are_a_place_s_own(size_in: int, size_out: int, kernel: str) -> None:
    """In float64 already: a sum that depends on its neighbours would round alike only mostly."""
    index, weight = taps(size_in, size_out, 0, size_out, kernel)
    for place in range(size_out):
        own_index, own_weight = taps(size_in, size_out, place, 1, kernel)
        assert torch.equal(own_index[0], index[place])
        assert torch.equal(own_weight[0], weight[place])
    torch.testing.assert_close(
        weight.double().sum(1), torch.ones(size_out).double(), rtol=0, atol=3e-7
    )


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_bicubic_is_matlab_s_imresize(size: tuple[int, int], target: tuple[int, int]) -> None:
    image = picture(*size)
    made = resample(image, target)[0].permute(1, 2, 0).numpy()
    expected = matlab_imresize(
        image[0].permute(1, 2, 0).numpy().astype(np.float64), size=target, border="clamp"
    )
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "method"),
    [("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)],
)
@pytest.mark.parametrize(
    ("size", "target"), [((40, 44), (97, 132)), ((90, 80), (30, 41)), ((60, 60), (60, 91))]
)
def test_inside_it_is_pillow_s(
    kernel: str, method: Image.Resampling, size: tuple[int, int], target: tuple[int, int]
) -> None:
    """Away from the border, where Pillow cuts its kernel off instead of repeating the edge."""
    image = picture(*size)[:, :1]
    made = resample(image, target, kernel=kernel)[0, 0].numpy()
    pillow = Image.fromarray(image[0, 0].numpy()).resize(target[::-1], method)
    rim = [int(np.ceil(4 * max(1, target[i] / size[i]))) for i in range(2)]
    inside = (slice(rim[0], -rim[0]), slice(rim[1], -rim[1]))
    assert made[inside].size > 100
    np.testing.assert_allclose(made[inside], np.asarray(pillow)[inside], rtol=0, atol=2e-6)


@few
@given(side, side, side, side, st.sampled_from(sorted(KERNELS)), st.floats(-1, 1, width=32))
def test_constants_stay_constant(
    height: int, width: int, rows: int, columns: int, kernel: str, value: float
) -> None:
    made = resample(torch.full((1, 1, height, width), value), (rows, columns), kernel=kernel)
    torch.testing.assert_close(made, torch.full((1, 1, rows, columns), value), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1.37, 2.0, 3.0, 4.0])
def test_ramps_stay_ramps_inside(scale: float) -> None:
    """Keys' kernel reproduces polynomials of the first (even second) degree."""
    height, width = 20, 24
    rows, columns = round(height * scale), round(width * scale)

    def ramp(y: Tensor, x: Tensor) -> Tensor:
        return (0.03 * y[:, None] - 0.02 * x[None] + 0.1)[None, None]

    image = ramp(torch.arange(height).double(), torch.arange(width).double()).float()
    y = (torch.arange(rows).double() + 0.5) * height / rows - 0.5
    x = (torch.arange(columns).double() + 0.5) * width / columns - 0.5
    rim = int(np.ceil(2 * scale))
    made = resample(image, (rows, columns))
    inside = (..., slice(rim, rows - rim), slice(rim, columns - rim))
    torch.testing.assert_close(made[inside], ramp(y, x).float()[inside], rtol=0, atol=1e-6)


def test_the_same_size_changes_nothing() -> None:
    image = picture(9, 11)
    for kernel in KERNELS:
        torch.testing.assert_close(
            resample(image, (9, 11), kernel=kernel), image, rtol=0, atol=1e-7
        )


def test_mirroring_the_input_mirrors_the_result() -> None:
    """Samples sit at half-integers, so no side is favoured (a shift by half a pixel would be)."""
    image = picture(9, 11)
    for target in ((31, 40), (4, 3), (36, 44)):
        made = resample(image.flip(-1, -2), target)
        torch.testing.assert_close(made.flip(-1, -2), resample(image, target), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_matrices_and_batches_are_the_same_operator(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    batch = torch.cat([picture(*size, seed=i) for i in range(3)])
    for kernel in KERNELS:
        single = torch.cat([resample(image[None], target, kernel=kernel) for image in batch])
        torch.testing.assert_close(reduce(batch, target, kernel), single, rtol=0, atol=2e-6)
        matrix = resampling_matrix(size[0], target[0], kernel)
        assert matrix.shape == (target[0], size[0])
        torch.testing.assert_close(matrix.sum(1), torch.ones(target[0]), rtol=0, atol=1e-6)


def test_kernels_that_are_none_are_named() -> None:
    with pytest.raises(UsageError, match="kernel 'nearest' is none of bicubic, lanczos"):
        resample(picture(4, 5), (8, 10), kernel="nearest")
