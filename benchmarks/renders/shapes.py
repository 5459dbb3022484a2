"""Shapes as triangle meshes: PLY files, of which scenes are put together.

Every mesh is of the same make: normals and texture coordinates at every vertex.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

Surface = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
VERTEX = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz", "u", "v")])
FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def grid(surface: Surface, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """(vertices, faces) of a surface over [0, 1]² (u, v), its normals by differences."""
    v, u = np.meshgrid(np.linspace(0, 1, rows + 1), np.linspace(0, 1, columns + 1), indexing="ij")

    def at(du: float, dv: float) -> np.ndarray:
        return np.stack(surface(u + du, v + dv), -1)

    step = 1e-4
    # From the middle of the patch where the poles of a sphere have no direction.
    inner = np.clip(v, 0.002, 0.998) - v
    across, down = (
        np.stack(surface(u + a, v + inner + b), -1) - np.stack(surface(u - a, v + inner - b), -1)
        for a, b in ((step, 0), (0, step))
    )
    normals = np.cross(across, down)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    corners = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    a, b, c, d = corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    points = np.concatenate([at(0, 0), normals, u[..., None], v[..., None]], -1)
    return points.reshape(-1, 8), faces


def joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Several meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    faces = [faces + start for (_, faces), start in zip(parts, starts, strict=False)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces)


def _sphere(u, v):
    turn, rise = 2 * np.pi * u, np.pi * (v - 0.5)
    return np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)


def _torus(u, v):
    turn, small = 2 * np.pi * u, 2 * np.pi * v
    reach = 0.72 + 0.28 * np.cos(small)
    return np.cos(turn) * reach, np.sin(turn) * reach, 0.28 * np.sin(small)


def _bumpy(u, v):
    x, y, z = _sphere(u, v)
    reach = 0.85 + 0.15 * np.sin(9 * x) * np.sin(8 * y) * np.sin(7 * z)
    return x * reach, y * reach, z * reach


def _vase(u, v):
    turn = 2 * np.pi * u
    reach = 0.35 + 0.2 * np.sin(5 * v + 0.6) + 0.05 * np.cos(9 * turn)
    return np.cos(turn) * reach, np.sin(turn) * reach, 2 * v - 1


def _pipe(u, v):
    turn = 2 * np.pi * u
    return np.cos(turn), np.sin(turn), 2 * v - 1


def _square(u, v):
    return 2 * u - 1, 2 * v - 1, 0 * u


def _lid(height: float) -> Surface:
    sign = np.sign(height)
    return lambda u, v: (
        v * np.cos(2 * np.pi * sign * u),
        -v * np.sin(2 * np.pi * sign * u),
        height + 0 * u,
    )


def _cube() -> tuple[np.ndarray, np.ndarray]:
    def side(axis: int, sign: int) -> Surface:
        def face(u, v):
            flat = [(2 * u - 1) * sign, 2 * v - 1]
            flat.insert(axis, sign + 0 * u)
            # The middle axis turns the orientation of the other two.
            return tuple(flat) if axis != 1 else (-flat[0], flat[1], flat[2])

        return face

    return joined([grid(side(axis, sign), 1, 1) for axis in range(3) for sign in (-1, 1)])


def meshes() -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Every shape by name, within [−1, 1]³."""
    lids = [grid(_lid(height), 1, 48) for height in (-1.0, 1.0)]
    return {
        "bumpy": grid(_bumpy, 64, 128),
        "cube": _cube(),
        "cylinder": joined([grid(_pipe, 1, 48), *lids]),
        "rectangle": grid(_square, 1, 1),
        "sphere": grid(_sphere, 48, 96),
        "torus": grid(_torus, 32, 96),
        "vase": grid(_vase, 64, 96),
    }


def save(folder: Path) -> None:
    """Write every shape as a binary PLY file."""
    for name, (vertices, faces) in meshes().items():
        points = np.zeros(len(vertices), VERTEX)
        for column, field in enumerate(VERTEX.names or ()):
            points[field] = vertices[:, column]
        triangles = np.zeros(len(faces), FACE)
        triangles["count"], triangles["corners"] = 3, faces
        properties = "".join(f"property float {field}\n" for field in VERTEX.names or ())
        header = (
            f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}"
            f"element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
        )
        path = folder / f"{name}.ply"
        path.write_bytes(header.encode() + points.tobytes() + triangles.tobytes())
