"""CMYK to RGB through the picture's own profile."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

_DATE, _IDENTIFIER = slice(24, 36), slice(84, 100)


def srgb_profile() -> bytes:
    """An sRGB profile of always the same bytes: little-cms puts the time of day in it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_DATE] = bytes((7, 208, 0, 1, 0, 1)) + bytes(6)
    profile[_IDENTIFIER] = bytes(16)
    return bytes(profile)


def cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """The image as sRGB, by relative colorimetry with black point compensation, as a print
    looks on a screen. Raises ImageCms.PyCMSError when its profile is not one of four inks."""
    inks = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    converted = ImageCms.profileToProfile(
        image,
        inks,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if converted is None:
        raise ImageCms.PyCMSError("nothing was converted")
    return converted


def profile_space(icc: bytes) -> str:
    """The kind of colours a profile is for: "RGB", "GRAY", "CMYK", ..."""
    return icc[16:20].decode("latin-1").strip()
