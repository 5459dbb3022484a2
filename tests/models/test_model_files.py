"""Model files: the card inside comes back whole, and whatever is wrong is told in one sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from outer_kit import Run, card, tiny_network, write_model
from safetensors.torch import save_file

from restorekit.errors import ModelError
from restorekit.models import store
from restorekit.models.card import FORMAT, Card, Look
from restorekit.models.find import find

SHIPPED = "upscale"


def with_card(file: Path, **changes: Any) -> Path:
    """A model file whose card was changed by hand; the hash of its tensors is right."""
    network = tiny_network()
    tensors = network.state_dict()
    record = json.loads(card(network, tensors_sha256=store.tensors_sha256(tensors)).to_json())
    for name, value in changes.items():
        if value is None:
            del record[name]
        else:
            record[name] = value
    save_file(tensors, file, metadata={"card": json.dumps(record)})
    return file


def test_a_card_comes_back_whole(tmp_path: Path) -> None:
    looks = {"faithful": Look({"look": 0.0}, 0.0), "sharp": Look({"look": 1.0}, 0.5, 4, "heun")}
    data = ({"name": "pack", "pictures": 3, "licences": {"CC0-1.0": 3}},)
    given = card(
        tiny_network(), looks=looks, data=data, scores={"psnr-y": 27.5}, training={"phases": [1]}
    )
    again = Card.from_json(given.to_json(), "here")
    assert again == dataclasses.replace(given, network=again.network)
    assert again.to_json() == given.to_json()
    path = tmp_path / "new" / "a.safetensors"
    store.save(path, given, tiny_network().state_dict())
    assert store.read_card(path) == store.load(path).card
    assert store.read_card(path).looks == looks
    assert store.load(path).config == tiny_network().config


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_model(tmp_path / name).read_bytes() for name in "ab")
    assert one == two


def test_saving_replaces_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "a.safetensors")
    before = path.read_bytes()

    def half(tensors: Any, target: Path, metadata: Any) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save_file", half)
    with pytest.raises(ModelError, match=r"a\.safetensors was not written"):
        write_model(path, seed=1)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_denoiser_of_other_tensors_is_refused(tmp_path: Path) -> None:
    network = tiny_network()
    tensors = dict(network.state_dict())
    tensors.pop("tail.bias")
    store.save(tmp_path / "a.safetensors", card(network), tensors)
    model = store.load(tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=r"do not fit the card.*tail\.bias"):
        model.denoiser(torch.device("cpu"), torch.float32)


CARDS: dict[str, tuple[dict[str, Any], str]] = {
    "newer format": ({"format": FORMAT + 1}, "newer format; upgrade restorekit"),
    "unknown entry": ({"colour": "blue"}, "unknown entry 'colour'"),
    "no name": ({"name": None}, "cannot be read"),
    "name": ({"name": 5}, "entry 'name' is not a text"),
    "network": ({"network": [1]}, "entry 'network' is not a record"),
    "deviation": ({"deviation": "much"}, "entry 'deviation' is not a number"),
    "data": ({"data": {}}, "entry 'data' is not a list"),
    "looks": ({"looks": []}, "cannot be read"),
    "no looks": ({"looks": {}}, "names no look"),
    "look": ({"looks": {"sharp": {"colour": 1}}}, "colour"),
    "steps": ({"looks": {"sharp": {"steps": "two"}}}, "entry 'steps' is not a whole number"),
    "path": ({"path": "winding"}, "winding"),
    "parameters": ({"path_parameters": {"length": 3}}, "length"),
    "layers": ({"network": {"layers": 3}}, "layers"),
    "widths": ({"network": {"widths": [8, 16, 32]}}, "3 widths but 2 block counts"),
    "attention": ({"network": {"attention": [1]}}, "whole picture"),
}


@pytest.mark.parametrize("what", CARDS)
def test_a_card_that_is_wrong_is_refused(tmp_path: Path, what: str) -> None:
    changes, reason = CARDS[what]
    path = with_card(tmp_path / "a.safetensors", **changes)
    with pytest.raises(ModelError) as raised:
        store.load(path)
    assert str(path) in str(raised.value)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "\0", '{"looks": 3}'])
def test_a_card_that_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", metadata={"card": text})
    with pytest.raises(ModelError, match="cannot be read"):
        store.load(tmp_path / "a.safetensors")


@pytest.mark.user("L2")
def test_weights_of_other_programs_are_told_to_be_so(tmp_path: Path) -> None:
    for number, metadata in enumerate((None, {"format": "pt"})):
        path = tmp_path / f"{number}.safetensors"
        save_file({"a": torch.zeros(1)}, path, metadata=metadata)
        with pytest.raises(ModelError, match="not a model of restorekit"):
            store.load(path)


@pytest.mark.user("L2")
def test_changed_tensors_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    path.write_bytes(data)
    assert store.read_card(path).name == "tiny"
    with pytest.raises(ModelError, match="do not match the hash"):
        store.load(path)


def test_a_file_that_cannot_be_opened_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "a.safetensors")

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelError, match=r"a\.safetensors cannot be read: Permission denied"):
        store.load(path)


def test_the_hash_covers_names_types_and_shapes() -> None:
    values = torch.arange(6.0)
    hashes = {
        store.tensors_sha256({"a": values}),
        store.tensors_sha256({"b": values}),
        store.tensors_sha256({"a": values.reshape(2, 3)}),
        store.tensors_sha256({"a": values.to(torch.float16)}),
        store.tensors_sha256({"a": values.view(torch.int32)}),
        store.tensors_sha256({"a": values, "b": torch.zeros(0)}),
    }
    assert len(hashes) == 6
    columns = torch.arange(6.0).reshape(2, 3).t()
    assert store.tensors_sha256({"a": columns}) == store.tensors_sha256({"a": columns.clone()})


def test_models_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a.safetensors")
    assert find(str(path)) == path
    assert find(SHIPPED).name == "upscale.safetensors"
    with pytest.raises(ModelError, match=r"installed models: .*upscale"):
        find(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="no model or file"):
        find("")


# The commands.


def test_models_list(run: Run) -> None:
    ran = run("models", "list")
    assert ran.code == 0
    line = next(line for line in ran.out.splitlines() if line.startswith("upscale "))
    assert "faithful" in line
    assert "MB" in line
    assert ran.err == ""


def test_models_show(run: Run, model: Path, tmp_path: Path) -> None:
    ran = run("models", "show", model)
    assert ran.code == 0
    record = json.loads(ran.out)
    assert (record["name"], record["task"]) == ("tiny", "upscale")
    ran = run("models", "show", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert "'nope'" in ran.err
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    assert run("models", "show", tmp_path / "bad.safetensors").code == 1
    assert run("models", "show").code == 2


def test_models_verify(run: Run, model: Path, tmp_path: Path) -> None:
    ran = run("models", "verify", model)
    assert ran.code == 0
    assert "whole, sha256 " in ran.out
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(model.read_bytes()[:-3])
    ran = run("models", "verify", model, bad, "nope")
    assert ran.code == 1
    assert str(model) in ran.out
    assert str(bad) in ran.err
    assert "'nope'" in ran.err


# What is shipped. The development weights have no scores yet: only what must hold of them too.


@pytest.mark.user("A2")
def test_shipped_weights_are_whole_and_small(run: Run) -> None:
    for name, path in __import__("restorekit.plugins", fromlist=["models"]).models()[0].items():
        assert path.stat().st_size <= 6_000_000, name
        assert store.load(path).card.licence
    assert run("models", "verify").code == 0


@pytest.mark.user("L1")
def test_shipped_cards_have_the_structure(run: Run) -> None:
    record = json.loads(run("models", "show", SHIPPED).out)
    assert record["task"] == "upscale"
    assert record["licence"]
    assert record["date"]
    assert len(record["tensors_sha256"]) == 64
    assert isinstance(record["data"], list)
    for source in record["data"]:
        assert source["name"]
        assert source["pictures"] > 0
        assert source.get("licences") or source.get("licence"), source
