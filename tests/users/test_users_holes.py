"""H: filling holes, as files and from Python. What needs trained weights waits for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, pixels_of, save
from PIL import Image
from task_kit import blot, inpainted, restorer, texture

from restorekit import plugins

HOLE = blot(70, 90, (20, 30, 18, 25))
KINDS = {"a.png": 3, "a.tif": 3, "grey.png": 1, "clear.png": 4, "a.webp": 3}


@pytest.fixture
def inpaint(run: Run, inpaint_model: Path) -> Run:
    """`restorekit inpaint` with the tiny model."""
    return lambda *arguments: run("inpaint", *arguments, "--model", inpaint_model)


@pytest.fixture
def trained() -> None:
    """Skips while no trained inpainter is installed."""
    if "inpaint" not in plugins.models()[0]:
        pytest.skip("no weights of the inpainter are installed")


@pytest.mark.user("H1")
@pytest.mark.parametrize("tile", [None, 64])
@pytest.mark.parametrize("name", KINDS)
def test_files_without_loss_are_untouched_outside_the_mask(
    inpaint: Run, tmp_path: Path, name: str, tile: int | None
) -> None:
    how = {"lossless": True} if name.endswith("webp") else {}
    before = texture(70, 90, channels=KINDS[name])
    photo = save(tmp_path / name, before, **how)
    mask = save(tmp_path / "mask.png", HOLE.astype(np.uint8) * 255)
    tiled = ["--tile", tile] if tile else []
    ran = inpaint(photo, "--mask", mask, "-o", tmp_path / "out", *tiled)
    assert ran.code == 0, ran.err
    after = pixels_of(tmp_path / "out" / name)
    np.testing.assert_array_equal(after[~HOLE], before[~HOLE])
    assert np.any(after[HOLE] != before[HOLE])


@pytest.mark.user("H2")
@pytest.mark.user("H5")
def test_masks_are_plain_files_one_for_all_or_one_for_each(inpaint: Run, tmp_path: Path) -> None:
    """White is filled; one file for a folder, or a folder of masks paired by name; used again, the
    same mask gives the same bytes."""
    for name in ("a.png", "b.tif"):
        save(tmp_path / "in" / name, texture(70, 90))
    one = save(tmp_path / "one.png", HOLE.astype(np.uint8) * 255)
    for name in ("a.png", "b.png"):
        save(tmp_path / "masks" / name, HOLE.astype(np.uint8) * 255)
    results = {}
    for number, mask in enumerate((one, tmp_path / "masks", one)):
        out = tmp_path / f"out{number}"
        ran = inpaint(tmp_path / "in", "--mask", mask, "-o", out)
        assert ran.code == 0, ran.err
        results[number] = [(out / name).read_bytes() for name in ("a.png", "b.tif")]
    assert results[0] == results[1] == results[2]
    reversed_mask = save(tmp_path / "reversed.png", np.where(HOLE, 0, 255).astype(np.uint8))
    ran = inpaint(tmp_path / "in" / "a.png", "--mask", reversed_mask, "-o", tmp_path / "r.png")
    assert ran.code == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "r.png")[HOLE], texture(70, 90)[HOLE])


@pytest.mark.user("H5")
@pytest.mark.parametrize(
    "given",
    [["alpha"], ["#ff0000", "--grow", 3], ["scratches"], ["mask.png", "--grow", 5]],
    ids=lambda given: given[0],
)
def test_the_mask_in_use_can_be_saved_looked_at_and_used_again(
    inpaint: Run, tmp_path: Path, given: list[str]
) -> None:
    """Wherever it comes from: white is what was filled, black what was not, and from the saved files
    the same seed makes the same pixels again."""
    picture = texture(70, 90, channels=4)
    picture[HOLE] = [255, 0, 0, 0]
    picture[~HOLE, 3] = 255
    folder = tmp_path / "in"
    save(folder / "a.png", picture)
    save(folder / "b" / "c.tif", np.rot90(picture, 2))
    for name, hole in (("a.png", HOLE), ("b/c.png", np.rot90(HOLE, 2))):
        save(tmp_path / "mask.png" / name, hole.astype(np.uint8) * 255)
    mask = [tmp_path / given[0] if given[0].endswith("png") else given[0], *given[1:]]
    ran = inpaint(folder, "--mask", *mask, "-o", tmp_path / "masks", "--save-mask")
    assert ran.code == 0, ran.err
    for out, how in (("out", mask), ("again", [tmp_path / "masks"])):
        ran = inpaint(folder, "--mask", *how, "-o", tmp_path / out, "--seed", 7)
        assert ran.code == 0, ran.err
    for name in ("a.png", "b/c.tif"):
        saved = pixels_of(tmp_path / "masks" / name)
        assert saved[..., 3].min() == 255
        white = (saved[..., :3] == 255).all(2)
        assert (white | (saved[..., :3] == 0).all(2)).all()
        before, first, second = (
            pixels_of(place / name)[..., :3]
            for place in (folder, tmp_path / "out", tmp_path / "again")
        )
        changed = np.any(first != before, axis=2)
        assert not changed[~white].any()
        assert changed[white].mean() > 0.9
        np.testing.assert_array_equal(first, second)


@pytest.mark.user("H5")
def test_a_mask_that_marks_nothing_is_saved_black(inpaint: Run, tmp_path: Path) -> None:
    photo = save(tmp_path / "a.png", np.full((40, 50, 3), 90, np.uint8))
    ran = inpaint(photo, "--mask", "#00ff00", "-o", tmp_path / "mask.png", "--save-mask")
    assert ran.code == 0, ran.err
    assert pixels_of(tmp_path / "mask.png").max() == 0


@pytest.mark.user("H2")
@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_strokes_on_a_clear_layer_are_a_mask(
    inpaint: Run, tmp_path: Path, mode: str, hidden: int
) -> None:
    """As drawing programs save them: white where it shows, and anything where it does not."""
    photo = save(tmp_path / "a.png", texture(70, 90))
    plain = save(tmp_path / "plain.png", HOLE.astype(np.uint8) * 255)
    colour = np.where(HOLE, 255, hidden).astype(np.uint8)
    layers = [*[colour] * (len(mode) - 1), HOLE.astype(np.uint8) * 255]
    drawn = save(tmp_path / "drawn.png", np.dstack(layers))
    for mask in (plain, drawn):
        ran = inpaint(photo, "--mask", mask, "-o", tmp_path / "out" / mask.name)
        assert ran.code == 0, ran.err
    results = [pixels_of(tmp_path / "out" / mask.name) for mask in (plain, drawn)]
    np.testing.assert_array_equal(*results)


@pytest.mark.user("H2")
@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.full((70, 90), 255, np.uint8), "some of it must be known"),
        (np.zeros((60, 90), np.uint8), "--mask-fit"),
    ],
    ids=["all white", "of another size"],
)
def test_a_mask_that_makes_no_sense_is_one_sentence(
    inpaint: Run, tmp_path: Path, mask: np.ndarray, words: str
) -> None:
    photo = save(tmp_path / "a.png", texture(70, 90))
    ran = inpaint(photo, "--mask", save(tmp_path / "mask.png", mask), "-o", tmp_path / "out")
    assert ran.code == 1
    failed = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert words in failed[0], failed
    assert not (tmp_path / "out" / "a.png").exists()


@pytest.mark.user("H3")
def test_a_hole_in_a_large_photograph_is_filled_at_its_own_size(inpaint_model: Path) -> None:
    """To the bit what its surroundings alone would get: nothing is shrunk, and no work is done
    elsewhere."""
    large = np.tile(texture(250, 250), (4, 6, 1))
    top, left = 512, 960  # a multiple of every window, and of the grid of holes
    hole = blot(1000, 1500, (top + 150, left + 160, 30, 40))
    made = restorer("inpaint", inpaint_model, grain=0)  # which is drawn by place
    around = (slice(top, top + 320), slice(left, left + 352))
    whole = inpainted(made, large, hole)
    part = inpainted(made, large[around].copy(), hole[around])
    np.testing.assert_array_equal(whole[around][hole[around]], part[hole[around]])


@pytest.mark.user("H4")
@pytest.mark.parametrize("look", ["sharp", "faithful"])
@pytest.mark.parametrize("grow", [0, 5])
def test_nothing_of_what_is_removed_is_left(inpaint_model: Path, look: str, grow: int) -> None:
    """Whatever lies under the mask, or under what it has grown by, the fill is the same."""
    image, other = texture(70, 90), texture(70, 90)
    rows, columns = np.nonzero(HOLE)
    box = (
        slice(rows.min() - grow, rows.max() + 1 + grow),
        slice(columns.min() - grow, columns.max() + 1 + grow),
    )
    other[box] = [255, 0, 0]
    made = restorer("inpaint", inpaint_model, look=look, grow=grow)
    np.testing.assert_array_equal(inpainted(made, image, HOLE), inpainted(made, other, HOLE))


RAMPS = {"a sky": (6, 4.0), "a steep ramp": (4, 5.0)}
"""Pixels to a level of its steepest channels, and the deviation of its grain."""

CORNERS = [(40, 40), (0, 0), (0, 104), (104, 0), (104, 104)]


def grainy(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A ramp, (128, 128, 3), and a photograph of it with grain."""
    slow, deviation = RAMPS[name]
    rows, columns = np.mgrid[0:128, 0:128]
    ramp = np.dstack([60 + rows / slow, 190 - columns / slow, 90 + (rows + columns) / (2 * slow)])
    grain = np.random.default_rng(1).normal(0, deviation, ramp.shape)
    return ramp, np.clip(np.rint(ramp + grain), 0, 255).astype(np.uint8)


