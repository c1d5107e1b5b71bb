"""What bench.training compares is the same: the engines, and a model as one writes it with torch.nn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # `bench` is not part of the package

from bench.training.plan import Model
from bench.training.steps import PARITY_STEPS, TOLERANCE, contestants

from timesteps.inspect.speed import on_threads
from timesteps.runtime import native


@pytest.mark.skipif(native.core is None, reason="no compiled core")
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("bidirectional", "pool"), [(False, "last"), (True, "mean")])
def test_all_contestants_take_the_same_steps(cell: Any, bidirectional: bool, pool: Any) -> None:
    model = Model(cell, 50, 6, 5, 7, 9, bidirectional=bidirectional, pool=pool)
    with on_threads(1):
        losses = {name: [step() for _ in range(PARITY_STEPS)] for name, step in contestants(model, 1).items()}
    assert losses.keys() == {"native", "torch engine", "torch", "torch, fused Adam"}
    for name, each in losses.items():
        np.testing.assert_allclose(each, losses["torch"], atol=TOLERANCE, err_msg=name)
