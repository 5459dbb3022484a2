"""Images in memory: arrays, tensors and Pillow images in, the same kind out.

The type of the numbers decides their range, never their values: integers span their type,
floats [0, 1]. An image in memory is taken as its pixels lie; an orientation tag in its EXIF
is neither applied nor changed. Tensors are (H, W), (C, H, W) or (1, C, H, W), arrays (H, W),
(H, W, C); C is 1 (grey), 2 (grey + alpha), 3 (RGB) or 4 (RGBA). torch is not imported.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from restorekit.errors import UsageError
from restorekit.images.colour import cmyk_to_srgb, srgb_profile
from restorekit.images.decode import planes_of
from restorekit.images.failures import reading
from restorekit.images.jpeg import coding_of
from restorekit.images.metadata import from_info
from restorekit.images.picture import Picture, Planes, quantise, to_unit, unit

_BASES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ROUND_TRIP = frozenset({"RGBX", "YCbCr", "HSV", "RGBa", "La"})
_CARRIED = ("icc_profile", "exif", "xmp", "dpi")


def from_array(image: Any, *, light: bool = False) -> Picture:
    """The Picture of a Pillow image, a numpy array or a torch tensor.

    light: floats are linear light, or whatever else has numbers of any height. Arrays are uint8,
    uint16, float16, float32 or float64, tensors uint8 or floating. Raises UsageError for another type
    or shape, for a masked array, and, but for light, for floats outside [0, 1] or not numbers.
    """
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if _is_tensor(image):
        return _from_samples(_tensor_samples(image), light)
    if isinstance(image, np.ma.MaskedArray):
        raise UsageError("a masked array's mask would be lost: give its filled(...) pixels")
    if isinstance(image, np.ndarray):
        samples = np.asarray(image)  # of a matrix, which cannot have three dimensions
        return _from_samples(samples[..., None] if samples.ndim == 2 else samples, light)
    raise UsageError(
        f"an image must be a PIL image, a numpy array or a torch tensor, not {type(image).__name__}"
    )


def to_like(picture: Picture, like: Any, *, light: bool = False) -> Any:
    """The picture as the kind of image `like` is: type, dtype, device, layout.

    The number of channels is the picture's own. Palette and CMYK images come back as RGB or
    RGBA, bilevel ones as L. Floats are clipped to [0, 1], unless they are light.
    """
    if isinstance(like, Image.Image):
        return _to_pillow(picture, like)
    if _is_tensor(like):
        planes = np.moveaxis(_typed(picture, _numpy_dtype(like), light), 2, 0)
        planes = planes[None] if like.ndim == 4 else planes[0] if like.ndim == 2 else planes
        return like.resolve_neg().new_tensor(np.ascontiguousarray(planes))
    samples = _typed(picture, like.dtype, light)
    return samples[..., 0] if like.ndim == 2 and samples.shape[2] == 1 else samples


def _is_tensor(image: Any) -> bool:
    """True for torch's tensors, told by name: a program without torch never loads it."""
    return any(kind.__module__.split(".")[0] == "torch" for kind in type(image).__mro__)


def _tensor_samples(tensor: Any) -> Planes:
    """(H, W, C) samples of a tensor, on the processor; half precision becomes float32."""
    shape = tuple(tensor.shape)
    if len(shape) == 4 and shape[0] == 1:
        tensor = tensor[0]
    if len(shape) == 2:
        tensor = tensor[None]
    if tensor.ndim != 3 or tensor.shape[0] not in _BASES:
        raise UsageError(
            f"a tensor must be (H, W), (C, H, W) or (1, C, H, W) with C = 1 to 4, not {shape}"
        )
    if str(tensor.dtype) != "torch.uint8" and not tensor.is_floating_point():
        raise UsageError(f"a tensor must be floating or uint8, not {tensor.dtype}")
    if str(tensor.layout) != "torch.strided" or tensor.is_meta:
        raise UsageError(
            "a tensor must hold a value for each pixel, and this one is sparse or empty"
        )
    tensor = tensor.detach().cpu().resolve_neg()
    tensor = tensor.float() if tensor.is_floating_point() else tensor
    return np.moveaxis(tensor.numpy(), 0, 2)


def _numpy_dtype(tensor: Any) -> np.dtype:
    return np.dtype(np.float32 if tensor.is_floating_point() else np.uint8)


