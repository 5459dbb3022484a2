"""Procedural textures: (H, W, 3) float32 in [0, 1], linear, from a generator of numbers alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIDE = 256
Texture = np.ndarray


def draw(rng: np.random.Generator, name: str | None = None) -> Texture:
    """A texture, of a kind by name (one of `TEXTURES`) or of any kind."""
    chosen = name or str(rng.choice(sorted(TEXTURES)))
    return np.clip(TEXTURES[chosen](rng), 0.01, 0.95).astype(np.float32)


def colour(rng: np.random.Generator) -> np.ndarray:
    """A colour (3,): one of four is grey, the others of any hue and saturation."""
    value = rng.uniform(0.05, 0.9)
    if rng.random() < 0.25:
        return np.full(3, value)
    hue = rng.uniform(0, 1) + np.array([0, 1 / 3, 2 / 3])
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * hue)
    return np.clip(value * (1 + rng.uniform(0.2, 1) * (wheel - 1)), 0.02, 0.9)


def fractal(rng: np.random.Generator, slope: float) -> np.ndarray:
    """(H, W) noise in [0, 1] that repeats, its amplitude falling as frequency^−slope."""
    rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    amplitude = np.maximum(np.hypot(rows, columns), 1 / SIDE) ** -slope
    phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
    field = np.fft.irfft2(amplitude * phase, (SIDE, SIDE))
    low, high = np.quantile(field, [0.02, 0.98])
    return np.clip((field - low) / (high - low), 0, 1)


def _between(rng: np.random.Generator, weight: np.ndarray) -> Texture:
    """Two colours mixed by a weight (H, W) in [0, 1]."""
    first, second = colour(rng), colour(rng)
    return first + (second - first) * weight[..., None]


def _clouds(rng: np.random.Generator) -> Texture:
    return _between(rng, fractal(rng, rng.uniform(0.7, 1.8)))


def _marble(rng: np.random.Generator) -> Texture:
    column = np.arange(SIDE)[None] / SIDE
    veins = column * rng.integers(1, 8) + rng.uniform(0.5, 3) * fractal(rng, 1.6)
    return _between(rng, np.abs(np.sin(np.pi * veins)) ** rng.uniform(0.3, 2))


def _wood(rng: np.random.Generator) -> Texture:
    column = np.arange(SIDE)[None] / SIDE
    rings = column * rng.integers(4, 20) + rng.uniform(0.2, 1) * fractal(rng, 2.2)
    grain = fractal(rng, 0.4) * 0.25
    base = np.array([0.45, 0.26, 0.12]) * rng.uniform(0.5, 1.5)
    return base * (0.6 + 0.4 * (rings % 1) + grain)[..., None]


def _checks(rng: np.random.Generator) -> Texture:
    pitch = SIDE // int(rng.choice([4, 8, 16, 32]))
    rows, columns = np.indices((SIDE, SIDE)) // pitch
    return _between(rng, (rows + columns) % 2)


def _stripes(rng: np.random.Generator) -> Texture:
    rows, columns = np.indices((SIDE, SIDE))
    phase = rows * rng.integers(0, 3) + columns * rng.integers(1, 24)
    return _between(rng, (phase / SIDE % 1 < rng.uniform(0.2, 0.8)).astype(float))


def _bricks(rng: np.random.Generator) -> Texture:
    rows, columns = np.indices((SIDE, SIDE))
    height, width = SIDE // int(rng.choice([8, 16])), SIDE // int(rng.choice([4, 8]))
    course = rows // height
    shifted = (columns + course % 2 * width // 2) % SIDE
    joint = (rows % height < 2) | (shifted % width < 2)
    shade = rng.uniform(0.6, 1.2, (SIDE, SIDE))[course, shifted // width]
    brick = colour(rng) * (shade * (0.8 + 0.2 * fractal(rng, 0.8)))[..., None]
    return np.where(joint[..., None], colour(rng), brick)


def _dots(rng: np.random.Generator) -> Texture:
    pitch = SIDE // int(rng.choice([4, 8, 16]))
    rows, columns = np.indices((SIDE, SIDE)) % pitch - pitch / 2
    return _between(rng, (np.hypot(rows, columns) < pitch * rng.uniform(0.2, 0.45)).astype(float))


def _print(rng: np.random.Generator) -> Texture:
    """Lines of small dark marks on paper, like a page of text."""
    cell = int(rng.choice([2, 4]))
    marks = rng.random((SIDE // cell, SIDE // cell)) < 0.55
    rows = np.arange(SIDE // cell)
    marks[rows % 5 >= 3] = False
    marks[:, rng.random(SIDE // cell) < 0.15] = False
    return _between(rng, np.kron(marks, np.ones((cell, cell))))


def _speckles(rng: np.random.Generator) -> Texture:
    """A carpet: a colour that changes from thread to thread."""
    shade = rng.uniform(0.3, 1, (SIDE, SIDE, 1)) * (0.7 + 0.3 * fractal(rng, 1.2))[..., None]
    return colour(rng) * shade


TEXTURES: dict[str, Callable[[np.random.Generator], Texture]] = {
    "bricks": _bricks,
    "checks": _checks,
    "clouds": _clouds,
    "dots": _dots,
    "marble": _marble,
    "print": _print,
    "speckles": _speckles,
    "stripes": _stripes,
    "wood": _wood,
}
