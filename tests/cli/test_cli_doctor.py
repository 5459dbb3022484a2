"""`restorekit doctor`: what is here, and whether each device gives the right numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Run

import restorekit
from restorekit import api, plugins
from restorekit import device as devices


@pytest.mark.user("G1")
def test_doctor_tells_versions_devices_and_memory(run: Run) -> None:
    ran = run("doctor")
    assert ran.code == 0, ran.out
    first, second, *others = ran.out.splitlines()
    assert first.startswith(f"restorekit {restorekit.__version__}, Python 3.")
    assert second.startswith(f"torch {torch.__version__}, ")
    assert [line.split()[0] for line in others] == list(devices.KINDS)
    cpu = others[-1]
    assert "works" in cpu
    assert str(devices.precision(torch.device("cpu"))).removeprefix("torch.") in cpu
    assert "GiB free" in cpu
    for line in others[:-1]:
        assert "not here" in line or "works" in line


@pytest.fixture
def strange_xpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Have a device "xpu", on which the upscaler does what is given."""
    monkeypatch.setattr(devices, "available", lambda kind: kind in ("xpu", "cpu"))
    monkeypatch.setattr(devices, "choose", lambda name: torch.device(name))
    original = api.task_function

    def make(behave: Callable[..., Any]) -> None:
        def function(name: str) -> Callable[..., Any]:
            call = original(name)
            return lambda image, device, **options: (
                behave(call(image, device="cpu", **options))
                if device == "xpu"
                else call(image, device=device, **options)
            )

        monkeypatch.setattr(api, "task_function", function)

    return make


@pytest.mark.user("G1")
@pytest.mark.user("G3")
@pytest.mark.parametrize(
    "behave", [lambda x: x * 0, lambda x: x * np.float32("nan"), lambda x: x[::-1]]
)
def test_a_device_that_gives_wrong_numbers_is_reported(
    run: Run, strange_xpu: Any, behave: Callable[..., Any]
) -> None:
    strange_xpu(behave)
    ran = run("doctor")
    assert ran.code == 1
    line = next(line for line in ran.out.splitlines() if line.startswith("xpu"))
    assert "fails: its result differs from the processor's by more than 8/255" in line
    assert "--device" in line
    assert "works" in ran.out.splitlines()[-1]


@pytest.mark.user("G2")
def test_a_device_that_raises_is_reported(run: Run, strange_xpu: Any) -> None:
    def no_kernel(_: Any) -> None:
        raise RuntimeError("no kernel image is available for execution\nmore lines")

    strange_xpu(no_kernel)
    ran = run("doctor")
    assert ran.code == 1
    assert "fails: no kernel image is available for execution; use another" in ran.out
    assert "more lines" not in ran.out


def test_a_device_that_is_right_is_said_to_work(run: Run, strange_xpu: Any) -> None:
    strange_xpu(lambda x: x + np.float32(1 / 255))
    ran = run("doctor")
    assert ran.code == 0
    assert ran.out.count("works") == 2


def test_without_the_upscaler_it_says_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> None:
    monkeypatch.setenv("RESTOREKIT_DISABLE_PLUGINS", "upscale")
    fresh_plugins()
    ran = run("doctor")
    assert ran.code == 1
    assert "no installed plugin brings the task 'upscale'" in ran.out
    assert "upscale" not in {listing.name for listing in plugins.listings()}
