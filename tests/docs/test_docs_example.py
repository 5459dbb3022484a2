"""The example plugin of docs/plugins.md, installed and used as anyone's would be."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import restorekit
import restorekit.cli
from restorekit import api, plugins
from restorekit.metrics import psnr

pytestmark = pytest.mark.usefixtures("example")
skimage = pytest.importorskip("skimage")


def photograph() -> Image.Image:
    """One that the example's network was not trained on."""
    with Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png") as image:
        return image.convert("RGB").crop((96, 64, 256, 192))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["restorekit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        restorekit.cli.main()
    return int(stopped.value.code or 0)


def test_it_is_listed_with_its_summary(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    assert run(monkeypatch, "--help") == 0
    listed = " ".join(capsys.readouterr().out.split())
    assert "dejpeg Take JPEG's blocks out of photographs" in listed
    assert run(monkeypatch, "plugins") == 0
    assert "restorekit-dejpeg 0.1.0  ok" in capsys.readouterr().out


@pytest.mark.user("J7")
@pytest.mark.parametrize("quality", [15, 30])
def test_it_restores_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quality: int
) -> None:
    (tmp_path / "in").mkdir()
    truth = photograph()
    truth.save(tmp_path / "in" / "cat.jpg", quality=quality)
    code = run(
        monkeypatch, "dejpeg", tmp_path / "in", "-o", tmp_path / "out", "--jpeg-quality", quality, "-q",
        "--format", "png",
    )  # fmt: skip
    assert code == 0
    before, after = (
        psnr(np.array(Image.open(path)), np.array(truth))
        for path in (tmp_path / "in" / "cat.jpg", tmp_path / "out" / "cat.png")
    )
    assert after > before + 0.3


@pytest.mark.user("J7")
def test_tiles_do_not_show() -> None:
    pixels = np.array(photograph())
    whole = restorekit.dejpeg(pixels, device="cpu")
    assert np.array_equal(restorekit.dejpeg(pixels, device="cpu", tile=64), whole)
    assert not np.array_equal(whole, pixels)


def test_its_option_changes_the_result_and_is_checked() -> None:
    pixels = np.array(photograph())
    assert not np.array_equal(
        restorekit.dejpeg(pixels, jpeg_quality=10), restorekit.dejpeg(pixels, jpeg_quality=60)
    )
    with pytest.raises(restorekit.UsageError, match="at least 5 and at most 70"):
        restorekit.dejpeg(pixels, jpeg_quality=99)


def test_it_is_scored(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    photograph().save(tmp_path / "cat.png")
    code = run(
        monkeypatch, "evaluate", "dejpeg", "--data", tmp_path, "--metrics", "psnr",
        "--against", "bicubic",
    )  # fmt: skip
    assert code == 0
    assert "faithful" in capsys.readouterr().out


def test_its_weights_have_a_card(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "models", "show", "dejpeg") == 0
    assert '"task": "dejpeg"' in capsys.readouterr().out


def addon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **hooks) -> ModuleType:
    """A module of hooks, installed as an add-on."""
    module = ModuleType("an_addon")
    vars(module).update(hooks)
    monkeypatch.setitem(sys.modules, "an_addon", module)
    record = tmp_path / "an_addon-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: an-addon\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[restorekit.addons]\nan-addon = an_addon\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.listings.cache_clear()
    api._restorer.cache_clear()
    return module


def test_an_addon_wraps_a_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @restorekit.hookimpl(wrapper=True)
    def restorekit_finish(plan, box):
        x0 = yield
        return -x0

    pixels = np.array(photograph())
    plain = restorekit.dejpeg(pixels, device="cpu")
    addon(monkeypatch, tmp_path, restorekit_finish=restorekit_finish)
    turned = restorekit.dejpeg(pixels, device="cpu")
    assert np.abs(plain.astype(int) + turned - 255).max() <= 1


def test_an_addon_answers_before_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @restorekit.hookimpl
    def restorekit_prepare(inputs):
        raise restorekit.UsageError("the add-on was asked first")

    addon(monkeypatch, tmp_path, restorekit_prepare=restorekit_prepare)
    with pytest.raises(restorekit.UsageError, match="asked first"):
        restorekit.dejpeg(np.array(photograph()), seed=5)
