"""Pictures on cells of several sides: tiles do not show, and a cell begins where the picture does."""

from __future__ import annotations

import pytest
import torch
from engine_rig import NUMBERS, SHIPPED, Rig, awake, need, run

from restorekit.engine.unet import UNetConfig

METHODS = {"faithful": run(start_noise=0.0), "ddim": run("ddim", 2)}
CELLS = UNetConfig(widths=(64,), blocks=(2,), numbers=("scale", "look"), further=(2, 3))


@pytest.mark.parametrize("cell", CELLS.factors)
@pytest.mark.parametrize("method", ["faithful", "ddim"])
def test_tiles_do_not_show_whatever_the_cells(method: str, cell: int) -> None:
    rig = Rig(230, 310, CELLS, torch.float32, radius=None, cell=cell)
    made = rig.restore(rig.engine(), [METHODS[method]])
    for budget, batch in ((1, 3), (150_000, 2), (45_000, 1)):
        cut = rig.restore(rig.engine(budget, batch), [METHODS[method]])
        assert torch.equal(cut, made), f"{int((cut != made).sum())} values at {budget}, {batch}"
    if method == "faithful":  # the network itself on the picture: a cell begins where it does
        rows, columns = rig.height // 12 * 12 - 72, rig.width // 12 * 12 - 72
        given = [image[..., :rows, :columns] for image in (rig.source, rig.concat)]
        network = awake(CELLS, rig.dtype)
        numbers, t = torch.tensor([[NUMBERS["scale"], NUMBERS["look"]]]), torch.ones(1)
        answer = network(None, given[1].to(rig.dtype), t, numbers, cell).float()
        inner = (..., slice(36, rows - 36), slice(36, columns - 36))
        expected = (given[0] + 0.12 * answer)[inner]
        torch.testing.assert_close(made[inner], expected, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("cell", SHIPPED.factors)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("method", ["faithful", "ddim"])
def test_tiles_do_not_show_with_the_shipped_network(
    method: str, dtype: torch.dtype, cell: int
) -> None:
    need(dtype)
    for height, width in ((5, 700), (300, 290)):  # with an edge in every tile, and with corners
        rig = Rig(height, width, SHIPPED, dtype, radius=None, cell=cell)
        made = rig.restore(rig.engine(), [METHODS[method]])
        for budget, batch in ((1, 3), (64 * 512, 1), (90_000, 2)):
            cut = rig.restore(rig.engine(budget, batch), [METHODS[method]])
            assert torch.equal(cut, made), f"{height} x {width} at {budget}, {batch}"
