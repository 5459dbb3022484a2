"""The loader of peer networks, against the reference forwards of the data folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from restorekit.errors import ModelError

REPOSITORY = Path(__file__).resolve().parents[2]


def load_module(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = REPOSITORY / "benchmarks" / "peers.py"
    if not path.is_file():
        pytest.skip("no benchmarks beside the tests")
    monkeypatch.syspath_prepend(path.parent)
    return load_module(path, monkeypatch)


def test_forwards_equal_the_reference(
    peers: ModuleType, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = data / "peers" / "peers_ref.py"
    if not script.is_file():
        pytest.skip(f"no {script}")
    monkeypatch.setenv("RESTOREKIT_DATA", str(data))
    reference = load_module(script, monkeypatch)
    images = torch.rand(2, 3, 33, 40, generator=torch.Generator().manual_seed(0))
    for name in peers.peer_names():
        peer = peers.load_peer(name)
        file = "carn-m" if name.startswith("carn-m") else name
        expected, card = reference.load(file, peer.scale)
        x, told = images[:, : peer.channels], (0.1,) if peer.told else ()
        assert peer(x, *told).shape == (2, peer.channels, 33 * peer.scale, 40 * peer.scale), name
        assert (peer(x, *told) - expected(x, *told)).abs().max() < 1e-5, name
        assert sum(p.numel() for p in peer.parameters()) == int(card["parameters"]), name


def test_rrdbnet_has_its_size_and_is_the_same_each_time(peers: ModuleType) -> None:
    state = torch.random.get_rng_state()
    network = peers.rrdbnet()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert sum(p.numel() for p in network.parameters()) == 16_697_987
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert network(x).shape == (1, 3, 32, 32)
    assert torch.equal(network(x), peers.rrdbnet()(x))


def test_refusals(peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="'swinir' is no peer; known are rlfn-x4"):
        peers.load_peer("swinir")
    monkeypatch.setenv("RESTOREKIT_DATA", str(tmp_path))
    with pytest.raises(ModelError, match="missing; set RESTOREKIT_DATA"):
        peers.load_peer("rlfn-x4")
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "rlfn-x4.safetensors").touch()
    with pytest.raises(ModelError, match="does not hold the weights of rlfn-x4"):
        peers.load_peer("rlfn-x4")
