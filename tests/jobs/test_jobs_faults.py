"""A fault at every step: it costs its file and no other, says so, and the same command then finishes."""

from __future__ import annotations

import builtins
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from outer_kit import Run, bomb, noise, one_sentence, save, tree

from restorekit.errors import DeviceError
from restorekit.images import encode as encode_module
from restorekit.jobs import attempt, stages
from restorekit.jobs.manifest import Manifest
from restorekit.jobs.restorer import Restorer

NAMES = ("a.png", "b.png", "c.png", "d.png")

Spoil = Callable[[pytest.MonkeyPatch, Exception], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        save(tmp_path / "in" / name, noise(20, 30 + number, seed=number))
    return tmp_path / "in"


def of_b(owner: Any, name: str, which: Callable[..., bool]) -> Spoil:
    """Make a function fail where it is called for b.png."""

    def spoil(patch: pytest.MonkeyPatch, error: Exception) -> None:
        original = getattr(owner, name)

        def faulty(*arguments: Any, **named: Any) -> Any:
            if which(*arguments):
                raise error
            return original(*arguments, **named)

        patch.setattr(owner, name, faulty)

    return spoil


def named_b(path: Any, *_: Any) -> bool:
    return Path(path).name == "b.png"


def as_wide_as_b(_: Any, picture: Any, *__: Any) -> bool:
    return picture.width == 31


def encoding(patch: pytest.MonkeyPatch, error: Exception) -> None:
    whole = encode_module.ENCODERS["PNG"]

    def faulty(file: Any, prepared: Any) -> None:
        if prepared.samples.shape[1] == 62:
            file.write(b"half")
            raise error
        whole(file, prepared)

    patch.setitem(encode_module.ENCODERS, "PNG", faulty)


STEPS: dict[str, Spoil] = {
    "header": of_b(stages, "probe", named_b),
    "hash": of_b(
        stages, "content", lambda path, *_: Path(path).parent.name == "in" and named_b(path)
    ),
    "decode": of_b(stages, "read", named_b),
    "restore": of_b(Restorer, "__call__", as_wide_as_b),
    "check": of_b(stages, "check_result", lambda source, _: source.width == 31),
    "encode": encoding,
    "write": of_b(stages, "write", lambda _, path: named_b(path)),
    "hash of the result": of_b(
        stages, "content", lambda path, *_: ".restorekit" in str(path) and named_b(path)
    ),
    "manifest": of_b(
        Manifest, "append", lambda _, entry: entry.output == "b.png" and entry.result is not None
    ),
    "name": of_b(stages, "publish", lambda _, path, *__: named_b(path)),
}
ERRORS: dict[str, Exception] = {
    "read error": OSError(errno.EIO, "Input/output error"),
    "disk full": OSError(errno.ENOSPC, "No space left on device"),
    "permission": PermissionError(errno.EACCES, "Permission denied"),
    "vanished": FileNotFoundError(errno.ENOENT, "No such file or directory"),
    "memory": MemoryError(),
    "bug": IndexError("tuple index out of range\nand a second line"),
}


@pytest.mark.user("C3")
@pytest.mark.user("C5")
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_costs_one_file_until_it_is_mended(
    upscale: Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    kind: str,
) -> None:
    assert upscale(folder, "-o", tmp_path / "whole").code == 0
    whole = tree(tmp_path / "whole")
    with monkeypatch.context() as patch:
        STEPS[step](patch, ERRORS[kind])
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "4 found = 3 done + 0 skipped + 1 failed" in ran.err
    told = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(told) == 1
    assert "b.png" in told[0] or "manifest" in told[0]
    assert ".restorekit-part" not in told[0]
    assert tree(tmp_path / "out") == {n: data for n, data in whole.items() if n != "b.png"}
    ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 0
    assert "4 found = 1 done + 3 skipped + 0 failed" in ran.err
    assert tree(tmp_path / "out") == whole


@pytest.mark.parametrize("kind", ["disk full", "permission"])
@pytest.mark.parametrize("step", ["write", "encode", "manifest", "name"])
def test_a_result_stands_until_its_better_is_whole(
    upscale: Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    kind: str,
) -> None:
    upscale(folder, "-o", tmp_path / "out")
    old = tree(tmp_path / "out")["b.png"]
    save(folder / "b.png", noise(20, 31, seed=7))
    with monkeypatch.context() as patch:
        STEPS[step](patch, ERRORS[kind])
        assert upscale(folder, "-o", tmp_path / "out").code == 1
    assert tree(tmp_path / "out")["b.png"] == old
    assert "1 done + 3 skipped" in upscale(folder, "-o", tmp_path / "out").err
    assert tree(tmp_path / "out")["b.png"] != old


@pytest.mark.user("C5")
def test_a_disk_that_is_full_from_the_middle_on(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more can be written, no line of the manifest either; what was done stays done."""
    original, written = os.fsync, []

    def full(handle: int) -> None:
        written.append(handle)
        if len(written) > 4:  # two results and their lines
            raise OSError(errno.ENOSPC, "No space left on device")
        original(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "4 found = 2 done + 0 skipped + 2 failed" in ran.err
    assert ran.err.count("the disk is full; free some space") == 2
    assert sorted(tree(tmp_path / "out")) == ["a.png", "b.png"]
    assert "2 done + 2 skipped" in upscale(folder, "-o", tmp_path / "out").err


def test_permission_that_is_lost_in_the_middle(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a network folder does: from then on nothing below can be opened for writing."""
    original, opened = builtins.open, []

    def refuse(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if "w" in mode or "a" in mode:
            opened.append(file)
            if len(opened) > 5:
                raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return original(file, mode, *arguments, **named)

    def open_path(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        return refuse(self, mode, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_path)
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "4 found = 2 done + 0 skipped + 2 failed" in ran.err
    assert ran.err.count("permission denied; change its permissions") == 2
    assert "2 done + 2 skipped" in upscale(folder, "-o", tmp_path / "out").err


def test_the_folder_of_results_that_vanishes(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a stick that is pulled out: every file is named, and nothing breaks."""
    original = stages.check_result

    def pull(source: Any, result: Any) -> None:
        original(source, result)
        if source.width == 31:
            shutil.rmtree(tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "check_result", pull)
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "4 found = 1 done + 0 skipped + 3 failed" in ran.err
    assert upscale(folder, "-o", tmp_path / "out").code == 0
    assert sorted(tree(tmp_path / "out")) == list(NAMES)


@pytest.mark.user("D1")
def test_memory_that_runs_out_is_said_with_what_was_done(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upscale(folder, "-o", tmp_path / "whole")
    original, calls = Restorer._restored, []

    def short(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "_restored", short)
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 0
    assert "b.png: memory ran out and it was done in smaller tiles" in ran.err
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_device_that_fails_fails_the_rest_one_by_one(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Any:
        raise DeviceError("cuda:0 has fallen off the bus")

    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "_restored", gone)
        ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert ran.err.count("fallen off the bus") == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
def test_a_pipe_is_not_waited_for(upscale: Run, folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    ran = upscale(folder, "-o", tmp_path / "out")
    assert ran.code == 1
    assert "pipe.png is no regular file" in ran.err
    assert "4 done" in ran.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes")
@pytest.mark.parametrize("flags", [(), ("--plan",)])
def test_a_mask_that_is_a_pipe_is_not_waited_for(
    inpaint: Run, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    photo, masks = save(tmp_path / "a.png"), tmp_path / "masks"
    masks.mkdir()
    os.mkfifo(masks / "a.png")
    ran = inpaint(photo, "-o", tmp_path / "out", "--mask", masks / "a.png", *flags)
    assert ran.code == 2
    one_sentence(ran.err, f"--mask {masks / 'a.png'} is no regular file")
    ran = inpaint(photo, "-o", tmp_path / "out", "--mask", masks, *flags)
    assert ran.code == 1
    assert f"{masks / 'a.png'}, the mask of {photo}, is no regular file" in ran.err + ran.out
    assert tree(tmp_path / "out") == {}


def test_a_picture_above_the_limit_is_refused_by_name(
    upscale: Run, folder: Path, tmp_path: Path
) -> None:
    (folder / "bomb.png").write_bytes(bomb())
    ran = upscale(folder, "-o", tmp_path / "out", "--max-pixels", 20 * 32)
    assert ran.code == 1
    assert "5 found = 3 done + 0 skipped + 2 failed" in ran.err
    assert "bomb.png" in ran.err
    assert "d.png" in ran.err
    assert "640" in ran.err


def test_a_file_above_the_limit_of_bytes_is_not_even_hashed(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed, content = [], stages.content

    def content_and_tell(path: Path, *known: Any) -> Any:
        hashed.append(path.name)
        return content(path, *known)

    monkeypatch.setattr(stages, "content", content_and_tell)
    os.truncate(folder / "b.png", (1 << 28) + 1)
    ran = upscale(folder, "-o", tmp_path / "out", "--max-pixels", 1000)
    assert ran.code == 1
    (told,) = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert "b.png" in told
    assert "268,435,457 bytes and the limit is 268,435,456" in told
    assert "--max-pixels" in told
    assert sorted(tree(tmp_path / "out")) == ["a.png", "c.png", "d.png"]
    assert hashed.count("a.png") == 2  # the source and its result
    assert "b.png" not in hashed


def test_large_pictures_are_read_one_at_a_time(
    upscale: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the limit is low, nothing is read before its predecessor is written; same bytes."""
    upscale(folder, "-o", tmp_path / "whole")
    steps: list[str] = []
    read, append = stages.read, Manifest.append

    def read_and_tell(path: Path, **options: Any) -> Any:
        steps.append(f"read {path.name}")
        return read(path, **options)

    def append_and_tell(self: Any, entry: Any) -> None:
        append(self, entry)
        steps.append(f"made {entry.output}")

    monkeypatch.setattr(stages, "read", read_and_tell)
    monkeypatch.setattr(Manifest, "append", append_and_tell)
    monkeypatch.setattr(attempt, "LARGE", 10)
    assert upscale(folder, "-o", tmp_path / "out").code == 0
    assert steps == [f"{what} {name}" for name in NAMES for what in ("read", "made")]
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