def _from_samples(samples: Planes, light: bool = False) -> Picture:
    """A Picture of (H, W, C) samples."""
    if samples.ndim != 3 or samples.shape[2] not in _BASES:
        raise UsageError(
            f"an array must be (H, W) or (H, W, C) with C = 1 to 4, not {samples.shape}"
        )
    _check_size(samples.shape[1], samples.shape[0])
    depth = _depth(samples.dtype)
    unit = (
        samples.astype(np.float32)
        if light and depth == 32
        else _checked(samples)
        if depth == 32
        else to_unit(samples, 2**depth - 1)
    )
    colours = 3 if samples.shape[2] > 2 else 1
    return Picture(
        color=np.ascontiguousarray(unit[..., :colours]),
        alpha=np.ascontiguousarray(unit[..., colours]) if samples.shape[2] > colours else None,
        depth=depth,
        mode=_mode(_BASES[samples.shape[2]], depth),
    )


def _check_size(width: int, height: int) -> None:
    if not min(width, height):
        raise UsageError(f"an image of {width} x {height} pixels has nothing in it")


def _depth(dtype: np.dtype) -> int:
    depth = {"u1": 8, "u2": 16, "f2": 32, "f4": 32, "f8": 32}.get(f"{dtype.kind}{dtype.itemsize}")
    if depth is None:
        raise UsageError(
            f"an array must be uint8, uint16, float16, float32 or float64, not {dtype}"
        )
    return depth


def _mode(base: str, depth: int) -> str:
    """Pillow's word, or the nearest to one."""
    special = {("L", 16): "I;16", ("L", 32): "F"}
    return base if depth == 8 else special.get((base, depth), f"{base};{depth}")


def _checked(samples: Planes) -> Planes:
    """Floats as float32, all of them in [0, 1]."""
    low, high = float(samples.min()), float(samples.max())
    if not (low >= 0 and high <= 1):
        found = "it holds NaN" if np.isnan(low + high) else f"it spans {low:g} to {high:g}"
        raise UsageError(
            f"a floating-point image must lie in [0, 1] and {found}: scale or clip it first"
        )
    return samples.astype(np.float32)


def _from_pillow(image: Image.Image) -> Picture:
    _check_size(*image.size)
    with reading(getattr(image, "filename", "") or "the image given"):
        image.load()
    metadata = replace(from_info(image.info), jpeg=coding_of(image))
    if image.mode == "F":
        return replace(_from_samples(np.asarray(image)[..., None]), metadata=metadata)
    notes: tuple[str, ...] = ()
    deep = image.mode.startswith("I;16")
    mode = "I;16" if deep else image.mode
    if mode == "CMYK":
        image, metadata = _without_inks(image), replace(metadata, icc=srgb_profile())
        notes = ("its CMYK colours were converted to sRGB, at 8 bits, by its own profile",)
    planes = planes_of(image)
    return Picture(planes.color, planes.alpha, 16 if deep else 8, mode, "", metadata, notes)


def _without_inks(image: Image.Image) -> Image.Image:
    if not image.info.get("icc_profile"):
        raise UsageError(
            "a CMYK image must carry its colour profile (info['icc_profile']): convert it to RGB"
        )
    try:
        return cmyk_to_srgb(image)
    except (ImageCms.PyCMSError, OSError) as error:
        raise UsageError(
            "the colour profile of this CMYK image cannot be used: convert it to RGB"
        ) from error


def _typed(picture: Picture, dtype: np.dtype, light: bool = False) -> Planes:
    """(H, W, C) samples of this type, alpha last."""
    parts = [picture.color]
    if picture.alpha is not None:
        parts.append(picture.alpha[..., None])
    depth = _depth(dtype)
    if depth == 32:
        values = np.concatenate([unit(part) for part in parts], axis=2)
        if not light:
            values = values.clip(0, 1)
        elif dtype.itemsize == 2:  # brighter than half precision holds: its brightest, not infinity
            values = values.clip(np.finfo(dtype).min, np.finfo(dtype).max)
        return values.astype(dtype)
    return np.concatenate([quantise(part, depth) for part in parts], axis=2).astype(dtype)


def _to_pillow(picture: Picture, like: Image.Image) -> Image.Image:
    """A Pillow image in the mode of `like`, where the picture's channels allow it."""
    kind = {"F": np.float32}.get(like.mode, np.uint16 if like.mode[:4] == "I;16" else np.uint8)
    samples = _typed(picture, np.dtype(kind))
    if kind is not np.uint8 and samples.shape[2] > 1:
        raise UsageError(
            f"Pillow holds colour and transparency at 8 bits only, and the image is {like.mode}: "
            "give a numpy array"
        )
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    if like.mode in _ROUND_TRIP and (picture.alpha is not None) == like.mode.endswith("a"):
        image = image.convert(like.mode)
    image.info.update({key: like.info[key] for key in _CARRIED if key in like.info})
    if like.mode == "CMYK":
        image.info["icc_profile"] = picture.metadata.icc
    return image
