"""Procedural scenes for Mitsuba 3, one a seed: a room, an open field under a sky, or a table.

A scene is a dictionary for `mitsuba.load_dict`. Nothing here is random but by the seed. Every scene is
made of the same kinds of parts: meshes, four kinds of material with textures, lamps, a sky, a lens.
"""

# pyright: reportMissingImports=false
# Mitsuba and Open Image Denoise are not among the project's dependencies.

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
import textures

Scene = dict[str, Any]
Rng = np.random.Generator
SIZE = 192
VIEWS = 3  # of a scene: what takes longest is to compile it
SHARP = 1e-4  # the lens of a camera that has no depth of field
THINGS = ("bumpy", "cube", "cube", "cylinder", "sphere", "sphere", "torus", "vase")
# Names of Mitsuba's metals and the colour they reflect at normal incidence.
METALS = {
    "Ag": (0.96, 0.95, 0.92),
    "Al": (0.91, 0.92, 0.92),
    "Au": (1.0, 0.78, 0.34),
    "Cr": (0.55, 0.55, 0.56),
    "Cu": (0.95, 0.64, 0.54),
    "W": (0.51, 0.5, 0.48),
}


def generate(seed: int, folder: Path, size: int = SIZE) -> Scene:
    """The scene of a seed, its pictures size × size. folder: where `shapes.save` put the meshes."""
    rng = np.random.default_rng([seed, 20261121])
    kind = str(rng.choice(["room", "room", "field", "table"]))
    return complete(KINDS[kind](rng), folder, size)


def complete(parts: Scene, folder: Path, size: int = SIZE) -> Scene:
    """A scene of these parts, with the files of its meshes and a film for each camera."""
    files = {
        name: {**part, "filename": str(folder / part["filename"])}
        for name, part in parts.items()
        if part.get("type") == "ply"
    }
    views = {
        name: {**part, "film": film(size)}
        for name, part in parts.items()
        if part.get("type") == "thinlens"
    }
    return {"type": "scene", **parts, **files, **views}


def film(size: int) -> Scene:
    """A film without reconstruction beyond its pixel: noise stays independent from pixel to pixel."""
    box = {"type": "box"}
    return {"type": "hdrfilm", "width": size, "height": size, "rfilter": box}


def mesh(shape: str, to_world: Any, bsdf: Scene) -> Scene:
    return {"type": "ply", "filename": f"{shape}.ply", "to_world": to_world, "bsdf": bsdf}


def camera(origin: Sequence[Any], target: Sequence[Any], view: float, lens: float = SHARP) -> Scene:
    """A camera with a field of view in degrees, in focus at the target; lens: its radius."""
    origin, target = [float(v) for v in origin], [float(v) for v in target]
    return {
        "type": "thinlens",
        "to_world": mi.ScalarTransform4f().look_at(origin=origin, target=target, up=[0, 0, 1]),
        "fov": float(view),
        "near_clip": 0.01,
        "aperture_radius": float(lens),
        "focus_distance": math.dist(origin, target),
    }


def views(view: Callable[[], Scene]) -> Scene:
    """Cameras by name, each drawn in turn."""
    return {f"view{i}": view() for i in range(VIEWS)}


def rgb(values: Any) -> Scene:
    return {"type": "rgb", "value": [float(v) for v in values]}


def bitmap(texture: np.ndarray, repeats: float = 1.0) -> Scene:
    """A texture of linear values (H, W, 3)."""
    repeat = mi.ScalarTransform4f().scale([repeats, repeats, 1])
    image = mi.Bitmap(np.ascontiguousarray(texture, np.float32))
    return {"type": "bitmap", "bitmap": image, "raw": True, "to_uv": repeat}


def plain(colour: Any) -> Scene:
    return bitmap(np.broadcast_to(np.float32(colour), (2, 2, 3)))


def reflectance(rng: Rng, textured: float) -> Scene:
    """A colour, or with this probability a texture."""
    if rng.random() < textured:
        return bitmap(textures.draw(rng), float(rng.choice([1, 1, 2, 4])))
    return plain(textures.colour(rng))


def matte(colour: Scene) -> Scene:
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}


def glossy(colour: Scene, roughness: float) -> Scene:
    """A painted or varnished surface."""
    bsdf = {
        "type": "roughplastic",
        "diffuse_reflectance": colour,
        "alpha": roughness,
        "nonlinear": True,
    }
    return {"type": "twosided", "bsdf": bsdf}


def metal(name: str, roughness: float) -> Scene:
    bsdf = {"type": "roughconductor", "material": name, "alpha": roughness}
    return {"type": "twosided", "bsdf": bsdf}


def glass(index: float) -> Scene:
    return {"type": "dielectric", "int_ior": index}


