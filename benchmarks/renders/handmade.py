"""Scenes written by hand, not by the generator: a test set of their own.

Each has one view. They show what generated scenes have little of: a caustic, a corridor of mirrors, a
picture gallery, blinds, a still life out of focus, columns in the sun.
"""

# pyright: reportMissingImports=false
# Mitsuba and Open Image Denoise are not among the project's dependencies.

from __future__ import annotations

from collections.abc import Callable

import mitsuba as mi
import numpy as np
import scenes
import textures
from scenes import SHARP, Scene, camera, even_sky, glass, glossy, lamp, matte, mesh, metal, plain


def world() -> mi.ScalarTransform4f:
    return mi.ScalarTransform4f()


def _texture(name: str, seed: int, repeats: float = 1.0) -> Scene:
    return scenes.bitmap(textures.draw(np.random.default_rng(seed), name), repeats)


def _room(side: float, height: float, *materials: Scene) -> Scene:
    return scenes.walls(side, side, height, materials)


def caustic() -> Scene:
    """Glass balls over a wooden table under one small lamp."""
    white = matte(plain([0.7, 0.7, 0.7]))
    balls = {
        f"ball{i}": mesh("sphere", world().translate([x, y, r]).scale(r), glass(1.5))
        for i, (x, y, r) in enumerate([(-0.6, 0.1, 0.35), (0.25, -0.3, 0.25), (0.6, 0.5, 0.4)])
    }
    return {
        **_room(3, 3, matte(_texture("wood", 1, 3)), white, white, white, white, white),
        **balls,
        "ring": mesh("torus", world().translate([-0.1, -0.8, 0.1]).scale(0.3), metal("Au", 0.1)),
        "lamp": lamp([1.2, -0.8, 2.4], 0.08, [0.6, 0.55, 0.45]),
        "sky": even_sky([0, 0, 0]),
        "view": camera([0.2, -2.6, 1.5], [0, 0, 0.2], 45, SHARP),
    }


def mirrors() -> Scene:
    """A corridor with a polished wall on each side and a row of vases."""
    shiny = metal("Ag", 0.02)
    vases = {
        f"vase{i}": mesh(
            "vase",
            world().translate([0.6 * (-1) ** i, y, 0.4]).scale(0.4),
            glossy(_texture("marble", i), 0.08),
        )
        for i, y in enumerate(np.linspace(-1.5, 2.0, 6).tolist())
    }
    grey = matte(plain([0.55, 0.52, 0.5]))
    return {
        **_room(2.5, 2.4, matte(_texture("checks", 3, 2)), grey, shiny, shiny, grey, grey),
        **vases,
        "lamp": lamp([0, 1.5, 2.1], 0.15, [0.5, 0.5, 0.6]),
        "lamp2": lamp([0, -1.5, 2.1], 0.15, [0.6, 0.5, 0.4]),
        "sky": even_sky([0, 0, 0]),
        "view": camera([0.9, -2.2, 1.3], [-0.4, 1.5, 0.7], 65, SHARP),
    }


def gallery() -> Scene:
    """Pictures and a page of print on a wall, a carpet, light from above."""
    wall = matte(plain([0.75, 0.74, 0.7]))
    kinds = ("print", "bricks", "dots", "stripes", "clouds")
    pictures = {
        f"picture{i}": mesh(
            "rectangle",
            world().translate([-2 + i, 2.97, 1.4]).rotate([1, 0, 0], 90).scale([0.4, 0.55, 1]),
            matte(_texture(kind, 40 + i)),
        )
        for i, kind in enumerate(kinds)
    }
    return {
        **_room(3, 2.8, matte(_texture("speckles", 5, 6)), wall, wall, wall, wall, wall),
        **pictures,
        "bench": mesh(
            "cube",
            world().translate([0, 1.2, 0.25]).scale([1.1, 0.3, 0.25]),
            glossy(_texture("wood", 6), 0.2),
        ),
        "lamp": lamp([-1.5, 1.5, 2.6], 0.05, [0.25, 0.24, 0.22]),
        "lamp2": lamp([1.5, 1.5, 2.6], 0.05, [0.25, 0.24, 0.22]),
        "sky": even_sky([0, 0, 0]),
        "view": camera([0.8, -1.8, 1.5], [0, 3, 1.2], 60, SHARP),
    }


