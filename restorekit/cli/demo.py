"""`restorekit demo`: scikit-image's bundled photographs, made small and upscaled again."""

from __future__ import annotations

from pathlib import Path

import click

from restorekit.cli.paths import PLACE
from restorekit.errors import UsageError

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left")


@click.command(name="demo")
@click.option(
    "-o",
    "--out",
    type=PLACE,
    default=Path("demo"),
    show_default=True,
    help="Folder for the page and the pictures.",
)
def command(out: Path) -> int:
    """Reduce bundled photographs to a quarter, upscale them again, and show before and after.

    Nothing is downloaded. Writes OUT/report.html and the pictures beside it.
    """
    from restorekit import evaluation, plugins
    from restorekit.cli.evaluate import restoring, write_report
    from restorekit.images import from_array, write

    loaded = plugins.load("upscale")
    options = loaded.task.check_options({"scale": 4.0})
    how = {**options, "degradation": "clean"}
    cases = list(evaluation.degraded_cases(photographs(), loaded.hooks, how))
    methods = {"bicubic": evaluation.BASELINES["bicubic"]}
    for look in loaded.task.looks:
        methods[look] = restoring(loaded, options, {"look": look})
    click.echo(f"upscaling {len(cases)} photographs by 4 …", err=True)
    results = evaluation.evaluate(
        cases, methods, ["psnr-y", "ssim-y", "lpips"], scale=4, keep=len(cases)
    )
    for name, shown in results.pictures.items():
        (out / "pictures").mkdir(parents=True, exist_ok=True)
        for method, pixels in shown.items():
            target = out / "pictures" / f"{name}-{method}.png"
            write(from_array(pixels), target, overwrite=True)
    write_report(
        out / "report.html", "restorekit: small photographs, 4 times larger", results, ["bicubic"]
    )
    click.echo(results.table())
    for note in results.not_run:
        click.echo(f"not run: {note}", err=True)
    return 0


def photographs():
    """(name, (H, W, 3) uint8) of photographs that come with scikit-image, cut to multiples of 4."""
    try:
        import skimage
    except ImportError:
        raise UsageError(
            "the demo's photographs come with scikit-image: pip install restorekit[metrics]"
        ) from None
    from restorekit.evaluation import as_rgb
    from restorekit.images import read

    folder = Path(skimage.__file__).parent / "data"
    for name in PHOTOGRAPHS:
        path = next(folder.glob(f"{name}.*"), None)
        if path is None:  # scikit-image keeps some of its photographs for a download
            continue
        pixels = as_rgb(read(path))
        height, width = (side // 4 * 4 for side in pixels.shape[:2])
        yield name, pixels[:height, :width]
