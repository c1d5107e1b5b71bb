"""What bench.training compares is the same: the engines, and a model as one writes it with torch.nn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from bench.training.plan import Model
from bench.training.steps import PARITY_STEPS, TOLERANCE, batch_of, contestants, measure
from bench.training.tables import ASKED, TRAINING_TABLES, training_asked, training_steps

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


@pytest.mark.skipif(native.core is None, reason="no compiled core")
def test_forecasters_and_rows_of_different_lengths_take_the_same_steps() -> None:
    numbers = measure(Model("gru", 0, 3, 5, 7, 9), 1, 2)
    assert numbers["errors"].keys() == {"native", "torch engine", "torch, fused Adam"}
    ragged = measure(Model("lstm", 50, 6, 5, 64, 9, bidirectional=True, pool="mean", ragged=True), 1, 2)
    assert ragged["errors"].keys() == {"native", "torch engine"}
    assert max(*numbers["errors"].values(), *ragged["errors"].values()) < TOLERANCE
    assert ragged["ratios"].keys() == {"torch", "torch engine", "torch packed", "torch, fused Adam"}


def test_padding_of_other_libraries_is_zero() -> None:
    model = Model("lstm", 50, 6, 5, 64, 400, ragged=True)
    x, y = batch_of(model)
    assert x.shape == (64, model.lengths().max()) and y.shape == (64,)
    assert [int((row != 0).sum()) for row in x] == model.lengths().tolist()


def entry(group: str, cell: str, ratios: dict[str, float], **more: Any) -> dict[str, Any]:
    case = {**asdict(Model(cell, 500, 16, 8, 32, 100)), "threads": 1, **more}  # type: ignore[arg-type]
    spreads = {name: {"median": ratio, "low": ratio, "high": ratio} for name, ratio in ratios.items()}
    measured = {"seconds": {"native": 2e-4}, "ratios": spreads}
    return {"group": group, "case": case, "measured": measured, "provenance": 0}


def test_the_worst_case_decides_and_peers_share_a_line() -> None:
    found = [
        entry("small", "lstm", {"torch": 7.0}),
        entry("small", "lstm", {"keras": 30.0}, peer="keras", steps=50),
        entry("small", "lstm", {"keras": 19.0}, peer="keras"),
        entry("small", "lstm", {"keras": 17.0}, peer="keras", batch=64),
    ]
    content = {"results": found, "provenances": []}
    asked = training_asked({"training": content}.get)
    assert "| small, lstm, B=32: torch ÷ ours | ≥ 6 | 7 | reached |" in asked
    assert "| small, lstm, B=32: keras ÷ ours | ≥ 20 | 19 | **not reached** |" in asked
    assert "| small, lstm, B=64: keras ÷ ours | ≥ 16 | 17 | reached |" in asked
    steps = training_steps({"training": content}.get)
    assert "| Embedding(500, 16) → LSTM(8), B=32, T=100 | 1 | 0.2 | 7.00 | – | – | – | 19.0 | – | – |" in steps


def test_nothing_measured_is_said() -> None:
    assert training_asked(lambda _: None).count("not measured yet") == len(ASKED)
    assert all("not measured yet" in made(lambda _: None) for made in TRAINING_TABLES.values())
