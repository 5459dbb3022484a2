"""B, C, D: colours of wide gamuts, long runs, and memory that is scarce."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from outer_kit import Run, noise, pixels_of, python, save
from PIL import Image, ImageCms

WHITE_D50 = (0.9642, 1.0, 0.8249)
GAMUTS = {
    "Display P3": np.array(
        [
            [0.51512, 0.29198, 0.15710],
            [0.24120, 0.69225, 0.06657],
            [-0.00105, 0.04189, 0.78407],
        ]
    ),
    "Adobe RGB": np.array(
        [
            [0.60974, 0.20528, 0.14919],
            [0.31111, 0.62567, 0.06322],
            [0.01947, 0.06087, 0.74457],
        ]
    ),
}
"""Name → matrix of linear RGB to XYZ under D50, as the profiles of these names hold it."""
GAMMA = 563 / 256


def profile(name: str) -> bytes:
    """A v2 matrix profile (ICC.1:2001, 6.3.1.2) of a gamut, of one gamma in all channels."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}l", *(round(v * 65536) for v in values))

    text = name.encode() + b"\0"
    described = b"desc" + bytes(4) + struct.pack(">L", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"wtpt": b"XYZ " + bytes(4) + fixed(*WHITE_D50)}
    for column, channel in enumerate("rgb"):
        tags[f"{channel}XYZ".encode()] = b"XYZ " + bytes(4) + fixed(*GAMUTS[name][:, column])
        curve = b"curv" + bytes(4) + struct.pack(">LH", 1, round(GAMMA * 256))
        tags[f"{channel}TRC".encode()] = curve
    table, body, start = struct.pack(">L", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sLL", tag, start + len(body), len(data))
        body += data
    header = struct.pack(
        ">L4sL4s4s4s", start + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ "
    )
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*WHITE_D50)
    return header.ljust(128, b"\0") + table + body


def chart(side: int = 24) -> np.ndarray:
    """(H, W, 3) uint8: 24 patches, six to a row: primaries, secondaries, greys and mixtures."""
    corners = [(255 * (i >> 2 & 1), 255 * (i >> 1 & 1), 255 * (i & 1)) for i in range(8)]
    greys = [(v, v, v) for v in (30, 70, 120, 170, 220)]
    mixed = np.random.default_rng(3).integers(20, 236, (11, 3)).tolist()
    patches = np.array([*corners, *greys, *mixed], np.uint8).reshape(4, 6, 3)
    return patches.repeat(side, 0).repeat(side, 1)


