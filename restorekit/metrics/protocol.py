"""Named protocols: what exactly a score means, said in one word and recorded beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from restorekit.errors import UsageError
from restorekit.metrics.checks import Channels, Picture, as_unit, check_picture, shave
from restorekit.metrics.consistency import flicker, hole_psnr, reprojection_error, seam
from restorekit.metrics.pixels import psnr, ssim
from restorekit.metrics.relative import relmse, smape

Metric = Literal["psnr", "ssim", "lpips", "smape", "relmse", "reprojection", "flicker", "seam"]
Net = Literal["alex", "squeeze", "vgg"]

_NET_TITLES = {"alex": "AlexNet", "squeeze": "SqueezeNet", "vgg": "VGG16"}
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Beside:
    """What some scores need beside a result and its reference.

    source: the picture that was restored, for "reprojection". hole: (H, W) bool, true where
    pixels were filled, for "psnr-hole" and "seam". before: the result and the reference of the
    frame before, for "flicker".
    """

    source: Picture | None = None
    hole: NDArray[np.bool_] | None = None
    before: tuple[Picture, Picture] | None = None


@dataclass(frozen=True)
class _Kind:
    """What is true of a metric under every protocol."""

    title: str
    package: str = "numpy"
    unit: str = ""
    higher_is_better: bool = False
    channels: tuple[Channels, ...] = ("rgb",)
    shaved: bool = True
    needs: str = ""


_KINDS: dict[str, _Kind] = {
    "psnr": _Kind("PSNR", unit="dB", higher_is_better=True, channels=("rgb", "y")),
    "ssim": _Kind("SSIM", "scikit-image", higher_is_better=True, channels=("rgb", "y")),
    "lpips": _Kind("LPIPS v0.1", "torch"),
    "smape": _Kind("SMAPE"),
    "relmse": _Kind("relMSE"),
    "reprojection": _Kind("Re-projection error", unit="levels", shaved=False, needs="source"),
    "flicker": _Kind("Flicker", unit="levels", shaved=False, needs="before"),
    "seam": _Kind("Seam", shaved=False, needs="hole"),
}


@dataclass(frozen=True)
class Protocol:
    """One way of comparing a result with its reference.

    Attributes:
        name: the word people use for it ("psnr-y").
        metric: "psnr" (dB), "ssim" (at most 1), "lpips", "smape", "relmse" (at least 0, lower is
            better), "reprojection", "flicker" (8-bit levels, lower is better) or "seam" (1 is
            what the reference has, above it an edge shows).
        channels: "rgb" or "y"; "y" for PSNR and SSIM alone.
        border: pixels shaved off each side before anything else.
        net: LPIPS's trunk; None for the others.
        bits: 8 if float pictures are rounded to 8 bit first, as a saved file would be;
            None compares floats as they are.
        hole: PSNR over the filled pixels alone.
    """

    name: str
    metric: Metric
    channels: Channels = "rgb"
    border: int = 0
    net: Net | None = None
    bits: Literal[8] | None = 8
    hole: bool = False

    def __post_init__(self) -> None:
        if self.metric not in _KINDS:
            raise UsageError(f"metric is {self.metric!r}; give one of {', '.join(_KINDS)}")
        if (self.net is not None) != (self.metric == "lpips"):
            raise UsageError(f"net is {self.net!r} for {self.metric}; LPIPS alone needs a net")
        if self.channels not in self._kind.channels:
            raise UsageError(f"channels is {self.channels!r}, which {self.metric} does not take")
        if self.border < 0:
            raise UsageError(f"border is {self.border}; give 0 pixels or more")
        if self.border and not (self._kind.shaved and not self.hole):
            raise UsageError(f"border is {self.border}, which {self.name} does not take")
        if self.hole and (self.metric, self.channels) != ("psnr", "rgb"):
            raise UsageError(f"{self.metric} has no score of a hole alone; PSNR-RGB has")

    @property
    def _kind(self) -> _Kind:
        return _KINDS[self.metric]

    @property
    def label(self) -> str:
        """The protocol in words, such as "PSNR-Y, border 4, 8 bit"."""
        title = self._kind.title
        if self.net is not None:
            title += f" {_NET_TITLES[self.net]}"
        elif len(self._kind.channels) > 1:
            title += f"-{self.channels.upper()}"
        title += " in the hole" if self.hole else ""
        border = f"border {self.border}" if self.border else "no border"
        return f"{title}, {border}, {'8 bit' if self.bits else 'float'}"

    @property
    def unit(self) -> str:
        """ "dB" for PSNR, "levels" of 255 for re-projection and flicker, empty for the others."""
        return self._kind.unit

    @property
    def higher_is_better(self) -> bool:
        """True for PSNR and SSIM, False for the others, which are distances."""
        return self._kind.higher_is_better

    @property
    def needs(self) -> str:
        """The field of `Beside` that it needs; "" where result and reference are enough."""
        return "hole" if self.hole else self._kind.needs

    @property
    def implementation(self) -> str:
        """The package and version that compute it."""
        package = self._kind.package
        return f"restorekit {_version('restorekit')} on {package} {_version(package)}"

    def to_json(self) -> dict[str, Any]:
        """The protocol as a JSON object: its fields, label, unit and implementation."""
        words = ("label", "unit", "higher_is_better", "implementation")
        return asdict(self) | {word: getattr(self, word) for word in words}

    def measure(self, result: Picture, reference: Picture, beside: Beside | None = None) -> float:
        """The score of `result` against `reference`, two pictures of one shape.

        Raises `UsageError` if they do not fit or what the metric needs beside them is not given,
        `ModelError` if LPIPS's weights or SSIM's package are missing.
        """
        a, b = (
            self._prepared(image, name)
            for image, name in ((result, "the result"), (reference, "the reference"))
        )
        if self.needs:
            return self._measure_beside(a, b, getattr(beside or Beside(), self.needs))
        if self.metric == "psnr":
            return psnr(a, b, channels=self.channels, border=self.border)
        if self.metric == "ssim":
            return ssim(a, b, channels=self.channels, border=self.border)
        a, b = shave(a, self.border), shave(b, self.border)
        if self.metric == "lpips":
            from restorekit.metrics.lpips import lpips_distance

            return lpips_distance(a, b, self.net or "alex")
        return smape(a, b) if self.metric == "smape" else relmse(a, b)

    def _measure_beside(self, a: Picture, b: Picture, needed: Any) -> float:
        if needed is None:
            raise UsageError(f"{self.name} needs {NEEDED[self.needs]}")
        if self.hole:
            return hole_psnr(a, b, needed)
        if self.metric == "seam":
            return seam(a, b, needed)
        return reprojection_error(a, needed) if self.needs == "source" else flicker(a, b, needed)

    def _prepared(self, image: Picture, name: str) -> Picture:
        check_picture(image, name)
        if self.bits is None or image.dtype == np.uint8:
            return image
        return np.floor(as_unit(image) * 255 + 0.5).astype(np.uint8)


NEEDED = {
    "source": "the picture that was restored",
    "hole": "the mask of what was filled",
    "before": "the frame before",
}
"""What a metric needs, by the field of `Beside`, in words."""


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


def score(
    metric: str | Protocol,
    result: Picture,
    reference: Picture,
    *,
    scale: int = 1,
    beside: Beside | None = None,
) -> float:
    """The score of `result` against `reference` by a named metric, in that metric's unit.

    Args:
        metric: one of `metric_names()`, or a `Protocol` (then `scale` says nothing).
        result, reference: pictures of one shape, (H, W, 3) or (H, W); uint8, or floats in
            [0, 1], which are rounded to 8 bit first.
        scale: the upscaling factor, for the border of `psnr-y` and `ssim-y`.
        beside: what "psnr-hole", "seam", "reprojection" and "flicker" need.

    Raises:
        UsageError: an unknown name, pictures that do not fit, or something needed is missing.
        ModelError: LPIPS's weights or SSIM's package are missing.
    """
    protocol = metric if isinstance(metric, Protocol) else protocol_for(metric, scale)
    return protocol.measure(result, reference, beside)


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


def _named(scale: int) -> dict[str, Protocol]:
    protocols = (
        Protocol("psnr-y", "psnr", "y", scale if scale > 1 else 0),
        Protocol("psnr", "psnr"),
        Protocol("ssim-y", "ssim", "y", scale if scale > 1 else 0),
        Protocol("ssim", "ssim"),
        Protocol("lpips", "lpips", net="alex"),
        Protocol("lpips-squeeze", "lpips", net="squeeze"),
        Protocol("lpips-vgg", "lpips", net="vgg"),
        Protocol("smape", "smape"),
        Protocol("relmse", "relmse"),
        Protocol("reprojection", "reprojection"),
        Protocol("flicker", "flicker"),
        Protocol("psnr-hole", "psnr", hole=True),
        Protocol("seam", "seam"),
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
