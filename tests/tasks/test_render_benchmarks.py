"""The programs that train and measure denoise-render, on renders of a few pixels."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from outer_kit import REPOSITORY

from restorekit.engine.denoiser import Preconditioned
from restorekit.engine.path import PATHS
from restorekit.engine.unet import UNetConfig
from restorekit.training import recipe
from restorekit.training.renders import Renders, read_view

sys.path.append(str(REPOSITORY / "benchmarks" / "renders"))

import measure
import tables
import train

RECIPES = REPOSITORY / "plugins" / "render" / "recipes"
SIDE, SAMPLES = 48, (1, 4, 16)


@pytest.fixture
def renders(tmp_path: Path) -> Path:
    """One view in each set, whose noise is exponential light on an albedo of squares."""
    rng = np.random.default_rng(0)
    albedo = np.kron(rng.random((6, 6, 3)), np.ones((8, 8, 1)))
    frames = [albedo * rng.gamma(n, 1 / n, (SIDE, SIDE, 1)) for n in SAMPLES]
    arrays = {
        "color": np.stack(frames),
        "albedo": np.stack([albedo] * len(SAMPLES)),
        "normal": np.zeros((len(SAMPLES), SIDE, SIDE, 3)),
        "samples": np.array(SAMPLES),
        "reference_color": albedo,
    }
    for split in ("train", "validation", "test", "handmade"):
        (tmp_path / split).mkdir()
        np.savez(tmp_path / split / "0000-0.npz", **arrays)  # type: ignore[arg-type]
    return tmp_path


def trainer(name: str) -> Any:
    given = recipe.read(RECIPES / name)
    small = UNetConfig(
        factor=2, widths=(8, 8), blocks=(1, 1), concat=9, numbers=("albedo", "normal")
    )
    given = replace(given, network=small, batch=4, crop=16, warmup=1)
    path = PATHS[given.path](**given.path_parameters)
    return train.RenderTrainer(given, train.plugin.TASK, train.hooks_for(path), torch.device("cpu"))


@pytest.mark.parametrize("name", ["1-faithful.toml", "plain-concatenation.toml"])
def test_both_recipes_are_trained_and_scored(name: str, renders: Path) -> None:
    made = trainer(name)
    corpus = Renders([read_view(renders / "train" / "0000-0.npz")])
    losses = [made.step(corpus)[0] for _ in range(3)]
    assert np.isfinite(losses).all()
    assert all(p.isfinite().all() for p in made.network.parameters())
    assert 5 < made.validate(train.held_back(renders / "validation")) < 60


def test_the_recipes_differ_in_the_path_alone() -> None:
    guided, plain = (
        recipe.read(RECIPES / n) for n in ("1-faithful.toml", "plain-concatenation.toml")
    )
    same = {"path": "edm", "path_parameters": {}, "deviation": 1.0, "quiet_share": 0.0}
    assert replace(guided, **same) == replace(plain, **same)  # type: ignore[arg-type]


def test_plain_concatenation_starts_from_noise_and_has_no_source() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    options = train.plugin.TASK.check_options({})
    conditions = []
    for name in ("flow_from_source", "rectified_flow"):
        hooks = train.hooks_for(PATHS[name]())
        made = hooks.restorekit_prepare({"image": image}, options)
        conditions.append(hooks.restorekit_condition(made, train.Box(0, 0, 16, 16)))
    guided, plain = conditions
    assert not plain.source.any()
    assert torch.equal(plain.concat, guided.concat)
    assert torch.equal(guided.source, guided.concat[:, :3])

    def network(x: torch.Tensor, *_: Any) -> torch.Tensor:
        return x

    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    denoiser = Preconditioned(network, PATHS["rectified_flow"](), 0.5)  # type: ignore[arg-type]
    torch.testing.assert_close(train.first_call(denoiser, plain, noise), 0.5 * noise)


def test_scores_are_written_and_become_a_table(
    renders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perfect(_: Any) -> np.ndarray:
        return np.kron(np.random.default_rng(0).random((6, 6, 3)), np.ones((8, 8, 1))).astype("f4")

    monkeypatch.setattr(measure, "find_spec", lambda _: None)  # LPIPS takes a minute
    chosen = {"noisy": measure.noisy, "restorekit": perfect, "Open Image Denoise": measure.noisy}
    table = list(measure.rows(renders, chosen, SAMPLES))
    assert len(table) == 2 * 3 * 2 * 3  # sets, samples, guides, methods
    measure.write(tmp_path / "renders.json", table)
    found = json.loads((tmp_path / "renders.json").read_text())
    noise = {r["samples"]: r["psnr"] for r in found["means"] if r["method"] == "noisy"}
    assert noise[1] < noise[4] < noise[16]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables.BEGIN}\n{tables.END}\nafter\n")
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "PAGE", page)
    found["packages"]["pyoidn"] = "1"
    (tmp_path / "renders.json").write_text(json.dumps(found))
    tables.main()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    row = next(
        line for line in text.splitlines() if line.startswith("| generated (1) | with | 4 |")
    )
    best = [cell for cell in row.split("|") if "**" in cell]
    assert len(best) == 1
    assert row.index(best[0]) > row.index(f"{noise[4]:.2f}")  # restorekit's, not the noisy one's
