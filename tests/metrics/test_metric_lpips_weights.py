"""Where LPIPS looks for weights, and what it says when there are none."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
import torch
from metric_pictures import photo, random_pair
from safetensors.torch import load_file, save_file

from restorekit.errors import ModelError
from restorekit.metrics import LPIPS, lpips_distance
from restorekit.metrics.lpips_weights import WeightsPlace, load_weights, weights_place

NETS = ["alex", "squeeze"]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without weights: no variable, no data, no lpips package; cwd is empty."""
    module = importlib.import_module("restorekit.metrics.lpips_weights")
    monkeypatch.delenv("RESTOREKIT_LPIPS_WEIGHTS", raising=False)
    monkeypatch.setattr(module, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    monkeypatch.setenv("RESTOREKIT_DATA", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


@pytest.mark.user("K7")
@pytest.mark.parametrize("net", NETS)
def test_missing_weights_are_one_sentence(nowhere: Path, net: str) -> None:
    for attempt in (lambda: LPIPS(net), lambda: lpips_distance(photo(), photo(), net)):
        with pytest.raises(ModelError) as caught:
            attempt()
        text = str(caught.value)
        for word in ("RESTOREKIT_LPIPS_WEIGHTS", f"lin_{net}.safetensors", "restorekit[lpips]"):
            assert word in text
        assert "\n" not in text


def test_the_order_of_the_search(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = "alexnet_features.safetensors", "lin_alex.safetensors"
    ranked = [
        nowhere / "shared" / "data" / "weights",  # beside the current folder
        nowhere / "data" / "weights",  # RESTOREKIT_DATA
        nowhere / "mine",  # RESTOREKIT_LPIPS_WEIGHTS
    ]
    for folder in ranked:
        if folder.name == "mine":
            monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(folder))
        touch(folder, *names)
        assert weights_place("alex").trunk.parent.resolve() == folder.resolve()


def test_half_of_the_files_is_nothing(nowhere: Path) -> None:
    touch(nowhere / "data" / "weights", "alexnet_features.safetensors")
    with pytest.raises(ModelError, match="finds no weights"):
        weights_place("alex")


def test_a_named_folder_without_weights_is_not_passed_over(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(nowhere / "data" / "weights", "alexnet_features.safetensors", "lin_alex.safetensors")
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(nowhere / "typo"))
    with pytest.raises(ModelError, match="typo"):
        weights_place("alex")


@pytest.mark.user("K7")
def test_damaged_and_foreign_files_are_named(
    lpips_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTOREKIT_LPIPS_WEIGHTS", str(tmp_path))
    touch(tmp_path, "squeezenet1_1_features.safetensors", "lin_squeeze.safetensors")
    with pytest.raises(ModelError, match=r"squeezenet1_1_features.safetensors is not a readable"):
        LPIPS("squeeze")
    heads = load_file(lpips_weights / "lin_squeeze.safetensors")
    trunk = load_file(lpips_weights / "squeezenet1_1_features.safetensors")
    last = heads.popitem()[0]
    assert last.startswith("lin")
    for wrong_trunk, wrong_heads in ((trunk, heads), (heads, heads)):
        save_file(wrong_trunk, tmp_path / "squeezenet1_1_features.safetensors")
        save_file(wrong_heads, tmp_path / "lin_squeeze.safetensors")
        with pytest.raises(ModelError, match="not the trunk and heads of LPIPS for squeeze"):
            LPIPS("squeeze")


@pytest.mark.parametrize("content", [b"", b"no pickle", b"PK\x03\x04"])
def test_a_damaged_file_of_the_package_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alex.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"alex\.pth is not a readable weights file: .") as caught:
        load_weights(WeightsPlace(path, path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("net", NETS)
def test_the_lpips_package_brings_weights(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, data: Path, net: str
) -> None:
    """A hub cache as torchvision leaves it, with the classifier's weights beside the trunk's."""
    spec = importlib.util.find_spec("lpips")
    if spec is None or not (data / "weights").is_dir():
        pytest.skip("no lpips package, or no weights to make a hub cache of")
    file = {"alex": "alexnet-owt-7be5be79.pth", "squeeze": "squeezenet1_1-b8a52dc0.pth"}[net]
    name = {"alex": "alexnet", "squeeze": "squeezenet1_1"}[net]
    trunk = load_file(data / "weights" / f"{name}_features.safetensors")
    checkpoints = nowhere / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(trunk | {"classifier.1.weight": torch.zeros(2, 2)}, checkpoints / file)
    module = importlib.import_module("restorekit.metrics.lpips_weights")
    monkeypatch.setattr(module, "find_spec", lambda _: spec)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(nowhere / "hub"))
    a, b = random_pair(123, 2, 3, 64, 64)
    expected = LPIPS(net, weights_place(net, data / "weights"))(a, b)
    assert torch.equal(LPIPS(net)(a, b), expected)
