from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_samples import cmyk_profile, ramp
from PIL import Image

from restorekit.errors import ImageError, UsageError
from restorekit.images import from_array, probe, read, to_like, write
from restorekit.images.colour import profile_space, srgb_profile


def inks(*amounts: int) -> Image.Image:
    """An even CMYK image, each ink 0 (none) to 255 (full)."""
    return Image.new("CMYK", (8, 8), amounts)


@pytest.mark.user("B12")
@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk_is_converted_by_its_profile(tmp_path: Path, suffix: str) -> None:
    seen = {}
    for name, amounts in {
        "paper": (0, 0, 0, 0),
        "cyan": (255, 0, 0, 0),
        "black": (0, 0, 0, 255),
    }.items():
        path = tmp_path / f"{name}{suffix}"
        inks(*amounts).save(path, icc_profile=cmyk_profile())
        found = read(path)
        assert (found.mode, found.color.shape[2]) == ("CMYK", 3)
        assert "CMYK colours were converted to sRGB" in found.notes[0]
        assert found.metadata.icc == srgb_profile()
        seen[name] = found.color.mean(axis=(0, 1))
    assert seen["paper"].min() > 0.97
    assert seen["black"].max() < 0.05
    red, green, blue = seen["cyan"]
    assert red + 0.2 < green < blue - 0.1


@pytest.mark.user("B12")
def test_cmyk_without_a_profile_is_refused_at_once(tmp_path: Path) -> None:
    inks(10, 20, 30, 0).save(tmp_path / "a.jpg")
    for look in (read, probe):
        with pytest.raises(ImageError, match=r"CMYK without a colour profile.*convert it to RGB"):
            look(tmp_path / "a.jpg")


@pytest.mark.user("B12")
@pytest.mark.parametrize("profile", [b"not a profile", srgb_profile()])
def test_cmyk_with_an_unusable_profile_is_refused(tmp_path: Path, profile: bytes) -> None:
    inks(10, 20, 30, 0).save(tmp_path / "a.tif", icc_profile=profile)
    with pytest.raises(ImageError, match="its colour profile cannot be used"):
        read(tmp_path / "a.tif")


@pytest.mark.user("B12")
def test_a_converted_picture_carries_the_new_profile(tmp_path: Path) -> None:
    Image.fromarray(ramp()).convert("CMYK").save(tmp_path / "a.tif", icc_profile=cmyk_profile())
    write(read(tmp_path / "a.tif"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == "RGB"
        assert profile_space(image.info["icc_profile"]) == "RGB"


def test_the_srgb_profile_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = srgb_profile()
    assert profile_space(first) == "RGB"
    assert first[24:36] == bytes((7, 208, 0, 1, 0, 1)) + bytes(6)
    assert srgb_profile() == first


@pytest.mark.user("B12")
def test_cmyk_in_memory_needs_its_profile_too() -> None:
    image = inks(255, 0, 0, 0)
    with pytest.raises(UsageError, match="must carry its colour profile"):
        from_array(image)
    image.info["icc_profile"] = cmyk_profile()
    found = from_array(image)
    assert found.notes
    back = to_like(found, image)
    assert back.mode == "RGB"
    assert profile_space(back.info["icc_profile"]) == "RGB"
    assert np.asarray(back)[0, 0, 2] > np.asarray(back)[0, 0, 0]
