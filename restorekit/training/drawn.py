"""Drawn pictures — text, line art and even ramps, of which photographs have too little."""

from __future__ import annotations

import math
import random
import string

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

SCALE = 3  # drawn larger and reduced, so that edges are as soft as a photograph's


def draw_pictures(count: int, size: int, seed: int) -> list[Tensor]:
    """`count` pictures (3, size, size) uint8 in turn: text, lines and shapes, a ramp, text, patterns."""
    pencil = random.Random(seed)
    kinds = (_text, _shapes, _ramp, _text, _patterns)
    return [kinds[i % len(kinds)](size, pencil) for i in range(count)]


def _colour(pencil: random.Random) -> tuple[int, int, int]:
    if pencil.random() < 0.5:
        grey = pencil.choice([0, 0, 20, 60, 200, 240, 255, 255])
        return grey, grey, grey
    return pencil.randrange(256), pencil.randrange(256), pencil.randrange(256)


def _paper(size: int, pencil: random.Random) -> tuple[Image.Image, tuple[int, int, int]]:
    """A sheet and an ink that can be told from it."""
    paper, ink = _colour(pencil), _colour(pencil)
    while sum(abs(a - b) for a, b in zip(paper, ink, strict=True)) < 160:
        paper, ink = _colour(pencil), _colour(pencil)
    return Image.new("RGB", (size * SCALE, size * SCALE), paper), ink


def _text(size: int, pencil: random.Random) -> Tensor:
    image, ink = _paper(size, pencil)
    sheet = ImageDraw.Draw(image)
    letters = string.ascii_letters + string.digits + "      .,;:-!?()%&"
    row = pencil.randrange(0, 20)
    while row < image.height:
        height = round(SCALE * 10 ** pencil.uniform(0.95, 1.7))
        line = "".join(pencil.choices(letters, k=200))
        font = ImageFont.load_default(size=height)
        sheet.text((pencil.randrange(-80, 20), row), line, fill=ink, font=font)
        row += round(height * pencil.uniform(1.0, 1.6))
    angle = pencil.choice([0, 0, pencil.uniform(-12, 12)])
    return _finish(image.rotate(angle, Image.Resampling.BICUBIC), size)


def _shapes(size: int, pencil: random.Random) -> Tensor:
    image, _ = _paper(size, pencil)
    sheet = ImageDraw.Draw(image)
    side = image.width
    for _ in range(pencil.randrange(8, 40)):
        x, y = pencil.randrange(side), pencil.randrange(side)
        reach = round(side * 10 ** pencil.uniform(-1.6, -0.2))
        width = round(SCALE * 10 ** pencil.uniform(0, 0.9))
        corner = (x - reach, y - reach, x + reach, y + reach)
        kind = pencil.randrange(5)
        if kind == 0:
            sheet.ellipse(corner, outline=_colour(pencil), width=width)
        elif kind == 1:
            sheet.rectangle(corner, fill=_colour(pencil))
        elif kind == 2:
            angles = sorted(pencil.uniform(0, 2 * math.pi) for _ in range(pencil.randrange(3, 7)))
            points = [(x + reach * math.cos(a), y + reach * math.sin(a)) for a in angles]
            sheet.polygon(points, fill=_colour(pencil), outline=_colour(pencil))
        else:
            _hatch(sheet, (x, y), reach, width, pencil)
    return _finish(image, size)


def _ramp(size: int, pencil: random.Random) -> Tensor:
    """One colour going over into another, or into itself: what has no detail must be given none."""
    first, second = (np.array(_colour(pencil), np.float64) for _ in range(2))
    second = first + pencil.choice([0, 0.1, 0.3, 1]) * (second - first)
    angle = pencil.uniform(0, 2 * math.pi)
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    share = 0.5 + (rows * math.cos(angle) + columns * math.sin(angle)) / math.sqrt(2)
    pixels = np.rint(first + share[..., None] * (second - first)).astype(np.uint8)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _patterns(size: int, pencil: random.Random) -> Tensor:
    """Checks and stripes of a few pixels, which a reduction turns into patterns of one pixel."""
    image, _ = _paper(size, pencil)
    pixels = np.array(image.resize((size, size)))
    rows, columns = np.mgrid[0:size, 0:size]
    for _ in range(pencil.randrange(4, 12)):
        height, width = (pencil.randrange(size // 8, size // 2) for _ in range(2))
        top, left = pencil.randrange(size - height), pencil.randrange(size - width)
        pitch = pencil.choice([2, 3, 4, 4, 6, 8, 8])
        down, across = pencil.choice([(1, 1), (1, 1), (1, 0), (0, 1)])
        lit = (down * (rows // pitch) + across * (columns // pitch)) % 2 == 1
        window = np.s_[top : top + height, left : left + width]
        pixels[window] = np.where(lit[window][..., None], _colour(pencil), _colour(pencil))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _hatch(
    sheet: ImageDraw.ImageDraw, at: tuple[int, int], reach: int, width: int, pencil: random.Random
) -> None:
    """Parallel lines: brick, blinds, charts."""
    angle, colour = pencil.choice([0.0, math.pi / 2, pencil.uniform(0, math.pi)]), _colour(pencil)
    across = (math.cos(angle) * reach, math.sin(angle) * reach)
    pitch = width * pencil.uniform(2, 6)
    for k in range(pencil.choice([1, 1, 4, 12])):
        x = at[0] - math.sin(angle) * pitch * k
        y = at[1] + math.cos(angle) * pitch * k
        ends = (x - across[0], y - across[1], x + across[0], y + across[1])
        sheet.line(ends, fill=colour, width=width)


def _finish(image: Image.Image, size: int) -> Tensor:
    reduced = image.resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(reduced)).permute(2, 0, 1).contiguous()