@pytest.mark.user("H6")
@pytest.mark.parametrize("name", RAMPS)
@pytest.mark.parametrize("place", CORNERS)
def test_a_hole_in_a_gradient_is_begun_in_its_colours(
    inpaint_model: Path, place: tuple[int, int], name: str
) -> None:
    """What the network starts from: within 2/255 in the mean of a ramp of 21 or 32 levels over the
    picture, at its corners too, beyond which nothing is known."""
    ramp, image = grainy(name)
    hole = blot(128, 128, (*place, 24, 24))
    fill = inpainted(restorer("inpaint", inpaint_model, strength=0.0), image, hole)
    assert np.abs(fill[hole].mean(0) - ramp[hole].mean(0)).max() <= 2


@pytest.mark.user("H6")
@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("name", RAMPS)
@pytest.mark.parametrize("place", CORNERS)
def test_a_fill_has_the_colour_and_the_grain_of_its_surroundings(
    run: Run, tmp_path: Path, place: tuple[int, int], name: str
) -> None:
    ramp, image = grainy(name)
    hole = blot(128, 128, (*place, 24, 24))
    photo, mask = save(tmp_path / "a.png", image), save(tmp_path / "m.png", hole.astype("u1") * 255)
    assert run("inpaint", photo, "--mask", mask, "-o", tmp_path / "out.png").code == 0
    fill = pixels_of(tmp_path / "out.png").astype(float)
    assert np.abs(fill[hole].mean(0) - ramp[hole].mean(0)).max() <= 2
    assert (fill - ramp)[hole].std() == pytest.approx((image - ramp)[~hole].std(), rel=0.25)