def blinds() -> Scene:
    """A dim room behind slats, in the light of a bright sky alone."""
    wall = matte(plain([0.6, 0.6, 0.62]))
    slats = {
        f"slat{i}": mesh(
            "cube",
            world()
            .translate([0, -2.4, 0.3 + 0.22 * i])
            .rotate([1, 0, 0], 35)
            .scale([2.5, 0.1, 0.01]),
            wall,
        )
        for i in range(10)
    }
    return {
        **_room(2.5, 2.5, matte(_texture("bricks", 7, 2)), wall, wall, wall, wall),
        **slats,
        "ball": mesh("bumpy", world().translate([0.7, 0.8, 0.5]).scale(0.5), metal("Cu", 0.25)),
        "box": mesh(
            "cube", world().translate([-0.8, 1, 0.4]).rotate([0, 0, 1], 30).scale(0.4), wall
        ),
        "sky": even_sky([6, 6.5, 7]),
        "view": camera([1.6, -1.6, 1.6], [-0.3, 1.5, 0.6], 60, SHARP),
    }


def still_life() -> Scene:
    """Small things close to a wide lens; a softly lit backdrop far out of focus."""
    things = {
        "vase": mesh(
            "vase", world().translate([0, 0, 0.4]).scale(0.4), glossy(_texture("dots", 8, 2), 0.1)
        ),
        "glass": mesh(
            "cylinder", world().translate([0.45, -0.2, 0.2]).scale([0.13, 0.13, 0.2]), glass(1.45)
        ),
        "apple": mesh(
            "sphere",
            world().translate([-0.4, -0.25, 0.15]).scale(0.15),
            glossy(plain([0.6, 0.06, 0.04]), 0.1),
        ),
        "spoon": mesh("torus", world().translate([0.1, -0.6, 0.05]).scale(0.16), metal("Ag", 0.05)),
    }
    return {
        **_room(
            4,
            4,
            matte(_texture("stripes", 9, 12)),
            matte(plain([0.8] * 3)),
            *([matte(_texture("checks", 10, 2))] * 4),
        ),
        **things,
        "lamp": lamp([-2, -1, 2.5], 0.5, [1.5, 1.5, 1.4]),
        "lamp2": lamp([2, 2.5, 1], 0.1, [0.3, 0.2, 0.1]),
        "sky": even_sky([0, 0, 0]),
        "view": camera([0.3, -1.8, 0.8], [0, 0, 0.3], 45, 0.05),
    }


def columns() -> Scene:
    """Columns in hard sun over a patterned square."""
    light = np.full((64, 128, 3), 0.35, np.float32) * np.array([0.6, 0.8, 1.2], np.float32)
    light[34:] = 0.1
    light[18, 40] = [900, 820, 700]
    sky: Scene = {
        "type": "envmap",
        "bitmap": mi.Bitmap(light),
        "to_world": world().rotate([1, 0, 0], 90),
    }
    stone = matte(_texture("marble", 11))
    made = {
        f"column{i}{j}": mesh(
            "cylinder", world().translate([1.2 * i, 1.2 * j, 0.8]).scale([0.18, 0.18, 0.8]), stone
        )
        for i in (-1, 0, 1)
        for j in (-1, 0, 1, 2)
    }
    return {
        **made,
        "floor": mesh("rectangle", world().scale([20, 20, 1]), matte(_texture("checks", 12, 12))),
        "ball": mesh("sphere", world().translate([0.6, -1.7, 0.3]).scale(0.3), metal("Cr", 0.1)),
        "sky": sky,
        "view": camera([2.6, -3.4, 1.4], [0, 0.2, 0.6], 50, SHARP),
    }


SCENES: tuple[Callable[[], Scene], ...] = (
    caustic,
    mirrors,
    gallery,
    blinds,
    still_life,
    columns,
)
