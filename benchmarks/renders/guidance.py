"""Noisy-image guidance against plain concatenation, on the test renders.

    python benchmarks/renders/guidance.py RENDERS GUIDED.safetensors PLAIN.safetensors

The models are of the same network, batches and iterations (plugins/render/recipes/1-faithful.toml
and plain-concatenation.toml): for one the noisy render is where the path begins, for the other
the path begins with noise and the noisy render is concatenated, as it is for both. One call each.
Writes benchmarks/results/guidance.json. The protocol is that of measure.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measure
import numpy as np
import torch
import train

from restorekit.models import store

RESULT = measure.RESULTS / "guidance.json"


def method(path: Path) -> measure.Method:
    """A model's first call, in float32."""
    denoiser = store.load(path).denoiser(torch.device("cpu"), torch.float32)

    @torch.no_grad()
    def work(inputs: measure.Inputs) -> np.ndarray:
        tensors = {name: train.tensor(image) for name, image in inputs.items()}
        return train.planes(train.denoised(denoiser, tensors))

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("renders", type=Path)
    parser.add_argument("guided", type=Path)
    parser.add_argument("plain", type=Path)
    given = parser.parse_args()
    chosen = {
        "noisy-image guidance": method(given.guided),
        "plain concatenation": method(given.plain),
    }
    table = list(measure.rows(given.renders, chosen, measure.SAMPLES))
    print("\n".join(measure.summary(table)))
    measure.write(RESULT, table)


if __name__ == "__main__":
    main()
