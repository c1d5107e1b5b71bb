"""`timesteps info` of a forecaster: what it reads and says, and its network as any other's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from timesteps import Forecaster
from timesteps.cli.app import app
from timesteps.inspect.verification import verify
from timesteps.runtime.forecast.summary import forecast_lines, forecast_summary


def test_info_and_verify(tmp_path: Path) -> None:
    y = np.sin(np.arange(120) / 4) + 2
    model = Forecaster(horizon=6, context_length=24, hidden_size=4, epochs=1, season=24, transform="none").fit(y)
    path = tmp_path / "model.safetensors"
    model.save(path)
    text = "\n".join(forecast_lines(model.model_))
    for part in (
        "6 steps (direct)",
        "From 24 steps, 24 at a time; season 24",
        "and 16 more",
        "80 %, 95 %",
        "Trained up to",
    ):
        assert part in text
    found = forecast_summary(model.model_)
    assert found["segment"] == 24 and len(found["share"]) == 6
    shown = CliRunner().invoke(app, ["info", str(path)])
    assert shown.exit_code == 0 and "rnn.l0 (GRU)" in shown.output and "6 steps (direct)" in shown.output
    costs = CliRunner().invoke(app, ["summary", str(path)])
    assert costs.exit_code == 0 and "A step" in costs.output and "6 steps (direct)" in costs.output
    plain = json.loads(CliRunner().invoke(app, ["info", str(path), "--json"]).output)
    assert plain["forecast"]["horizon"] == 6 and plain["layers"]
    assert verify(path).agrees
