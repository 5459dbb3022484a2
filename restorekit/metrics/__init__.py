"""Full-reference image metrics with named protocols; importing this package imports no torch.

Every score takes one kind of picture: a numpy array (H, W, 3) or (H, W), either uint8 or
floats in [0, 1]. Anything else is a `UsageError`, never a silently better number.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restorekit.metrics.added import Metric
    from restorekit.metrics.checks import luma
    from restorekit.metrics.consistency import flicker, hole_psnr, reprojection_error, seam
    from restorekit.metrics.lpips import LPIPS, lpips_distance
    from restorekit.metrics.pixels import psnr, ssim
    from restorekit.metrics.protocol import (
        Beside,
        Protocol,
        interval,
        metric_names,
        protocol_for,
        score,
    )
    from restorekit.metrics.relative import relmse, smape
    from restorekit.metrics.resize import matlab_imresize
    from restorekit.metrics.spectrum import flat_patch_highpass, period_energy, radial_spectrum

__all__ = [
    "LPIPS",
    "Beside",
    "Metric",
    "Protocol",
    "flat_patch_highpass",
    "flicker",
    "hole_psnr",
    "interval",
    "lpips_distance",
    "luma",
    "matlab_imresize",
    "metric_names",
    "period_energy",
    "protocol_for",
    "psnr",
    "radial_spectrum",
    "relmse",
    "reprojection_error",
    "score",
    "seam",
    "smape",
    "ssim",
]

_HOME = {
    "Beside": "protocol",
    "LPIPS": "lpips",
    "Metric": "added",
    "Protocol": "protocol",
    "flat_patch_highpass": "spectrum",
    "flicker": "consistency",
    "hole_psnr": "consistency",
    "interval": "protocol",
    "lpips_distance": "lpips",
    "luma": "checks",
    "matlab_imresize": "resize",
    "metric_names": "protocol",
    "period_energy": "spectrum",
    "protocol_for": "protocol",
    "psnr": "pixels",
    "radial_spectrum": "spectrum",
    "relmse": "relative",
    "reprojection_error": "consistency",
    "score": "protocol",
    "seam": "consistency",
    "smape": "relative",
    "ssim": "pixels",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
