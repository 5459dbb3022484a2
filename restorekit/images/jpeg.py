"""How a JPEG was coded, and the quality that does not fall behind it."""

from __future__ import annotations

from PIL import Image, JpegImagePlugin

from restorekit.images.picture import JpegCoding

# The luma table of the JPEG standard (ITU-T T.81, table K.1) and its chroma table (K.2).
# fmt: off
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
    *(99,) * 36,
)
# fmt: on


def coding_of(image: Image.Image) -> JpegCoding | None:
    """How this image was coded; None when it did not come from a JPEG."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    tables = (tuple(image.quantization[key]) for key in sorted(image.quantization))
    return JpegCoding(tuple(tables), JpegImagePlugin.get_sampling(image))


def quality_of(coding: JpegCoding) -> int:
    """The lowest of libjpeg's qualities, 1 to 100, whose steps are no coarser in sum."""
    for quality in range(1, 101):
        if all(
            sum(_scaled(standard, quality)) <= sum(steps)
            for standard, steps in zip((_LUMA, _CHROMA), coding.tables, strict=False)
        ):
            return quality
    return 100


def _scaled(table: tuple[int, ...], quality: int) -> list[int]:
    """The table libjpeg makes for a quality (jpeg_quality_scaling and jpeg_add_quant_table)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return [min(max((step * percent + 50) // 100, 1), 255) for step in table]
