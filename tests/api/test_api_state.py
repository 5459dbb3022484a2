"""A call leaves no trace: no files, no prints, no global state, no network; and depends on none."""

from __future__ import annotations

import os
import platform
import random
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import Run, noise, python, save, tree

import restorekit
from restorekit import device as devices
from restorekit.models import store


@pytest.fixture
def enlarge(model: Path, fresh_plugins: Callable[[], None]) -> Any:
    """A call whose model is not loaded yet."""
    fresh_plugins()

    def call(**options: Any) -> Any:
        given = {"scale": 2, "look": "sharp", "steps": 2, "model": str(model), **options}
        return restorekit.upscale(noise(40, 50), **given)

    return call


def state() -> list[Any]:
    """Everything global that a call could touch."""
    return [
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index]
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.mkldnn.enabled,
        torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(),
        np.geterr(),
        sorted(os.environ.items()),
        Path.cwd(),
        list(warnings.filters),
        threading.active_count(),
    ]


@pytest.mark.user("M4")
def test_no_global_state_is_touched(enlarge: Any) -> None:
    before = state()
    enlarge()
    assert state() == before


@pytest.mark.user("M1")
def test_no_global_state_is_listened_to(enlarge: Any) -> None:
    plain = enlarge()
    torch.manual_seed(7)
    np.testing.assert_array_equal(enlarge(), plain)
    with torch.no_grad():
        np.testing.assert_array_equal(enlarge(), plain)
    with torch.inference_mode():
        np.testing.assert_array_equal(enlarge(), plain)


@pytest.mark.user("M1")
@pytest.mark.parametrize("first", [True, False])
def test_the_default_type_of_torch_does_not_matter(enlarge: Any, first: bool) -> None:
    """Scientific programs set it to float64."""
    plain = None if first else enlarge()
    torch.set_default_dtype(torch.float64)
    try:
        result = enlarge()
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(result, enlarge() if plain is None else plain)


@pytest.mark.user("M1")
@pytest.mark.parametrize("first", [True, False])
def test_the_default_device_of_torch_does_not_matter(enlarge: Any, first: bool) -> None:
    plain = None if first else enlarge()
    with torch.device("meta"):
        result = enlarge()
    torch.set_default_device("meta")
    try:
        again = enlarge(seed=1)
    finally:
        torch.set_default_device(None)
    np.testing.assert_array_equal(result, enlarge() if plain is None else plain)
    np.testing.assert_array_equal(again, enlarge(seed=1))


@pytest.mark.user("M1")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_does_not_matter(
    enlarge: Any, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(devices, "precision", lambda _: dtype)
    plain = enlarge()
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(enlarge(), plain)


def test_a_model_loaded_in_inference_mode_serves_later_calls(enlarge: Any) -> None:
    with torch.inference_mode():
        first = enlarge()
    np.testing.assert_array_equal(enlarge(), first)


def test_another_seed_loads_no_model_again(enlarge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    load, denoiser = store.load, store.Model.denoiser
    monkeypatch.setattr(store, "load", lambda path: loaded.append(path) or load(path))
    built: list[Any] = []
    monkeypatch.setattr(
        store.Model,
        "denoiser",
        lambda model, *given: built.append(given) or denoiser(model, *given),
    )
    results = [enlarge(seed=seed) for seed in (1, 2, 1)]
    assert (len(loaded), len(built)) == (1, 1)
    assert np.any(results[0] != results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_calls_side_by_side_give_the_same(enlarge: Any) -> None:
    plain = enlarge()
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(enlarge())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, plain)


@pytest.mark.user("M7")
def test_nothing_is_printed_or_written(
    enlarge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOME", str(place))
    place.chmod(0o555)
    try:
        enlarge()
    finally:
        place.chmod(0o755)
    assert capfd.readouterr() == ("", "")
    assert tree(place) == {}


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was asked for")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.user("A2")
@pytest.mark.user("L4")
@pytest.mark.usefixtures("no_sockets")
def test_everything_works_without_a_network_or_a_home(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_plugins: Callable[[], None]
) -> None:
    fresh_plugins()
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(home))
    photo = save(tmp_path / "in" / "a.png", noise(64, 64))
    monkeypatch.chdir(home)
    assert run("upscale", photo, "-o", tmp_path / "out", "--look", "sharp").code == 0
    assert run("models", "list").code == 0
    assert run("models", "verify").code == 0
    assert run("plugins").code == 0
    evaluated = run("evaluate", "upscale", "--data", photo.parent, "--scale", "2")
    assert evaluated.code == 0, evaluated.err
    assert restorekit.upscale(noise(), scale=2).shape == (32, 48, 3)
    assert tree(home) == {}


@pytest.mark.user("A2")
@pytest.mark.user("M2")
def test_a_fresh_program_works_in_a_folder_it_may_not_write(tmp_path: Path) -> None:
    """With HOME empty and sockets refused from the first line on."""
    place = tmp_path / "here"
    place.mkdir(mode=0o555)
    code = f"""
import os, socket, sys
os.chdir({str(place)!r})
class Refused(socket.socket):
    def __init__(self, *_, **__): raise AssertionError("a socket was asked for")
socket.socket = socket.create_connection = socket.getaddrinfo = Refused
import restorekit
assert "torch" not in sys.modules
import numpy as np
result = restorekit.upscale(np.zeros((8, 9, 3), np.uint8), scale=2)
print(result.shape, result.dtype)
"""
    ran = python(code, HOME="", TORCH_HOME=str(place))
    assert ran.stdout == "(16, 18, 3) uint8\n", ran.stderr
    assert ran.stderr == ""
    place.chmod(0o755)
    assert tree(place) == {}


PAGES = """
import resource, restorekit, numpy as np

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytes(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

block = bytearray(1 << 26)
restorekit.upscale(np.zeros((8, 8, 3), np.uint8), scale=2)
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told")
@pytest.mark.parametrize("setting", ["", "MALLOC_TRIM_THRESHOLD_"])
def test_freed_memory_is_kept_unless_a_person_has_decided(setting: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    environment |= {setting: "131072"} if setting else {}
    done = subprocess.run(
        [sys.executable, "-c", PAGES], env=environment, capture_output=True, text=True, check=True
    )
    pages = (1 << 26) // 4096
    assert int(done.stdout) >= pages // 2 if setting else int(done.stdout) < pages // 20
