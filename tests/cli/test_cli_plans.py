"""--plan says which files would fail, as far as headers and options tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from outer_kit import Run, hole, noise, one_sentence, save, tree
from PIL import Image

FAILS = {
    "a mask of another size": (
        ("--mask", "small.png"),
        "the mask is 24 x 12 and the picture 24 x 16",
    ),
    "no mask of its name": (("--mask", "masks"), "has no mask"),
    "a mask that is no picture": (("--mask", "text.png"), "text.png is not a picture"),
    "too few steps to jump": (("--mask", "mask.png", "--jump", "10,10"), "give --steps 50"),
    "no transparency": (("--mask", "alpha"), "the picture has no transparency"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a picture and masks."""
    save(tmp_path / "a.png")
    hole(tmp_path / "mask.png")
    hole(tmp_path / "small.png", 12)
    (tmp_path / "masks").mkdir()
    (tmp_path / "text.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.user("C10")
@pytest.mark.parametrize("case", FAILS)
def test_what_would_fail_fails_in_the_plan(inpaint: Run, here: Path, case: str) -> None:
    flags, word = FAILS[case]
    before = tree(here)
    ran = inpaint("a.png", "-o", "out", *flags, "--plan")
    assert ran.code == 1, ran.out
    assert "1 found = 0 to do + 0 skipped + 1 that fail" in ran.out
    first = ran.out.splitlines()[0]
    one_sentence(first, "a.png", word)
    assert tree(here) == before
    done = inpaint("a.png", "-o", "out", *flags)
    assert done.code == 1
    assert f"failed: {first}" in done.err


@pytest.mark.parametrize("plan", [(), ("--plan",)])
@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--mask", "mask.png", "--jump", "10"), "--jump '10'"),
        (("--expand", "up=3"), "--expand 'up=3'"),
        ((), "inpaint needs --mask or --expand"),
    ],
)
def test_options_are_looked_at_before_any_picture(
    inpaint: Run, here: Path, flags: tuple[str, ...], word: str, plan: tuple[str, ...]
) -> None:
    before = tree(here)
    ran = inpaint("a.png", "-o", "out", *flags, *plan)
    assert ran.code == 2
    one_sentence(ran.err, word)
    assert tree(here) == before


@pytest.mark.parametrize(
    "flags",
    [
        ("--mask", "mask.png"),
        ("--mask", "mask.png", "--grow", 9),
        ("--mask", "small.png", "--mask-fit"),
        ("--mask", "scratches"),
        ("--mask", "#ff00ff"),
        ("--expand", "left=4,top=2"),
    ],
)
def test_what_would_be_done_is_done_in_the_plan(
    inpaint: Run, here: Path, flags: tuple[object, ...]
) -> None:
    ran = inpaint(here / "a.png", "-o", "out", *flags, "--plan")
    assert ran.code == 0, ran.out
    assert "time: unknown" in ran.out  # it goes with the holes
    assert inpaint(here / "a.png", "-o", "out", *flags).code == 0
    size = re.search(r"→ (\d+) x (\d+) pixels", ran.out)
    with Image.open(here / "out" / "a.png") as made:
        assert size
        assert made.size == (int(size[1]), int(size[2]))


def test_a_hole_in_the_opacity_needs_no_pixels(inpaint: Run, here: Path) -> None:
    save(here / "b.png", noise(16, 24, 4))
    ran = inpaint("b.png", "-o", "out", "--mask", "alpha", "--plan")
    assert ran.code == 0, ran.out
    assert "24 x 16 pixels, 1 call of" in ran.out  # alpha is not restored by itself


def test_calls_are_those_of_the_jumps(inpaint: Run, here: Path) -> None:
    flags = ("--mask", "mask.png", "--steps", "4")
    plain, jumping = (
        inpaint("a.png", "-o", "out", *flags, *jump, "--plan").out
        for jump in ((), ("--jump", "1,3"))
    )
    assert "4 calls of the network" in plain.splitlines()[0]
    # Steps after which it goes back twice: 3. No call is needed to go back: 4 + 2 · 3.
    assert "10 calls of the network" in jumping.splitlines()[0]


@pytest.mark.parametrize(
    ("flags", "word"), [(("--input-scale", "foo"), "'foo'"), (("--layer", "nope"), "'nope'")]
)
def test_options_of_renders_are_looked_at(
    denoise_render: Run, here: Path, flags: tuple[str, ...], word: str
) -> None:
    ran = denoise_render(here / "a.png", "-o", "out", "--ldr", *flags, "--plan")
    assert ran.code == 1
    one_sentence(ran.out.splitlines()[0], "a.png", word)


def test_layers_of_a_render_are_looked_for(denoise_render: Run, here: Path) -> None:
    OpenEXR = pytest.importorskip("OpenEXR")
    values = noise().astype("float32") / 255
    channels = {f"{n}.{c}": values[..., i].copy() for n in "AB" for i, c in enumerate("RGB")}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(here / "a.exr"))
    for layer, code in (("A", 0), ("nope", 1)):
        ran = denoise_render("a.exr", "-o", "out", "--layer", layer, "--plan")
        assert ran.code == code, ran.out


@pytest.mark.parametrize(
    ("source", "out", "word"),
    [
        ("moving.gif", "x.jpg", "has 3 frames and JPEG holds one picture"),
        ("pages.tif", "x.jpg", "has 3 pages and JPEG holds one picture"),
        ("pages.tif", "x.png", "are no frames of a moving PNG"),
        ("moving.gif", "x.webp", ""),
        ("pages.tif", "x.tif", ""),
    ],
)
def test_a_format_of_one_picture_is_told_before_any_work(
    upscale: Run, here: Path, source: str, out: str, word: str
) -> None:
    frames = [Image.fromarray(noise(8, 9, seed=n)) for n in range(3)]
    frames[0].save(here / source, save_all=True, append_images=frames[1:])
    planned = upscale(source, "-o", out, "--plan")
    done = upscale(source, "-o", out)
    assert (planned.code, done.code) == (int(bool(word)),) * 2
    assert word in planned.out
    assert word in done.err


def test_a_result_too_large_for_its_format_fails_in_the_plan(upscale: Run, here: Path) -> None:
    save(here / "long.png", noise(4, 1100))
    ran = upscale("long.png", "-o", "x.webp", "--scale", 15, "--plan")
    assert ran.code == 1
    one_sentence(ran.out.splitlines()[0], "WEBP holds at most 16,383 pixels a side")
