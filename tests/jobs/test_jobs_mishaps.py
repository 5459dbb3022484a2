"""What goes wrong inside a machine: NaN, memory, a broken driver; none of it reaches a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Run, noise, save, tree

from restorekit import device as devices
from restorekit.errors import DeviceError, ImageError, UsageError
from restorekit.images import Picture, from_array
from restorekit.jobs import grid
from restorekit.jobs.checks import check_result
from restorekit.jobs.restorer import Restorer

Build = Callable[..., Restorer]


def spoilt(made: Restorer, spoil: Callable[[Any, int], Any]) -> list[int]:
    """Make `spoil(x0_hat, call)` of every answer of the network; the calls made so far."""
    whole, calls = made.engine.denoise, [0]

    def denoise(x: Any, t: Any, known: Any) -> Any:
        calls[0] += 1
        return spoil(whole(x, t, known), calls[0])

    made.__dict__["engine"] = replace(made.engine, denoise=denoise)
    return calls


@pytest.mark.user("G3")
def test_a_tile_that_is_not_finite_is_done_again_in_float32(restorer: Build) -> None:
    picture = from_array(noise(90, 75))
    made = restorer(tile=64, scale=2.0)
    precise = made.engine.precise()

    def nan_in_the_second(x0: Any, call: int) -> Any:
        return x0.index_fill(2, torch.tensor([5]), float("nan")) if call == 2 else x0

    calls = spoilt(made, nan_in_the_second)
    made.__dict__["engine"] = replace(made.engine, precise=lambda: precise)
    result = made(picture)
    assert calls[0] > 4
    assert np.isfinite(result.color).all()
    plain = restorer(scale=2.0)(picture)
    assert np.abs(result.color.astype(float) - plain.color).max() <= 4  # bfloat16 or the same


@pytest.mark.user("G3")
def test_what_is_not_finite_in_float32_either_is_refused(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from restorekit.engine.denoiser import Preconditioned

    def not_a_number(self: Any, x: Any, t: Any, known: Any) -> Any:
        return known.source * float("nan")

    monkeypatch.setattr(Preconditioned, "__call__", not_a_number)
    ran = upscale(save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 1
    assert "not finite" in ran.err
    assert "restorekit doctor" in ran.err
    assert tree(tmp_path / "out") == {}


@pytest.mark.user("G4")
@pytest.mark.parametrize("value", [-1.0, -0.4, 1.0])
def test_a_constant_result_is_refused(
    upscale: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """As a broken driver makes it: black, grey of the right mean, or white."""
    from restorekit.engine.denoiser import Preconditioned

    def flat(self: Any, x: Any, t: Any, known: Any) -> Any:
        return torch.full_like(known.source, value)

    monkeypatch.setattr(Preconditioned, "__call__", flat)
    ran = upscale(save(tmp_path / "a.png"), "-o", tmp_path / "out")
    assert ran.code == 1
    assert "does not look like the picture" in ran.err
    assert "0 done + 0 skipped + 1 failed" in ran.err
    assert tree(tmp_path / "out") == {}


@pytest.mark.user("G4")
def test_constant_pictures_are_restored(upscale: Run, tmp_path: Path) -> None:
    for value in (0, 90, 255):
        save(tmp_path / "in" / f"{value}.png", np.full((8, 8, 3), value, np.uint8))
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", "--strength", "0").code == 0


def grey(values: np.ndarray, alpha: np.ndarray | None = None) -> Picture:
    return Picture(np.float32(values)[..., None], None if alpha is None else np.float32(alpha))


def test_check_result_sees_what_shows() -> None:
    rows, columns = np.mgrid[0:600, 0:600]
    board = ((rows + columns) % 2).astype(np.float32)
    even = np.full((600, 600), 0.5, np.float32)
    check_result(grey(board), grey(board))
    check_result(grey(board), grey(board * 0.2 + 0.4))
    check_result(grey(board), grey(even[:300, :300]))  # reduced, a board is even grey
    with pytest.raises(ImageError):
        check_result(grey(board), grey(even))
    with pytest.raises(ImageError):
        check_result(grey(even), grey(even + 0.3))
    sign = np.zeros((600, 600), np.float32)
    sign[250:350, 250:350] = 1
    check_result(grey(np.ones_like(sign), sign), grey(sign, sign))
    check_result(grey(board, 0 * sign), grey(0 * sign, 0 * sign))
    deep = Picture((board[..., None] * 65535).astype(np.uint16), depth=16)
    check_result(grey(board), deep)


@pytest.mark.user("D1")
@pytest.mark.user("D5")
def test_out_of_memory_halves_the_budget_and_gives_the_same_bytes(restorer: Build) -> None:
    picture = from_array(noise(90, 75))
    plain = restorer()(picture)
    made = restorer(tile=256)
    budget = made.budget

    def fail_once(x0: Any, call: int) -> Any:
        if call == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x0

    calls = spoilt(made, fail_once)
    result = made(picture)
    assert made.budget == budget // 2
    assert calls[0] > 1
    np.testing.assert_array_equal(result.color, plain.color)


@pytest.mark.user("D5")
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_for_good_is_one_error(restorer: Build, error: Exception) -> None:
    made = restorer()

    def fail(x0: Any, call: int) -> Any:
        raise error

    spoilt(made, fail)
    with pytest.raises(
        DeviceError, match="cpu ran out of memory even with the smallest tiles"
    ) as e:
        made(from_array(noise()))
    assert "--device cpu" not in str(e.value)


def test_other_errors_of_torch_are_not_taken_for_memory(restorer: Build) -> None:
    made = restorer()

    def fail(x0: Any, call: int) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    calls = spoilt(made, fail)
    with pytest.raises(RuntimeError, match="mat1"):
        made(from_array(noise()))
    assert calls[0] == 1


def test_a_result_beyond_all_memory_is_refused_before_work(
    restorer: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "memory", lambda _: devices.Memory(free=1 << 20, total=1 << 20))
    restorer(size="500x500")(from_array(noise()))
    with pytest.raises(DeviceError, match="1,000 x 1,000 pixels needs"):
        restorer(size="1000x1000")(from_array(noise()))
    monkeypatch.setattr(devices, "memory", lambda _: None)
    restorer(size="1000x1000")(from_array(noise()))


@pytest.mark.user("D1")
def test_the_first_budget_holds_a_tile_and_little_of_the_memory(
    restorer: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restorer(tile=64).budget == (64 + 2 * 32) ** 2
    for free, expected in (
        (0, grid.SMALLEST_TILE),
        (1 << 50, grid.LARGEST_CALL),
    ):
        monkeypatch.setattr(devices, "memory", lambda _, f=free: devices.Memory(f, 1 << 50))
        assert restorer().budget == expected


@pytest.mark.user("D1")
@pytest.mark.parametrize(
    ("folder", "limit", "used", "pages"),
    [
        (".", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_a_container_s_limit_is_the_memory_that_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, limit: str, used: str, pages: str
) -> None:
    monkeypatch.setattr(devices, "CGROUPS", tmp_path)
    group, processor = tmp_path / folder, torch.device("cpu")
    group.mkdir(exist_ok=True)
    (group / used).write_text("700\n")
    (group / "memory.stat").write_text(f"anon 1\n{pages} 200\n")
    whole = devices.memory(processor)
    assert whole is not None
    assert whole.total > 1 << 28
    for most, expected in (("1000\n", 500), ("300\n", 0)):
        (group / limit).write_text(most)
        assert devices.memory(processor) == devices.Memory(expected, int(most))
    (group / limit).write_text("max\n")
    unlimited = devices.memory(processor)
    assert unlimited is not None
    assert unlimited.total == whole.total


# Devices.


@pytest.mark.user("G1")
@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cpu:-1", "meta", "0", "CUDA"])
def test_names_that_are_no_devices_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError, match="is none of auto, cuda, mps, xpu, cpu"):
        devices.choose(name)


@pytest.mark.user("F2")
def test_auto_takes_the_first_kind_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.choose("cpu") == torch.device("cpu")
    for kind in devices.KINDS:
        monkeypatch.setattr(devices, "available", lambda k, kind=kind: k in (kind, "cpu"))
        assert devices.choose("auto").type == kind


@pytest.mark.user("G1")
def test_a_number_beyond_the_devices_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda kind: kind in ("cuda", "cpu"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.choose("cuda:1") == torch.device("cuda:1")
    with pytest.raises(DeviceError, match=r"--device cuda:2 .*it finds 2 cuda, 1 cpu"):
        devices.choose("cuda:2")


@pytest.mark.user("F4")
def test_only_the_device_module_knows_kinds_of_devices() -> None:
    import re

    from outer_kit import REPOSITORY

    for path in (REPOSITORY / "restorekit").rglob("*.py"):
        if path.name != "device.py":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\.cuda\(|torch\.cuda\.|torch\.backends\.", text), path
