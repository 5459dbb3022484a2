"""Which image goes with a picture: by its name, whatever its ending, as the folder is at that moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from restorekit.errors import ImageError
from restorekit.jobs import companions
from restorekit.jobs.scan import Source


def test_an_image_is_found_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """A folder is listed once; what comes or goes is seen, even where the folder's time says nothing."""
    masks = tmp_path / "masks"
    (masks / "sub").mkdir(parents=True)
    source = Source(Path("photos/sub/a.jpg"), Path("sub/a.jpg"))

    def found() -> Path:
        return companions.of(source, {"mask": masks})["mask"]

    with pytest.raises(ImageError, match=r"a\.jpg has no mask: there is no .*a\.\*"):
        found()
    times = (masks / "sub").stat()
    (masks / "sub" / "a.png").touch()
    os.utime(masks / "sub", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found() == masks / "sub" / "a.png"
    (masks / "sub" / "a.txt").touch()
    (masks / "sub" / "ab.png").touch()
    assert found() == masks / "sub" / "a.png"
    (masks / "sub" / "a.tif").touch()
    with pytest.raises(ImageError, match=r"its mask could be a\.png and a\.tif"):
        found()
    (masks / "sub" / "a.jpg").touch()  # the very name
    assert found() == masks / "sub" / "a.jpg"


def test_a_folder_is_not_listed_for_every_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").touch()
    listed = []
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, p: listed.append(self) or glob(self, p))
    for number in range(20):
        source = Source(Path(f"{number}.jpg"), Path(f"{number}.jpg"))
        assert companions.of(source, {"mask": tmp_path})["mask"].stem == str(number)
    assert len(listed) == 1