@pytest.mark.user("H7")
def test_nothing_can_be_asked_to_appear(inpaint_model: Path) -> None:
    """No task takes words to draw from, and the faithful fill has no chance in it: every seed gives
    the one answer that its surroundings call for."""
    for name in plugins.tasks():
        task = plugins.load(name).task
        for option in task.options:
            assert not {"prompt", "text", "caption"} & set(option.name.split("_")), option
    image = texture(70, 90)
    fills = [
        inpainted(restorer("inpaint", inpaint_model, look="faithful", seed=seed), image, HOLE)
        for seed in (0, 1, 2)
    ]
    np.testing.assert_array_equal(fills[0], fills[1])
    np.testing.assert_array_equal(fills[0], fills[2])


@pytest.mark.user("H7")
@pytest.mark.usefixtures("trained")
def test_a_removal_beats_a_diffusion_fill(run: Run, tmp_path: Path) -> None:
    """On photographs whose hidden part is known: PSNR in the holes, beside biharmonic equations."""
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    from skimage.restoration import inpaint_biharmonic

    errors: dict[str, list[float]] = {"ours": [], "biharmonic": []}
    for name, corner in (("chelsea", (60, 120)), ("coffee", (120, 220)), ("astronaut", (300, 60))):
        rows, columns = (slice(start, start + 128) for start in corner)
        truth = getattr(data, name)()[rows, columns]
        hole = blot(128, 128, (30, 40, 30, 22), (80, 70, 16, 30))
        photo = save(tmp_path / f"{name}.png", np.where(hole[..., None], 255, truth).astype("u1"))
        mask = save(tmp_path / "masks" / f"{name}.png", hole.astype("u1") * 255)
        out = tmp_path / "out" / f"{name}.png"
        assert run("inpaint", photo, "--mask", mask, "-o", out, "--look", "faithful").code == 0
        smooth = inpaint_biharmonic(truth, hole, channel_axis=2) * 255
        with Image.open(out) as image:
            fills = {"ours": np.asarray(image).astype(float), "biharmonic": smooth}
        for method, fill in fills.items():
            errors[method].append(float(np.mean((fill[hole] - truth[hole]) ** 2)))
    assert np.mean(errors["ours"]) < np.mean(errors["biharmonic"]), errors
