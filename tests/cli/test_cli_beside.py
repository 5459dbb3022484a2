"""Results of a folder beside their sources: told apart, not taken for sources, gone on with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from outer_kit import Run, noise, notes_of, one_sentence, save, tree

from restorekit.jobs.manifest import is_manifest

SUFFIX = ("--suffix", "_x2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("y.png", "sub/z.png")):
        save(tmp_path / "ph" / name, noise(8, 9, seed=number))
    return tmp_path / "ph"


@pytest.mark.user("B8")
def test_a_folder_may_hold_sources_and_results(upscale: Run, folder: Path) -> None:
    before = tree(folder)
    ran = upscale(folder, "-o", folder, *SUFFIX)
    assert ran.code == 0, ran.err
    names = ["sub/z.png", "sub/z_x2.png", "y.png", "y_x2.png"]
    assert sorted(tree(folder)) == names
    assert before.items() <= tree(folder).items()
    again = upscale(folder, "-o", folder, *SUFFIX)
    assert "2 found = 0 done + 2 skipped + 0 failed" in again.err
    assert f"what earlier runs made in {folder} is not taken as input: 2 files" in notes_of(again)
    save(folder / "new.png")
    (folder / "y_x2.png").unlink()
    more = upscale(folder, "-o", folder, *SUFFIX)
    assert "3 found = 2 done + 1 skipped + 0 failed" in more.err
    assert sorted(tree(folder)) == ["new.png", "new_x2.png", *names]


def test_results_of_another_run_are_no_sources_either(upscale: Run, folder: Path) -> None:
    assert upscale(folder, "-o", folder, *SUFFIX).code == 0
    ran = upscale(folder, "-o", folder, "--suffix", "_half", "--scale", "0.5")
    assert "2 found = 2 done" in ran.err
    assert len(tree(folder)) == 6
    below = upscale(folder / "sub", "-o", folder, *SUFFIX, "--plan")
    assert "1 found = 1 to do" in below.out  # sub/z.png, as z_x2.png


def test_shards_beside_their_sources_make_what_one_run_makes(upscale: Run, folder: Path) -> None:
    for part in ("1/2", "2/2", "1/2"):
        assert upscale(folder, "-o", folder, *SUFFIX, "--shard", part).code == 0
    assert sorted(tree(folder)) == ["sub/z.png", "sub/z_x2.png", "y.png", "y_x2.png"]


def test_a_source_of_a_result_s_name_is_refused_before_any_work(upscale: Run, folder: Path) -> None:
    save(folder / "y_x2.png")
    before = tree(folder)
    ran = upscale(folder, "-o", folder, *SUFFIX, "--overwrite")
    assert ran.code == 2
    one_sentence(ran.err, "y_x2.png is a source and would be overwritten")
    assert tree(folder) == before
    assert not any(is_manifest(path) for path in folder.iterdir())


def test_a_source_by_another_name_is_not_overwritten(upscale: Run, folder: Path) -> None:
    """As on file systems that take `Y.png` for `y.png`, or by a second mount."""
    os.link(folder / "y.png", folder / "other.png")
    before = tree(folder)
    ran = upscale(folder / "y.png", "-o", folder / "other.png", "--overwrite")
    assert ran.code == 1
    assert "y.png itself, by another name; give another -o" in ran.err
    assert tree(folder) == before
    ran = upscale(folder, "-o", folder / ".." / folder.name, "--overwrite")
    assert ran.code == 2
    one_sentence(ran.err, "is input and output at once")


def test_without_a_suffix_it_is_refused_as_before(upscale: Run, folder: Path) -> None:
    ran = upscale(folder, "-o", folder)
    assert ran.code == 2
    one_sentence(ran.err, "input and output at once", "--suffix")