def palette(rng: Rng) -> Scene:
    """Materials by name: one of each kind at the least."""
    made = [
        matte(reflectance(rng, 0.7)),
        glossy(reflectance(rng, 0.6), float(rng.uniform(0.03, 0.3))),
        metal(str(rng.choice(sorted(METALS))), float(rng.choice([0.02, rng.uniform(0.05, 0.4)]))),
        glass(float(rng.uniform(1.3, 1.7))),
        matte(reflectance(rng, 0.7)),
        glossy(reflectance(rng, 0.8), float(rng.uniform(0.03, 0.3))),
        matte(reflectance(rng, 0.7)),
    ]
    return {f"material{i}": {**bsdf, "id": f"material{i}"} for i, bsdf in enumerate(made)}


def seen(scene: Scene) -> Scene:
    """The same scene of matte surfaces, whose reflectance is what the albedo pass shall hold.

    Mitsuba gives metal and glass an albedo of 0; here, as Open Image Denoise wants it, glass has 1
    and metal its colour.
    """

    def part(key: str, value: Any) -> Any:
        if key.startswith("material"):
            return {**_seen_bsdf(value), "id": value["id"]}
        if isinstance(value, dict) and "bsdf" in value:
            bsdf = value["bsdf"]
            return {**value, "bsdf": bsdf if bsdf["type"] == "ref" else _seen_bsdf(bsdf)}
        return value

    return {key: part(key, value) for key, value in scene.items()}


def _seen_bsdf(bsdf: Scene) -> Scene:
    inner = bsdf.get("bsdf", bsdf)
    colour = inner.get("reflectance") or inner.get("diffuse_reflectance")
    tint = METALS.get(inner.get("material", ""), (1.0, 1.0, 1.0))
    return matte(colour or plain(tint))


def things(rng: Rng, count: int, spread: float) -> Scene:
    """Objects of all sizes that stand on z = 0 within ± spread, and their materials."""
    made = palette(rng)
    names = sorted(made)
    for i in range(count):
        # The first few have each material once, so that every scene shows every kind.
        name = names[i] if i < 4 else str(rng.choice(names))
        reach = float(10 ** rng.uniform(-1.1, -0.1))
        at = [*(float(v) for v in rng.uniform(-spread, spread, 2)), reach]
        turned = mi.ScalarTransform4f().translate(at).rotate([0, 0, 1], rng.uniform(0, 360))
        shape = str(rng.choice(THINGS))
        stretch = rng.uniform(0.4, 1, 2).tolist() if shape in ("cube", "cylinder") else [1, 1]
        to_world = turned.scale(reach).scale([*stretch, 1])
        made[f"thing{i}"] = mesh(shape, to_world, {"type": "ref", "id": name})
    return made


def lamp(at: Sequence[float], radius: float, light: Any) -> Scene:
    """A bright sphere; its radiance falls with its area, so that lamps of any size light alike."""
    to_world = mi.ScalarTransform4f().translate([float(v) for v in at]).scale(radius)
    radiance = rgb(np.asarray(light) / radius**2)
    return {
        **mesh("sphere", to_world, matte(plain([0, 0, 0]))),
        "emitter": {"type": "area", "radiance": radiance},
    }


def _warm_or_cold(rng: Rng) -> np.ndarray:
    return 1 + rng.uniform(0, 0.4) * np.array([0.5, 0.0, -0.5]) * rng.choice([-1, 1])


def even_sky(colour: Any) -> Scene:
    light = np.broadcast_to(np.float32(colour), (64, 128, 3))
    return {"type": "envmap", "bitmap": mi.Bitmap(np.ascontiguousarray(light))}


def sky(rng: Rng) -> Scene:
    """A gradient with clouds and, in two of three, a sun."""
    rows = np.linspace(0, 1, 64)[:, None, None]
    zenith, horizon = np.array([0.2, 0.4, 0.9]), np.array([0.9, 0.85, 0.8])
    light = np.broadcast_to(zenith + (horizon - zenith) * np.minimum(rows * 2, 1), (64, 128, 3))
    clouds = textures.fractal(rng, 1.6)[::4, ::2, None]
    light = (light * (0.4 + clouds)).astype(np.float32)
    light[34:] = 0.15
    if rng.random() < 0.66:
        row, column = int(rng.integers(8, 28)), int(rng.integers(128))
        light[row, column] += 10 ** rng.uniform(2, 3.3) * np.array([1, 0.9, 0.7], np.float32)
    turned = mi.ScalarTransform4f().rotate([1, 0, 0], 90)
    return {"type": "envmap", "bitmap": mi.Bitmap(light), "to_world": turned}


