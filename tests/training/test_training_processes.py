"""Several batches to a step, in one process and shared out among two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from training_kit import CELLS, assert_same, corpus, recipe, sharp, trainer

from restorekit.errors import UsageError
from restorekit.training import checkpoint, processes

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
torch.set_num_threads(1)
from training_kit import CELLS, corpus, recipe, trainer
from restorekit.training import processes
from restorekit.training.trainer import run
processes.join()
assert processes.count() == 2
made = trainer(recipe(accumulate=2, iterations=3, **(CELLS if sys.argv[3] == "cells" else {})))
run(made, corpus(), [], Path(sys.argv[2]), report_every=1)
made.save(Path(sys.argv[2]) / f"rank{processes.rank()}.safetensors")
"""


def test_a_step_s_gradient_is_the_mean_over_its_batches() -> None:
    made, data = trainer(recipe(accumulate=3, clip=1e9)), corpus()
    gradients = []
    for part in range(3):
        alone = trainer(recipe(accumulate=3))
        alone._loss(data, part)[0].backward()
        gradients.append([p.grad for p in alone.network.parameters() if p.grad is not None])
    made.step(data)
    held = [p.grad for p in made.network.parameters() if p.grad is not None]
    assert len(held) == len(gradients[0])
    for found, *parts in zip(held, *gradients, strict=True):
        torch.testing.assert_close(found, sum(parts) / 3, rtol=1e-3, atol=3e-5)
    # Each part is a batch of its own. (An untrained tail is nought: nothing else has a gradient yet.)
    tail = [name for name, _ in made.network.named_parameters()].index("tail.weight")
    assert not torch.equal(gradients[0][tail], gradients[1][tail])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the processes have: how a gradient's parts add up depends on the number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("network", ["plain", "cells"])
def test_two_processes_do_what_one_does(network: str, tmp_path: Path) -> None:
    """Also where each of them has a batch for another first and last layer."""
    kit = str(Path(__file__).parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [*command, str(script), kit, str(tmp_path), network],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (checkpoint.load(tmp_path / f"rank{n}.safetensors")[0] for n in (0, 1))
    assert_same(first, second)
    one = trainer(recipe(accumulate=2, iterations=3, **(CELLS if network == "cells" else {})))
    for _ in range(3):
        one.step(corpus())
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(first[f"network/{name}"], value, rtol=1e-3, atol=1e-5)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert len(rows) == 4  # written once, by the first process


def test_batches_that_cannot_be_shared_evenly_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(processes, "rank", lambda: 1)
    assert list(processes.share(6)) == [1, 3, 5]
    with pytest.raises(UsageError, match=r"accumulate is 3, which 2 processes"):
        processes.share(3)


def test_the_perceptual_phase_takes_one_batch() -> None:
    with pytest.raises(UsageError, match="one batch to a step"):
        sharp(accumulate=2)
