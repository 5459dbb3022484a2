"""`--jump`: steps back with new noise (RePaint), and models of pictures as such, which see no mask."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from outer_kit import Run, card, save
from task_kit import blot, inpainted, restorer, texture, unchanged

from restorekit.engine.path import PATHS
from restorekit.engine.schedules import repaint_times, uniform_times
from restorekit.engine.unet import UNet, UNetConfig
from restorekit.models import store
from restorekit.models.card import Look

HOLE = blot(80, 96, (20, 30, 32, 40))
SPREAD, STEPS = 0.2, 40


@pytest.fixture(scope="session")
def unconditional_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exact model of white pictures: without an answer of the network's, x̂0 = c_skip x_t is the
    posterior mean of N(0, s²)."""
    network = UNet(UNetConfig(factor=2, concat=0, widths=(16,), blocks=(1,), embedding=16))
    path = tmp_path_factory.mktemp("models") / "white.safetensors"
    facts = {"task": "inpaint", "path": "vp", "path_parameters": {}, "deviation": SPREAD}
    looks = {"faithful": Look(sampler="ancestral", steps=STEPS)}
    store.save(path, card(network, **facts, looks=looks), network.state_dict())
    return path


def deviation(jump: int, times: int) -> float:
    """Of what the ancestral sampler makes: each step of it is linear in x, and so is each jump."""
    path, variance = PATHS["vp"](), 1.0
    walk = repaint_times(uniform_times(STEPS), jump=jump, resamples=times)
    for t, s in pairwise(walk):
        (a, _, sigma), (a_s, _, sigma_s) = (tuple(map(float, path.at(each))) for each in (t, s))
        if s > t:
            kept = (a_s / a) ** 2
            variance = kept * variance + sigma_s**2 - kept * sigma**2
            continue
        mean = a * SPREAD**2 / (a**2 * SPREAD**2 + sigma**2)  # of x0, for x = 1
        ratio = (a * sigma_s) ** 2 / (a_s * sigma) ** 2
        fresh = sigma_s**2 * (1 - ratio)
        slope = a_s * mean + (sigma_s**2 - fresh) ** 0.5 * (1 - a * mean) / sigma
        variance = slope**2 * variance + fresh
    return variance**0.5


@pytest.mark.parametrize("jump", ["", "5,3"])
def test_a_model_of_pictures_as_such_fills_from_its_own_distribution(
    unconditional_model: Path, jump: str
) -> None:
    """Whatever lies around the hole, and however often the sampler goes back."""
    image = texture(80, 96)
    image[:, :48] = 250
    fill = inpainted(restorer("inpaint", unconditional_model, grain=0, jump=jump), image, HOLE)
    unchanged(fill, image, HOLE)
    values = torch.from_numpy(fill[HOLE].astype(np.float32)) / 127.5 - 1
    assert abs(float(values.mean())) < 0.02
    expected = deviation(*(int(n) for n in jump.split(","))) if jump else deviation(STEPS, 1)
    assert float(values.std()) == pytest.approx(expected, rel=0.03)
    below, above = fill[30, 31:70].astype(float), fill[31, 31:70].astype(float)
    assert abs(np.corrcoef(below[:, 0], above[:, 0])[0, 1]) < 0.5


@pytest.mark.user("H1")
@pytest.mark.parametrize("look", ["faithful", "sharp"])
def test_known_pixels_stay_and_jumps_matter(inpaint_model: Path, look: str) -> None:
    image = texture(80, 96, "uint16")
    made = {
        jump: inpainted(
            restorer("inpaint", inpaint_model, look=look, steps=6, jump=jump), image, HOLE
        )
        for jump in ("", "2,1", "2,3")
    }
    for fill in made.values():
        unchanged(fill, image, HOLE)
    assert np.any(made["2,3"] != made["2,1"])
    tiled = restorer("inpaint", inpaint_model, look=look, steps=6, jump="2,3", tile=64)
    np.testing.assert_array_equal(inpainted(tiled, image, HOLE), made["2,3"])


@pytest.mark.parametrize(
    ("code", "options", "words"),
    [
        (1, ["--jump", "10,10"], "jumps back after every 10 steps need more steps than that"),
        (1, ["--jump", "3,2", "--steps", 3], "give --steps 15"),
        (2, ["--jump", "ten"], "--jump 'ten': write it as 10,10"),
        (2, ["--jump", "0,5"], "write it as 10,10"),
    ],
)
def test_jumps_that_make_no_sense_are_one_sentence(
    run: Run,
    inpaint_model: Path,
    tmp_path: Path,
    code: int,
    options: list[str | int],
    words: str,
) -> None:
    photo = save(tmp_path / "a.png", texture(80, 96))
    mask = save(tmp_path / "mask.png", HOLE.astype(np.uint8) * 255)
    place = ["-o", tmp_path / "out.png", "--model", inpaint_model]
    ran = run("inpaint", photo, "--mask", mask, *place, *options)
    assert ran.code == code
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out.png").exists()
