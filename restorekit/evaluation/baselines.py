"""Classical methods to stand beside a task: resizing, denoising, filling. None of them is learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib.util import find_spec

import numpy as np

from restorekit.errors import UsageError
from restorekit.evaluation.cases import Case, as_rgb

Method = Callable[[Case, tuple[int, int]], np.ndarray]
"""(case, (height, width) of the result) → (height, width, 3) uint8."""


def resized_by(kernel: str) -> Method:
    """The picture resampled to the result's size by "bicubic" or "lanczos"."""

    def method(case: Case, size: tuple[int, int]) -> np.ndarray:
        from restorekit.engine.resample import resample
        from restorekit.jobs.samples import to_samples, to_tensor

        return to_samples(resample(to_tensor(as_rgb(case.picture)), size, kernel=kernel), 8)

    return method


def _denoised_by(function: Callable[[np.ndarray, float], np.ndarray], least: int = 2) -> Method:
    """A method from (picture, noise's deviation of 255) → picture, both (H, W, 3) uint8.

    least: pixels a side below which the function fails, or never ends.
    """

    def method(case: Case, size: tuple[int, int]) -> np.ndarray:  # noqa: ARG001
        pixels = as_rgb(case.picture)
        height, width = pixels.shape[:2]
        if min(height, width) < least:
            raise UsageError(
                f"it needs {least} pixels a side and the picture is {width} x {height}; leave one out"
            )
        return function(pixels, noise_level(case, pixels))

    return method


def noise_level(case: Case, pixels: np.ndarray) -> float:
    """The deviation that the case tells as "sigma", else the one found in the picture; of 255.

    Found as by Donoho and Johnstone 1994 (Biometrika 81(3)), section 4.2: the median of the
    finest Haar wavelets' diagonal coefficients, over the .6745 of a normal distribution.
    """
    if case.told.get("sigma") is not None:
        return float(case.told["sigma"])
    height, width = (side // 2 * 2 for side in pixels.shape[:2])
    blocks = pixels[:height, :width].astype(np.float64)
    diagonal = blocks[::2, ::2] - blocks[1::2, ::2] - blocks[::2, 1::2] + blocks[1::2, 1::2]
    return float(np.median(np.abs(diagonal)) / 2 / 0.6745)


def _opencv_nlm(pixels: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    # OpenCV's own advice for its h: about the noise's deviation in each of Lab's channels.
    return cv2.fastNlMeansDenoisingColored(pixels, None, sigma, sigma, 7, 21)


def _skimage_nlm(pixels: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    unit = sigma / 255
    found = denoise_nl_means(
        pixels / 255.0, patch_size=5, patch_distance=6, h=0.6 * unit, sigma=unit, channel_axis=-1
    )
    return _to_levels(found)


def _skimage_wavelet(pixels: np.ndarray, sigma: float) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    found = denoise_wavelet(
        pixels / 255.0,
        sigma=sigma / 255 or None,
        convert2ycbcr=True,
        channel_axis=-1,
        rescale_sigma=True,
    )
    return _to_levels(found)


def _bm3d(pixels: np.ndarray, sigma: float) -> np.ndarray:
    import bm3d  # type: ignore[import-not-found]

    return _to_levels(bm3d.bm3d_rgb(pixels / 255.0, max(sigma, 0.1) / 255))


def _filled_by(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Method:
    """A method from (picture (H, W, 3) uint8, hole (H, W) bool) → picture."""

    def method(case: Case, size: tuple[int, int]) -> np.ndarray:  # noqa: ARG001
        pixels, hole = as_rgb(case.picture), case.hole
        if hole is None:
            raise UsageError("there is no mask, so nothing to fill")
        if hole.shape != pixels.shape[:2]:
            (height, width), (rows, columns) = pixels.shape[:2], hole.shape
            raise UsageError(
                f"the picture is {width} x {height} and its mask {columns} x {rows} (width x height)"
            )
        if hole.all():
            raise UsageError("the mask is white all over, so nothing is left to fill it from")
        return function(pixels, hole)

    return method


def _opencv_filling(flag: str) -> Method:
    def fill(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
        import cv2

        return cv2.inpaint(pixels, hole.astype(np.uint8), 3, getattr(cv2, flag))

    return _filled_by(fill)


def _biharmonic(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    found = inpaint_biharmonic(pixels / 255.0, hole, split_into_regions=True, channel_axis=-1)
    return np.where(hole[..., None], _to_levels(found), pixels)


def _as_given(case: Case, size: tuple[int, int]) -> np.ndarray:
    return as_rgb(case.picture)[: size[0], : size[1]]


def _to_levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(values * 255 + 0.5), 0, 255).astype(np.uint8)


BASELINES: Mapping[str, Method] = {
    "bicubic": resized_by("bicubic"),
    "lanczos": resized_by("lanczos"),
    "input": _as_given,
    "opencv-nlm": _denoised_by(_opencv_nlm),
    "skimage-nlm": _denoised_by(_skimage_nlm),
    "skimage-wavelet": _denoised_by(_skimage_wavelet),
    "bm3d": _denoised_by(_bm3d, least=17),
    "opencv-telea": _opencv_filling("INPAINT_TELEA"),
    "opencv-navier-stokes": _opencv_filling("INPAINT_NS"),
    "skimage-biharmonic": _filled_by(_biharmonic),
}
"""Classical methods by name; those of a package need it installed, see `missing_package`."""

_PACKAGES = {"opencv": "cv2", "skimage": "skimage", "bm3d": "bm3d", "wavelet": "pywt"}


def missing_package(name: str) -> str:
    """A package that a baseline needs and that is not installed; "" where none is missing."""
    needed = (_PACKAGES[word] for word in name.split("-") if word in _PACKAGES)
    return next((package for package in needed if find_spec(package) is None), "")


def usual_baselines(inputs: Collection[str], resizes: bool) -> tuple[str, ...]:
    """The baselines that fit a task: of filling where it takes a mask, of resizing where it resizes."""
    if "mask" in inputs and not resizes:
        return ("opencv-telea", "opencv-navier-stokes", "skimage-biharmonic")
    if resizes:
        return ("bicubic", "lanczos")
    return ("input", "opencv-nlm", "skimage-wavelet")
