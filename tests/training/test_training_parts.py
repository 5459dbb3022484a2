"""Photographs, drawings and checkpoints."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from training_kit import CPU

from restorekit.errors import ModelError, UsageError
from restorekit.training import checkpoint, photographs
from restorekit.training.drawn import draw_pictures
from restorekit.training.photographs import Corpus


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# photographs


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_pictures_are_found_below_the_folders_and_loaded_as_rgb(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    colour = np.stack([grey, grey + 50, grey + 100], -1)
    save(tmp_path / "b" / "deep" / "grey.PNG", grey)
    save(tmp_path / "a" / "colour.png", colour)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    found = photographs.find([tmp_path / "b", tmp_path / "a"])
    assert [path.name for path in found] == ["colour.png", "grey.PNG"]
    loaded = photographs.load(found)
    assert torch.equal(loaded[0], torch.from_numpy(colour).permute(2, 0, 1))
    assert torch.equal(loaded[1], torch.from_numpy(grey).expand(3, -1, -1))
    with pytest.raises(UsageError, match=r"no pictures under .*empty"):
        photographs.find([tmp_path / "empty"])


def test_pictures_are_loaded_as_the_tasks_read_them(tmp_path: Path) -> None:
    """16 bits are scaled, not cut; a camera's turn is undone; of several frames the first is taken."""
    ramp = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # shown turned a quarter to the right
    flat = Image.fromarray(np.arange(0, 240, 2, dtype=np.uint8).reshape(8, 15))
    flat.save(tmp_path / "turned.png", exif=turned)
    flat.save(
        tmp_path / "moving.webp", save_all=True, append_images=[flat.rotate(180)], lossless=True
    )
    deep, turn, moving = photographs.load(
        [tmp_path / f"{n}" for n in ("deep.png", "turned.png", "moving.webp")]
    )
    assert torch.equal(deep[0], torch.from_numpy(np.rint(ramp / 257.0)).byte())
    assert torch.equal(turn[0], torch.from_numpy(np.rot90(np.asarray(flat), -1).copy()))
    assert torch.equal(moving[0], torch.from_numpy(np.asarray(flat).copy()))
    (tmp_path / "broken.heic").write_bytes(b"no picture")
    told: list[str] = []
    (only,) = photographs.load([tmp_path / "broken.heic", tmp_path / "deep.png"], told.append)
    assert torch.equal(only, deep)
    assert "broken.heic is not a picture" in told[0]
    assert told[0].endswith("; it is left out")


def test_pictures_held_back_spread_over_the_classes() -> None:
    names = [Path(f"{kind}-{i:02}.jpg") for kind in ("cat", "dog", "owl", "yak") for i in range(25)]
    kept, held = photographs.hold_back(names, 8)
    assert len(held) == 8
    assert [path.name[:3] for path in held] == ["cat"] * 2 + ["dog"] * 2 + ["owl"] * 2 + ["yak"] * 2
    assert sorted([*kept, *held]) == names
    for count in range(40):
        kept, held = photographs.hold_back(names[:count], 20)
        assert len(held) == min(20, count // 4)
        assert sorted([*kept, *held]) == names[:count]


def test_crops_come_from_where_the_detail_is() -> None:
    """A picture flat but for its lower right quarter, beside one that is flat altogether."""
    busy = torch.full((3, 256, 256), 128, dtype=torch.uint8)
    busy[:, 128:, 128:] = torch.randint(0, 256, (3, 128, 128), generator=generator()).byte()
    flat = torch.full((3, 256, 256), 128, dtype=torch.uint8)
    data = Corpus.of([flat, busy], 64, CPU)
    crops = data.crops(400, 64, generator(1))
    detailed = (crops - crops.mean((2, 3), keepdim=True)).abs().mean((1, 2, 3)) > 0.05
    by_chance = (4 / 7) ** 2 / 2  # of the grid's corners, those whose crop meets the quarter
    assert float(detailed.float().mean()) > 0.6 > 3 * by_chance
    assert not bool(detailed.all())  # the flat is seen too


def test_a_crop_is_a_piece_of_its_picture_turned_or_mirrored() -> None:
    rows, columns = torch.meshgrid(torch.arange(100), torch.arange(120), indexing="ij")
    picture = torch.stack([rows, columns, torch.zeros_like(rows)]).to(torch.uint8)
    data = Corpus.of([picture], 48, CPU)
    turns = set()
    for crop in data.crops(64, 48, generator(2)):
        pixels = ((crop + 1) * 127.5).round().long()
        top, left = int(pixels[0].min()), int(pixels[1].min())
        piece = picture[:, top : top + 48, left : left + 48].long()
        ways = [
            torch.rot90(piece.flip(-1) if mirrored else piece, quarter, (-2, -1))
            for mirrored in (False, True)
            for quarter in range(4)
        ]
        matching = [i for i, way in enumerate(ways) if torch.equal(way, pixels)]
        assert len(matching) == 1
        turns.add(matching[0])
    assert turns == set(range(8))


def test_all_of_a_picture_is_reached_but_for_a_rim_below_and_right() -> None:
    """Corners lie on a grid of 32 and are moved by up to 16: at most 15 pixels are never seen."""
    rows, columns = torch.meshgrid(torch.arange(100), torch.arange(120), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8)
    crops = Corpus.of([picture], 48, CPU).crops(400, 48, generator(3))
    pixels = ((crops + 1) * 127.5).round()
    assert (int(pixels[:, 0].min()), int(pixels[:, 1].min())) == (0, 0)
    assert int(pixels[:, 0].max()) >= 99 - 15
    assert int(pixels[:, 1].max()) >= 119 - 15


def test_smaller_crops_lie_anywhere_in_what_was_weighed() -> None:
    rows, columns = torch.meshgrid(torch.arange(100), torch.arange(120), indexing="ij")
    picture = torch.stack([rows, columns, rows]).to(torch.uint8)
    data = Corpus.of([picture], 48, CPU)
    pixels = ((data.crops(600, 16, generator(3)) + 1) * 127.5).round()
    assert (int(pixels[:, 0].min()), int(pixels[:, 1].min())) == (0, 0)
    assert int(pixels[:, 0].max()) >= 99 - 15
    assert int(pixels[:, 1].max()) >= 119 - 15


def test_drawn_pictures_get_their_share() -> None:
    photograph = torch.randint(0, 200, (3, 128, 128), generator=generator()).byte()
    drawing = torch.full((3, 128, 128), 255, dtype=torch.uint8)
    data = Corpus.of([photograph], 64, CPU, drawn=[drawing, drawing], drawn_share=0.3)
    crops = data.crops(1000, 64, generator(1))
    share = float((crops == 1).all(1).all(1).all(1).float().mean())
    assert share == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 1000))