def lab(values: np.ndarray, gamut: str) -> np.ndarray:
    """CIE L*a*b* under D50 of (N, 3) in [0, 255], encoded as the gamut's profile says."""
    xyz = (values / 255) ** GAMMA @ GAMUTS[gamut].T / WHITE_D50
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def middles(pixels: np.ndarray, side: int) -> np.ndarray:
    """(24, 3): the mean of the inner half of each patch."""
    grid = pixels.reshape(4, side, 6, side, 3).astype(float)
    inner = slice(side // 4, side - side // 4)
    return grid[:, inner, :, inner].mean((1, 3)).reshape(24, 3)


@pytest.mark.user("B2")
@pytest.mark.parametrize("gamut", GAMUTS)
@pytest.mark.parametrize(("task", "scale"), [("upscale", 2), ("denoise", 1)])
def test_a_chart_of_a_wide_gamut_keeps_its_colours(
    run: Run, tmp_path: Path, gamut: str, task: str, scale: int
) -> None:
    """As the embedded profile shows them, with the shipped weights: mean ΔE2000 of at most 1."""
    colour = pytest.importorskip("skimage.color", reason="scikit-image has ΔE2000")
    icc = profile(gamut)
    ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    for suffix in (".png", ".tif", ".jpg"):
        photo = save(tmp_path / f"chart{suffix}", chart(), icc_profile=icc)
        out = tmp_path / task / f"chart{suffix}"
        sized = ["--scale", scale] if task == "upscale" else []
        assert run(task, photo, "-o", out, *sized).code == 0
        with Image.open(out) as result:
            assert result.info["icc_profile"] == icc
        before, after = middles(pixels_of(photo), 24), middles(pixels_of(out), 24 * scale)
        difference = colour.deltaE_ciede2000(lab(before, gamut), lab(after, gamut))
        assert difference.mean() <= 1, (suffix, difference.round(2))


LONG_RUN = """
from pathlib import Path
from restorekit import plugins
from restorekit.jobs import run as jobs, scan
from restorekit.jobs.settings import Settings

source, out = Path({folder!r}), Path({out!r})
loaded = plugins.load("upscale")
settings = Settings.of(loaded.task, {{"model": {model!r}}})
restorer = jobs.Restorer(loaded, {{"scale": 2.0}}, settings)
resident = {{}}

def tell(step):
    if step.share == 1.0:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.setdefault(step.number, pages)

targets = scan.targets(scan.scan([source], out), out, "keep")
report = jobs.run(restorer, targets, out, tell=tell)
print(report.done, resident[20], resident[200])
"""


@pytest.mark.user("C4")
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell")
def test_memory_after_200_pictures_is_that_after_20(tmp_path: Path, model: Path) -> None:
    first = save(tmp_path / "in" / "000.png", noise(64, 96)).read_bytes()
    for number in range(1, 200):
        (tmp_path / "in" / f"{number:03}.png").write_bytes(first)
    places = {"folder": str(tmp_path / "in"), "out": str(tmp_path / "out"), "model": str(model)}
    ran = python(LONG_RUN.format(**places))
    assert ran.returncode == 0, ran.stderr
    done, early, late = (int(word) for word in ran.stdout.split())
    assert done == 200
    assert late <= 1.05 * early, (early, late)


CAPPED = """
import resource, sys
import numpy, torch  # what is loaded is not what is asked for
from restorekit.cli import main
resource.setrlimit(resource.RLIMIT_DATA, ({bytes}, {bytes}))
sys.argv = ["restorekit", *{arguments!r}]
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def in_4_gib(*arguments: object) -> None:
    """A command that succeeds where the system gives no more."""
    code = CAPPED.format(bytes=4 << 30, arguments=[str(argument) for argument in arguments])
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[-1]) < 4 << 30


@pytest.mark.user("D1")
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory is Linux's")
def test_24_megapixels_fit_in_4_gib_with_no_option_given(
    tmp_path: Path, denoise_model: Path
) -> None:
    """Linux refuses to give more; the small network keeps the test short."""
    photo = save(tmp_path / "a.jpg", np.tile(noise(250, 250), (16, 24, 1)))
    out = tmp_path / "out.jpg"
    in_4_gib("denoise", photo, "-o", out, "--model", denoise_model)
    with Image.open(out) as result:
        assert result.size == (6000, 4000)


@pytest.mark.user("H3")
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit on memory is Linux's")
def test_a_hole_in_24_megapixels_is_filled_in_4_gib(tmp_path: Path, inpaint_model: Path) -> None:
    """At the photograph's own size, and nothing else is touched."""
    before, hole = np.tile(noise(250, 250), (16, 24, 1)), np.zeros((4000, 6000), bool)
    hole[1000:1040, 2000:2030] = True
    photo, mask = save(tmp_path / "a.png", before), save(tmp_path / "mask.png", hole)
    out = tmp_path / "out.png"
    in_4_gib("inpaint", photo, "--mask", mask, "-o", out, "--model", inpaint_model)
    changed = np.any(pixels_of(out) != before, axis=2)
    assert not changed[~hole].any()
    assert changed[hole].mean() > 0.9


PEAK = """
import gc, resource, sys
import numpy as np
import restorekit

def restored(side, **options):
    return restorekit.upscale(np.zeros((side, side, 1), np.uint8), scale=1, model={model!r}, **options)

restored(64, tile=256)
for side in (512, 1024, 2048):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    restored(side, tile=256)
    gc.collect()
    print(side, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.user("D5")
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted as Linux does")
def test_memory_beside_the_picture_is_that_of_a_tile(model: Path) -> None:
    """From ¼ to 4 megapixels the peak grows by the picture's own arrays and nothing else: a grey
    picture in and out, as samples and as the three float32 channels that tasks see."""
    ran = python(PEAK.format(model=str(model)))
    assert ran.returncode == 0, ran.stderr
    grown = {int(a): 1024 * int(b) for a, b in (line.split() for line in ran.stdout.splitlines())}
    for side, more in grown.items():
        if side > 512:
            assert more <= 24 * side**2, grown