def walls(wide: float, deep: float, height: float, materials: Sequence[Scene]) -> Scene:
    """Floor, ceiling, left, right, back and, with a sixth material, front of a room."""
    world, middle = mi.ScalarTransform4f, height / 2
    places = {
        "floor": world().scale([wide, deep, 1]),
        "ceiling": world().translate([0, 0, height]).scale([wide, deep, 1]),
        "left": world()
        .translate([-wide, 0, middle])
        .rotate([0, 1, 0], 90)
        .scale([middle, deep, 1]),
        "right": world()
        .translate([wide, 0, middle])
        .rotate([0, 1, 0], 90)
        .scale([middle, deep, 1]),
        "back": world().translate([0, deep, middle]).rotate([1, 0, 0], 90).scale([wide, middle, 1]),
        "front": world()
        .translate([0, -deep, middle])
        .rotate([1, 0, 0], 90)
        .scale([wide, middle, 1]),
    }
    pairs = zip(places.items(), materials, strict=False)
    return {name: mesh("rectangle", to_world, bsdf) for (name, to_world), bsdf in pairs}


def room(rng: Rng) -> Scene:
    """A closed or half-open room with lamps."""
    wide, deep = (float(v) for v in rng.uniform(1.5, 3, 2))
    half, height = np.array([wide, deep]), float(rng.uniform(2, 3))
    shares = (0.8, 0.1, 0.4, 0.4, 0.5, 0.2)[: 6 if rng.random() < 0.6 else 5]
    scene: Scene = {
        **walls(wide, deep, height, [matte(reflectance(rng, share)) for share in shares]),
        **things(rng, int(rng.integers(8, 30)), min(wide, deep) * 0.8),
        "sky": even_sky(rng.uniform(0.2, 1, 3)),
    }
    for i in range(int(rng.integers(1, 4))):
        at = [*(rng.uniform(-0.8, 0.8, 2) * half), height * rng.uniform(0.5, 0.9)]
        scene[f"lamp{i}"] = lamp(at, float(10 ** rng.uniform(-1.7, -0.4)), 0.3 * _warm_or_cold(rng))

    def view() -> Scene:
        origin = [*(rng.uniform(-0.6, 0.6, 2) * half - [0, deep * 0.35]), rng.uniform(0.7, 1.8)]
        target = [*(rng.uniform(-0.3, 0.3, 2) * half + [0, deep * 0.4]), rng.uniform(0.2, 1)]
        lens = float(rng.choice([SHARP, SHARP, 0.02, 0.05]))
        return camera(origin, target, rng.uniform(45, 85), lens)

    return scene | views(view)


def field(rng: Rng) -> Scene:
    """Objects on open ground under a sky, with a lamp among them."""
    ground = matte(bitmap(textures.draw(rng), 16))

    def view() -> Scene:
        angle, distance = rng.uniform(0, 2 * math.pi), rng.uniform(2.5, 5)
        at = [distance * math.cos(angle), distance * math.sin(angle), rng.uniform(0.4, 2.2)]
        lens = float(rng.choice([SHARP, SHARP, 0.03]))
        return camera(at, [0, 0, rng.uniform(0.2, 0.6)], rng.uniform(35, 65), lens)

    return {
        "floor": mesh("rectangle", mi.ScalarTransform4f().scale([30, 30, 1]), ground),
        "sky": sky(rng),
        "lamp": lamp([*rng.uniform(-2, 2, 2), 0.6], 0.1, rng.uniform(0, 0.4) * _warm_or_cold(rng)),
        **things(rng, int(rng.integers(12, 40)), 2.0),
        **views(view),
    }


def table(rng: Rng) -> Scene:
    """A studio: a backdrop, small objects and a few small lights in the dark."""
    world = mi.ScalarTransform4f
    below = (
        glossy(reflectance(rng, 0.7), 0.1) if rng.random() < 0.4 else matte(reflectance(rng, 0.7))
    )
    behind = world().translate([0, 3, 0]).rotate([1, 0, 0], 90).scale([6, 6, 1])
    scene: Scene = {
        "floor": mesh("rectangle", world().scale([6, 6, 1]), below),
        "back": mesh("rectangle", behind, matte(reflectance(rng, 0.3))),
        "sky": even_sky(rng.uniform(0, 0.4, 3) * rng.integers(0, 2)),
        **things(rng, int(rng.integers(8, 30)), 1.2),
    }
    for i in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, 2 * math.pi)
        at = [3 * math.cos(angle), min(3 * math.sin(angle), 2.5), rng.uniform(1.5, 4)]
        scene[f"lamp{i}"] = lamp(at, float(10 ** rng.uniform(-1.5, -0.2)), 3 * _warm_or_cold(rng))

    def view() -> Scene:
        origin = [rng.uniform(-1.2, 1.2), rng.uniform(-4, -2.5), rng.uniform(0.5, 2.5)]
        lens = float(rng.choice([SHARP, 0.03, 0.08]))
        return camera(origin, [0, 0, 0.4], rng.uniform(25, 45), lens)

    return scene | views(view)


KINDS: dict[str, Callable[[Rng], Scene]] = {"room": room, "field": field, "table": table}
