"""Models: only safetensors of ours, decided by content."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from outer_kit import Run, one_sentence, tiny_network, write_model
from safetensors.torch import save_file


def foreign(path: Path) -> Path:
    save_file({"conv.weight": torch.zeros(3)}, path)
    return path


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/restorekit-was-here",)


def bad_model(kind: str, folder: Path) -> Path:
    path = folder / "bad.safetensors"
    if kind == "pickle":
        path = folder / "bad.pth"
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "renamed pickle":
        torch.save(tiny_network().state_dict(), path)
    elif kind == "zero bytes":
        path.write_bytes(b"")
    elif kind == "foreign":
        foreign(path)
    elif kind == "other task":
        write_model(path, task="denoise")
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        write_model(path)
        data = bytearray(path.read_bytes())
        if kind == "truncated":
            del data[-100:]
        else:
            data[-5] ^= 1
        path.write_bytes(data)
    return path


MODELS = {
    "missing": "installed models: ",
    "folder": "installed models: ",
    "pickle": "safetensors",
    "renamed pickle": "safetensors",
    "zero bytes": "safetensors",
    "truncated": "safetensors",
    "tampered": "hash",
    "foreign": "card",
    "other task": "denoise",
}


@pytest.mark.user("L2")
@pytest.mark.parametrize("kind", MODELS)
def test_a_bad_model_is_refused(upscale: Run, photo: Path, tmp_path: Path, kind: str) -> None:
    path = bad_model(kind, tmp_path)
    ran = upscale(photo, "-o", tmp_path / "out", "--model", path)
    assert ran.code == 2
    one_sentence(ran.err, path.name, MODELS[kind])
    assert not (tmp_path / "out").exists()
    assert not Path("/tmp/restorekit-was-here").exists()


def test_an_unknown_model_is_told_with_those_there_are(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    ran = upscale(photo, "-o", tmp_path / "out", "--model", "nope")
    assert ran.code == 2
    one_sentence(ran.err, "'nope'", "upscale")


def test_a_look_that_the_model_lacks_is_told_at_once(
    upscale: Run, photo: Path, tmp_path: Path
) -> None:
    looks = {"faithful": {"numbers": {"look": 0.0}}}
    path = write_model(tmp_path / "plain.safetensors", looks=looks)
    assert upscale(photo, "-o", tmp_path / "one", "--model", path).code == 0
    ran = upscale(photo, "-o", tmp_path / "out", "--model", path, "--look", "sharp")
    assert ran.code == 2
    one_sentence(ran.err, "sharp", "tiny")
    assert not (tmp_path / "out").exists()
