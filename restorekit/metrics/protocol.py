"""Named protocols: what exactly a score means, said in one word and recorded beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from restorekit.errors import UsageError
from restorekit.metrics.checks import Channels, Picture, as_unit, check_picture, shave
from restorekit.metrics.pixels import psnr, ssim
from restorekit.metrics.resize import matlab_imresize

Metric = Literal["psnr", "ssim", "lpips"]
Net = Literal["alex", "squeeze"]

_NET_TITLES = {"alex": "AlexNet", "squeeze": "SqueezeNet"}
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Protocol:
    """One way of comparing a result with its reference.

    Attributes:
        name: the word people use for it ("psnr-y").
        metric: "psnr" (dB), "ssim" (at most 1) or "lpips" (at least 0, lower is better).
        channels: "rgb" or "y"; LPIPS is always "rgb".
        border: pixels shaved off each side before anything else.
        net: LPIPS's trunk; None for the others.
        bits: 8 if float pictures are rounded to 8 bit first, as a saved file would be;
            None compares floats as they are.
    """

    name: str
    metric: Metric
    channels: Channels = "rgb"
    border: int = 0
    net: Net | None = None
    bits: Literal[8] | None = 8

    def __post_init__(self) -> None:
        if self.metric not in ("psnr", "ssim", "lpips"):
            raise UsageError(f"metric is {self.metric!r}; give psnr, ssim or lpips")
        if (self.net is not None) != (self.metric == "lpips"):
            raise UsageError(f"net is {self.net!r} for {self.metric}; LPIPS alone needs a net")
        if self.channels not in (("rgb",) if self.metric == "lpips" else ("rgb", "y")):
            raise UsageError(f"channels is {self.channels!r}, which {self.metric} does not take")
        if self.border < 0:
            raise UsageError(f"border is {self.border}; give 0 pixels or more")

    @property
    def label(self) -> str:
        """The protocol in words, such as "PSNR-Y, border 4, 8 bit"."""
        if self.net is not None:
            title = f"LPIPS v0.1 {_NET_TITLES[self.net]}"
        else:
            title = f"{self.metric.upper()}-{self.channels.upper()}"
        border = f"border {self.border}" if self.border else "no border"
        return f"{title}, {border}, {'8 bit' if self.bits else 'float'}"

    @property
    def unit(self) -> str:
        """ "dB" for PSNR, empty for the others."""
        return "dB" if self.metric == "psnr" else ""

    @property
    def higher_is_better(self) -> bool:
        """True for PSNR and SSIM, False for LPIPS, which is a distance."""
        return self.metric != "lpips"

    @property
    def implementation(self) -> str:
        """The package and version that compute it."""
        package = {"psnr": "numpy", "ssim": "scikit-image", "lpips": "torch"}[self.metric]
        return f"restorekit {_version('restorekit')} on {package} {_version(package)}"

    def to_json(self) -> dict[str, Any]:
        """The protocol as a JSON object: its fields, label, unit and implementation."""
        words = ("label", "unit", "higher_is_better", "implementation")
        return asdict(self) | {word: getattr(self, word) for word in words}

    def measure(self, result: Picture, reference: Picture) -> float:
        """The score of `result` against `reference`, two pictures of one shape.

        Raises `UsageError` if they do not fit, `ModelError` if LPIPS's weights are missing.
        """
        a, b = (
            self._prepared(image, name)
            for image, name in ((result, "the result"), (reference, "the reference"))
        )
        if self.metric == "psnr":
            return psnr(a, b, channels=self.channels, border=self.border)
        if self.metric == "ssim":
            return ssim(a, b, channels=self.channels, border=self.border)
        from restorekit.metrics.lpips import lpips_distance

        return lpips_distance(shave(a, self.border), shave(b, self.border), self.net or "alex")

    def _prepared(self, image: Picture, name: str) -> Picture:
        check_picture(image, name)
        if self.bits is None or image.dtype == np.uint8:
            return image
        return np.floor(as_unit(image) * 255 + 0.5).astype(np.uint8)


def metric_names() -> tuple[str, ...]:
    """The named metrics, in the order of a report."""
    return tuple(_named(scale=1))


def protocol_for(name: str, scale: int = 1) -> Protocol:
    """The protocol behind a metric's name.

    Args:
        name: one of `metric_names()`.
        scale: the upscaling factor; `psnr-y` and `ssim-y` shave that many pixels (the habit
            of super-resolution papers) where it is above 1, the others none.

    Raises:
        UsageError: an unknown name (the known ones are listed), or a scale below 1.
    """
    if scale < 1:
        raise UsageError(f"scale is {scale}; give the upscaling factor, 1 or more")
    table = _named(scale)
    if name not in table:
        raise UsageError(f"{name!r} is no metric; known are {', '.join(table)}")
    return table[name]


def score(metric: str | Protocol, result: Picture, reference: Picture, *, scale: int = 1) -> float:
    """The score of `result` against `reference` by a named metric, in that metric's unit.

    Args:
        metric: one of `metric_names()`, or a `Protocol` (then `scale` says nothing).
        result, reference: pictures of one shape, (H, W, 3) or (H, W); uint8, or floats in
            [0, 1], which are rounded to 8 bit first.
        scale: the upscaling factor, for the border of `psnr-y` and `ssim-y`.

    Raises:
        UsageError: an unknown name, or pictures that do not fit.
        ModelError: LPIPS's weights are missing.
    """
    protocol = metric if isinstance(metric, Protocol) else protocol_for(metric, scale)
    return protocol.measure(result, reference)


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The bootstrap 95 % interval (low, high) of the mean over images.

    Percentiles of the means of 10,000 resamples, widened for small sets so that 14 pictures
    get the cover of a t interval (Hesterberg 2015, The American Statistician 69(4), 5.3:
    "expanded percentile"). The same values and seed give the same interval.

    Returns:
        (nan, nan) where no interval is defined: fewer than two values, or one not finite.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1:
        raise UsageError(f"values has shape {sample.shape}; give one number an image")
    if sample.size < 2 or not np.isfinite(sample).all():
        return math.nan, math.nan
    rng = np.random.default_rng(seed)
    n = sample.size
    chunk = max(1, 1_000_000 // n)  # resamples at a time: memory stays small
    rows = (min(chunk, _RESAMPLES - done) for done in range(0, _RESAMPLES, chunk))
    means = np.concatenate([sample[rng.integers(0, n, (row, n))].mean(axis=1) for row in rows])
    tail = _expanded_tail(n)
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def reprojection_error(result: Picture, source: Picture) -> float:
    """RMS difference, in 8-bit levels, between `result` reduced to `source`'s size and `source`.

    The reduction is the antialiased bicubic of `matlab_imresize` with clamped borders, in
    float64 and not rounded; so a result that agrees with an 8-bit source perfectly still
    shows the source's own rounding, 0.29 levels. Low means that a super-resolved picture
    is consistent with what it was made from.

    Raises:
        UsageError: not pictures, grey against RGB, or a result smaller than its source.
    """
    check_picture(result, "the result")
    check_picture(source, "the source")
    fits = all(r >= s for r, s in zip(result.shape[:2], source.shape[:2], strict=True))
    if not fits or result.shape[2:] != source.shape[2:]:
        raise UsageError(
            f"the result has shape {result.shape} and the source {source.shape}; "
            "the result must be at least as large, with the same channels"
        )
    height, width = source.shape[:2]
    reduced = matlab_imresize(as_unit(result), size=(height, width), border="clamp")
    return float(255 * np.sqrt(np.mean((reduced - as_unit(source)) ** 2)))


def _named(scale: int) -> dict[str, Protocol]:
    protocols = (
        Protocol("psnr-y", "psnr", "y", scale if scale > 1 else 0),
        Protocol("psnr", "psnr"),
        Protocol("ssim-y", "ssim", "y", scale if scale > 1 else 0),
        Protocol("ssim", "ssim"),
        Protocol("lpips", "lpips", net="alex"),
        Protocol("lpips-squeeze", "lpips", net="squeeze"),
    )
    return {protocol.name: protocol for protocol in protocols}


def _expanded_tail(count: int) -> float:
    """The tail of the bootstrap distribution that stands for 2.5 % at `count` values."""
    normal, freedom = NormalDist(), count - 1
    z = normal.inv_cdf(0.975)
    # Student's t quantile, Abramowitz and Stegun 26.7.5 to second order.
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return normal.cdf(-t * math.sqrt(count / freedom))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