def test_pictures_smaller_than_the_crop_are_left_out() -> None:
    small = torch.zeros(3, 40, 200, dtype=torch.uint8)
    large = torch.full((3, 64, 64), 255, dtype=torch.uint8)
    data = Corpus.of([small, large], 64, CPU)
    assert torch.equal(data.crops(20, 64, generator()), torch.ones(20, 3, 64, 64))
    with pytest.raises(UsageError, match="crops of 64"):
        Corpus.of([small], 64, CPU)


# drawings


def test_drawings_are_their_seed_s() -> None:
    one, again, other = (draw_pictures(4, 96, seed) for seed in (1, 1, 2))
    state = random.getstate()
    draw_pictures(1, 32, 5)
    assert random.getstate() == state
    for a, b, c in zip(one, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        assert (a.shape, a.dtype) == ((3, 96, 96), torch.uint8)


def test_drawings_have_hard_edges_but_for_ramps() -> None:
    """What photographs have too little of: steep slopes, and ground without any detail."""
    for number, picture in enumerate(draw_pictures(10, 160, 3)):
        grey = picture.float().mean(0)
        steepest = float(grey.diff(dim=1).abs().flatten().sort().values[-50:].mean())
        assert steepest <= 3 if number % 5 == 2 else steepest > 25


# checkpoints


def tensors() -> dict[str, Tensor]:
    channels_last = torch.randn(4, 3, 3, 3, generator=generator())
    return {
        "a/weight": channels_last.to(memory_format=torch.channels_last),
        "a/step": torch.tensor(3.0),
        "b/half": torch.randn(5, generator=generator(1)).bfloat16(),
    }


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    path, record = tmp_path / "c.safetensors", {"iteration": 3, "text": "ε"}
    checkpoint.save(path, tensors(), record)
    found, again = checkpoint.load(path)
    assert again == record
    assert found.keys() == tensors().keys()
    for name, value in tensors().items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
    assert checkpoint.part("a", found).keys() == {"weight", "step"}
    assert checkpoint.prefixed("x", checkpoint.part("b", found)).keys() == {"x/half"}


def test_a_write_that_fails_leaves_the_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tensors(), {"iteration": 1})

    def fail(state: dict, file: Path, metadata: dict) -> None:
        Path(file).write_bytes(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, tensors(), {"iteration": 2})
    assert checkpoint.load(path)[1] == {"iteration": 1}


def test_damaged_checkpoints_are_told_of_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, tensors(), {"iteration": 1})
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    damaged = [
        b"",
        whole[:5],
        whole[:40],
        whole[:-1],
        whole[: header + 3],
        b"\xff" * 8 + whole[8:],
        whole[:8] + b"\x00" * 20 + whole[28:],
        b"PK\x03\x04 a pickle, say",
        whole.replace(b"iteration", b"itera\\tion"),
    ]
    draw = random.Random(5)
    for _ in range(30):  # flips in the header; those in the data cannot be seen
        place = draw.randrange(header)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    told = []
    for content in damaged:
        path.write_bytes(content)
        try:
            checkpoint.load(path)
        except ModelError as error:
            told.append(str(error))
    assert len(told) >= 9 + 15
    assert all(str(path) in text and "\n" not in text for text in told)
    with pytest.raises(ModelError):
        checkpoint.load(tmp_path / "none.safetensors")


def test_a_model_file_is_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"w": torch.zeros(2)}, path, metadata={"card": "{}"})
    with pytest.raises(ModelError, match="no training checkpoint"):
        checkpoint.load(path)
