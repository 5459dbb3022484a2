"""Shards: parts of a run that need nothing of each other and make together what one run makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from outer_kit import Run, noise, save, tree

from restorekit.errors import UsageError
from restorekit.jobs.scan import Shard, Source


def held(names: list[str], count: int) -> list[list[str]]:
    sources = [Source(Path("in") / name, Path(name)) for name in names]
    shards = [Shard(number, count) for number in range(1, count + 1)]
    return [[s.relative.as_posix() for s in sources if shard.holds(s)] for shard in shards]


@pytest.mark.user("F6")
def test_every_picture_is_in_one_shard_whatever_lies_beside_it() -> None:
    names = [f"{folder}/IMG_{number:04}.jpg" for folder in "ab" for number in range(500)]
    for count in (1, 2, 3, 7):
        parts = held(names, count)
        assert sorted(name for part in parts for name in part) == sorted(names)
        assert all(0.75 < len(part) * count / len(names) < 1.25 for part in parts)
        assert all(name in parts[i] for i, p in enumerate(held(names[:100], count)) for name in p)


def test_names_whose_results_might_meet_are_in_one_shard() -> None:
    together = ["a.png", "A.PNG", "a.png.jpg", "a.jpeg", "a.tif.webp"]
    accents = ["ü.png", "u\u0308.png"]
    for count in (2, 5, 9):
        assert len([part for part in held(together, count) if part]) == 1
        assert len([part for part in held(accents, count) if part]) == 1
    assert sum(len(part) > 0 for part in held([f"2020.{n}.png" for n in range(40)], 4)) == 4


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/1e9"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write I/N"):
        Shard.of(text)


@pytest.mark.user("F6")
def test_the_union_of_shards_is_one_run(upscale: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(9):
        save(folder / str(number % 2) / f"{number}.png", noise(10, 12 + number, seed=number))
    save(folder / "same.png", noise(8, 8), format="JPEG")  # becomes same.png.jpg
    (folder / "broken.png").write_bytes(b"no picture")
    whole = upscale(folder, "-o", tmp_path / "whole")
    assert "11 found = 10 done + 0 skipped + 1 failed" in whole.err
    found = done = failed = 0
    for number in (3, 1, 2):
        ran = upscale(folder, "-o", tmp_path / "out", "--shard", f"{number}/3")
        words = ran.err.splitlines()[-1].split()
        found, done, failed = found + int(words[0]), done + int(words[3]), failed + int(words[9])
    assert (found, done, failed) == (11, 10, 1)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    manifests = sorted(path.name for path in (tmp_path / "out").glob("*.jsonl"))
    assert manifests == [f"restorekit-manifest-{n}of3.jsonl" for n in (1, 2, 3)]
    for part in ([], ["--shard", "2/2"]):  # what others have done is known
        ran = upscale(folder, "-o", tmp_path / "out", *part)
        assert " 0 done" in ran.err
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_a_shard_without_pictures_is_done(upscale: Run, tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    rans = [upscale(tmp_path / "in", "-o", tmp_path / "out", "--shard", f"{n}/2") for n in (1, 2)]
    assert [ran.code for ran in rans] == [0, 0]
    assert sorted(ran.err.split()[0] for ran in rans) == ["0", "1"]
