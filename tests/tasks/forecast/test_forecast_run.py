"""Runs of forecasters: the folder, a stopped run that goes on to the same bytes, and errors by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from timesteps import load_forecaster
from timesteps.errors import DataError, UsageError
from timesteps.tasks.forecast.request import ForecastRequest
from timesteps.tasks.forecast.run import run
from timesteps.training.loop import Interrupted
from timesteps.training.progress import SilentProgress

CHOICES: dict[str, Any] = {"horizon": 4, "context_length": 12, "hidden_size": 4, "epochs": 3}


def table(path: Path, months: int = 90, short: int | None = None) -> Path:
    random = np.random.default_rng(0)
    lines = ["month,city,price,rate"]
    for city in ("에이", "b"):
        prices = 100 * np.exp(np.cumsum(random.normal(0.003, 0.01, months)))
        for number in range(short if short is not None and city == "b" else months):
            month = np.datetime64("2015-01") + number
            lines.append(f"{month},{city},{prices[number]:.4f},{number % 5}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def request(path: Path, **changes: Any) -> ForecastRequest:
    values: dict[str, Any] = {
        "data": str(path),
        "target": ("price",),
        "time": "month",
        "group": "city",
        "past": ("rate",),
        "choices": CHOICES,
    }
    return ForecastRequest(**values | changes)


def test_a_run_leaves_everything(tmp_path: Path) -> None:
    heard: list[str] = []
    seen = []

    def judge(found: Any) -> dict[str, Any]:
        seen.append(found)
        return {"verdict": "as good as the drift", "table": ["a table"]}

    folder = tmp_path / "run"
    found = run(request(table(tmp_path / "prices.csv"), test=12), folder, say=heard.append, judge=judge)
    assert {each.name for each in folder.iterdir()} >= {
        "model.safetensors", "log.jsonl", "figures.json", "card.md", "request.json", "checkpoint",
    }  # fmt: skip
    assert found.test == (78, 78) and seen == [found]
    model = load_forecaster(folder, verify=True)
    assert str(model.until)[:7] == "2021-06" and model.forecasting.transform == "log"
    assert model.columns.past == ("rate",) and model.frequency.unit == "month"
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["verdict"] == "as good as the drift" and figures["series"] == 2 and len(figures["sha256"]) == 64
    card = (folder / "card.md").read_text()
    assert "as good as the drift" in card and "a table" in card and "up to 2021-06" in card
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == [1, 2, 3] and log[0]["engine"] in ("native", "torch")
    assert any("engine" in line for line in heard)


def test_the_test_part_changes_nothing(tmp_path: Path) -> None:
    """Whatever happens in the last steps, a model that was not to see them has the same weights."""
    path = table(tmp_path / "prices.csv")
    wild = tmp_path / "wild.csv"
    lines = path.read_text("utf-8").splitlines()
    wild.write_text("\n".join(
        ",".join([*line.split(",")[:2], "1e9", "-7"]) if line[:4] == "2022" else line for line in lines
    ), "utf-8")  # fmt: skip
    models = [run(request(each, test=6), tmp_path / each.stem).model for each in (path, wild)]
    for name, tensor in models[0].tensors.items():
        np.testing.assert_array_equal(tensor, models[1].tensors[name])


class _Stop(SilentProgress):
    """Ctrl-C after an epoch."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def epoch_end(self, logs: Any) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("members", [1, 2])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path, members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path / "prices.csv")
    monkeypatch.chdir(tmp_path)
    asked = request(Path("prices.csv"), choices=CHOICES | {"members": members, "dropout": 0.2})
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(asked, whole)
    with pytest.raises(Interrupted):
        run(asked, parts, progress=_Stop(2 * members - 1))
    with pytest.raises(UsageError, match="holds an unfinished run"):
        run(asked, parts)
    monkeypatch.chdir(parts)
    run(ForecastRequest(), parts, resume=True)
    for name in ("model.safetensors", "log.jsonl"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    path = table(tmp_path / "prices.csv", short=10)
    with pytest.raises(DataError, match=r"prices.csv:92: series b: 10 known steps, and a window"):
        run(request(path), tmp_path / "run")
    with pytest.raises(DataError, match=r"prices.csv: .*no_such"):
        run(request(path, target=("no_such",)), tmp_path / "run")
    with pytest.raises(DataError, match=r"prices.csv:92: series b: 10 known steps, and test keeps 40 of them"):
        run(request(path, test=40), tmp_path / "run")
    with pytest.raises(UsageError, match="test is -1"):
        request(path, test=-1)
    with pytest.raises(UsageError, match="there is no run to resume"):
        run(ForecastRequest(), tmp_path / "nothing", resume=True)
    assert not (tmp_path / "run" / "model.safetensors").exists()
