"""What needs a card or a counter says so without, and measures rightly on what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

Bench = Callable[[str], ModuleType]
CPU = torch.device("cpu")


def test_without_a_card_the_suite_says_so(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, gpu = bench("run"), bench("gpu")
    monkeypatch.setattr(gpu, "available", lambda: False)
    monkeypatch.setattr(run, "LATEST", tmp_path)
    assert run.main(["--suite", "gpu"]) == 0
    assert "not run: gpu" in capsys.readouterr().out


def test_each_part_of_the_gpu_suite_runs_on_a_processor(bench: Bench) -> None:
    gpu = bench("gpu")
    measured = gpu.peaks(CPU, side=128, runs=1)
    assert measured["bf16_tflops"] > 0
    rows = gpu.variants(CPU, measured, ("float32", "bf16, channels_last"), (64, 64), runs=1)
    for row in rows.values():
        assert row["megapixels_a_second"] == pytest.approx(64 * 64 / 1e3 / row["milliseconds"])
        assert row["share_of_bf16_peak"] > 0
        assert row["share_of_bandwidth"] > 0
    assert set(gpu.batches(CPU, (1, 2), (64, 64), runs=1)) == {1, 2}
    assert set(gpu.tiles(CPU, (256,), low=32, runs=1)) == {256}
    assert set(gpu.pictures(CPU, (16,), runs=1)) == {"faithful, 0 MP", "sharp, 0 MP"}
    same = gpu.equality(CPU, limit=1)
    assert same["largest_difference"] == same["largest_change_of_psnr"] == 0


def test_a_way_that_a_machine_has_not_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = bench("gpu")

    def fails(*_: object) -> None:
        raise RuntimeError("no compiler here\nand more")

    monkeypatch.setattr(gpu, "_compiled", fails)
    monkeypatch.setitem(
        gpu.VARIANTS, "compiled", (torch.float32, torch.contiguous_format, gpu._compiled)
    )
    peaks = {"bf16_tflops": 1.0, "gigabytes_a_second": 1.0}
    (row,) = gpu.variants(CPU, peaks, ("compiled",), (64, 64), runs=1).values()
    assert row == {"not_run": "no compiler here"}


def test_operations_and_traffic_of_one_convolution(bench: Bench) -> None:
    gpu = bench("gpu")
    layer = nn.Conv2d(3, 5, 3, padding=1)
    image = torch.zeros(2, 3, 8, 9)
    assert gpu.operations(lambda: layer(image)) == 2 * 9 * 3 * 5 * 2 * 8 * 9
    values = 2 * 3 * 8 * 9 + 2 * 5 * 8 * 9 + 9 * 3 * 5 + 5
    assert gpu.least_traffic(nn.Sequential(layer), lambda: layer(image)) == 4 * values


def package(folder: Path, index: int, value: int) -> Path:
    place = folder / f"intel-rapl:{index}"
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{value}\n")
    (place / "max_energy_range_uj").write_text("1000000\n")
    return place


def test_rapl_sums_its_packages_and_carries_on_over_its_end(bench: Bench, tmp_path: Path) -> None:
    energy = bench("energy")
    package(tmp_path, 0, 900_000)
    package(tmp_path, 1, 100_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of a package, counted in it already
    joules = energy._rapl(tmp_path)
    before = joules()
    package(tmp_path, 0, 200_000)  # began anew: 0.3 J more
    package(tmp_path, 1, 150_000)
    assert joules() - before == pytest.approx(0.35)
    assert energy._rapl(tmp_path / "nowhere") is None


def test_without_a_counter_joules_are_estimated_and_marked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    energy = bench("energy")
    monkeypatch.setattr(energy, "_rapl", lambda: None)
    monkeypatch.setattr(energy, "_nvml", lambda: None)
    monkeypatch.setattr(energy.speed, "restorer_call", lambda _: None)
    found = energy.figures(runs=1)
    assert found["source"].startswith("estimated: ")
    counter, _ = energy.counter_here()
    assert 0 <= counter() <= counter()
    for look in ("faithful", "sharp"):
        watts = energy.WATTS_A_CORE * torch.get_num_threads()
        megapixels = 1024 * 1024 / 1e6
        row = found[look]
        assert row["joules_a_megapixel"] * megapixels <= watts * row["seconds"] * 1.5 + 0.1
