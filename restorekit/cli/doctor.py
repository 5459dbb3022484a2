"""`restorekit doctor`: what is here, and a small job on each device."""

from __future__ import annotations

import platform
import time

import click

from restorekit.errors import RestoreError


@click.command(name="doctor")
def command() -> int:
    """Show versions, devices and memory, and restore a small picture on each device."""
    import numpy as np
    import torch

    import restorekit
    from restorekit import device as devices
    from restorekit import plugins

    click.echo(f"restorekit {restorekit.__version__}, Python {platform.python_version()}")
    click.echo(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.platform()}"
    )
    failed = 0
    for kind in devices.KINDS:
        if not devices.available(kind):
            click.echo(f"{kind:5} not here")
            continue
        device = devices.choose(kind)
        memory = devices.memory(device)
        room = (
            f", {memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free" if memory else ""
        )
        numbers = str(devices.precision(device)).removeprefix("torch.")
        try:
            started = time.perf_counter()
            _try(kind, np.random.default_rng(0))
            state = f"works ({time.perf_counter() - started:.1f} s for a first small picture)"
        except (RestoreError, RuntimeError) as error:
            failed += 1
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            state = f"fails: {reason}; use another --device, or a torch build for this card"
        click.echo(f"{kind:5} {numbers}{room}: {state}")
    for listing in plugins.listings():
        try:
            plugins.check(listing)
        except RestoreError as error:
            failed += 1
            click.echo(f"plugin: {error}")
    return int(failed > 0)


def _try(kind: str, random) -> None:
    """Upscale noise and compare with the processor's result; DeviceError where they differ."""
    import numpy as np

    from restorekit.api import task_function
    from restorekit.errors import DeviceError

    upscale = task_function("upscale")
    picture = random.random((48, 64, 3), dtype=np.float32)
    result = upscale(picture, scale=2.0, device=kind)
    expected = upscale(picture, scale=2.0, device="cpu")
    if not np.abs(result - expected).max() < 8 / 255:
        raise DeviceError("its result differs from the processor's by more than 8/255")
