"""The bench of forecasts: what it hands over, what it judges, and what its tables say of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bench.forecast import linear, quality
from bench.forecast.sets import Task
from bench.forecast.tables import FORECAST_TABLES, forecasts, intervals, many, speed
from bench.markdown import UNMEASURED

from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.tasks.forecast.baselines import LastValue


def task(numbers: np.ndarray[Any, Any], start: int, **others: Any) -> Task:
    series = Series(None, np.arange(len(numbers)), numbers.reshape(len(numbers), -1))
    columns = Columns(targets=tuple(f"y{k}" for k in range(series.targets.shape[1])))
    given = {"horizon": 3, "season": 4, "figure": "mse", "starts": (start,)} | others
    return Task("t", "made up", (series,), columns, Frequency("step"), **given)


class Seen:
    """Says the last value, and keeps what it was given."""

    name = "seen"

    def __init__(self) -> None:
        self.given: list[Series] = []

    def forecast(self, series: Any, horizon: int, levels: Any = ()) -> list[Forecast]:
        self.given += series
        ends = [np.repeat(each.targets[-1:], horizon, axis=0) for each in series]
        return [
            Forecast(None, np.arange(horizon), e, levels, np.stack([e - 1, e - 9]), np.stack([e + 1, e + 9]))
            for e in ends
        ]


def test_models_see_nothing_after_their_origins_and_rules_are_judged_on_the_same_windows() -> None:
    numbers = np.random.default_rng(0).normal(size=(60, 2)).cumsum(axis=0)
    one, seen = task(numbers, 40), Seen()
    scores = quality.judged(one, seen, one.windows)
    assert [len(each) for each in seen.given] == list(range(40, 58))
    assert all((each.targets == numbers[: len(each)]).all() for each in seen.given)
    rule = quality.by_rule(one, LastValue(), one.windows)
    assert (scores.mae, scores.mase) == pytest.approx((rule.mae, rule.mase))
    errors = np.abs(np.stack([numbers[o : o + 3] - numbers[o - 1] for o in range(40, 58)]))
    scale = np.abs(numbers[4:40] - numbers[:36]).mean(axis=0)
    assert (rule.mae, rule.mase) == pytest.approx((errors.mean(), (errors / scale).mean()))
    assert scores.intervals[0].coverage == pytest.approx(100 * (errors <= 1).mean())


def test_training_sees_nothing_that_is_judged_and_windows_may_be_short() -> None:
    numbers, seen = np.arange(50.0), Seen()
    one = task(numbers, 30, history=5)
    assert [len(each) for each in one.train] == [30]
    quality.judged(one, seen, one.windows[:4])
    assert [each.targets[:, 0].tolist() for each in seen.given[:2]] == [[25, 26, 27, 28, 29], [26, 27, 28, 29, 30]]


def test_the_linear_model_finds_a_linear_process() -> None:
    random, rises = np.random.default_rng(0), np.zeros((3000, 2))
    for step in range(1, 3000):
        rises[step] = 0.8 * rises[step - 1] + random.normal(size=2)
    numbers = rises.cumsum(axis=0)
    one = task(numbers, 2000, choices={"context_length": 8, "validation": 500.0})
    decay = (0.8 ** np.arange(1, 4)).cumsum()[:, None]
    best = [numbers[o : o + 3] - numbers[o - 1] - decay * rises[o - 1] for o in range(2000, 2998)]
    truth, naive = np.mean(np.square(best)), quality.rules(one)["last value"]["mse"]
    assert 0.98 * truth < linear.measure(one)["mse"] < 1.03 * truth < 0.7 * naive


def entry(group: str, case: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    return {"group": group, "case": case, "measured": measured, "provenance": 0}


def read(results: list[dict[str, Any]]) -> Any:
    machine = {"processor": "P", "cores": 2, "memory_gib": 4.0}
    return lambda name: {"provenances": [{"commit": "c", "machine": machine, "versions": {}}], "results": results}


def seeds(name: str, figure: str, values: list[float], covered: float = 80.0) -> list[dict[str, Any]]:
    held = {level: {"covered": covered, "width": 1.0} for level in ("80", "95")}
    return [
        entry(
            "quality",
            {"task": name, "seed": seed},
            {figure: value, "thinned": {figure: value}, "intervals": held, "training_seconds": 1.0, "windows": 9},
        )
        for seed, value in enumerate(values)
    ]


def rules(name: str, figure: str, **values: float) -> dict[str, Any]:
    return entry("rules", {"task": name}, {key.replace("_", " "): {figure: value} for key, value in values.items()})


def line(text: str, of: str) -> str:
    return next(each for each in text.splitlines() if of in each)


def test_tables_without_results_say_so() -> None:
    for make in FORECAST_TABLES.values():
        assert UNMEASURED in make(lambda name: None)


def test_what_was_not_reached_is_said() -> None:
    stocks = [rules("stocks", "mae", last_value=1.0), *seeds("stocks", "mae", [1.005, 1.012])]
    assert ": reached" in line(forecasts(read(stocks)), "AAPL")
    stocks = [rules("stocks", "mae", last_value=1.0), *seeds("stocks", "mae", [1.005, 1.022])]
    assert "**not reached**" in line(forecasts(read(stocks)), "AAPL")
    ett = [rules("etth1-24", "mse", last_value=1.0), *seeds("etth1-24", "mse", [0.351, 0.35])]
    assert "< 0.35: **not reached**" in line(forecasts(read(ett)), "ETTh1")


def test_autoets_is_compared_at_its_own_origins() -> None:
    found = [rules("case-shiller", "mase", drift=1.5, seasonal_naive=2.0), *seeds("case-shiller", "mase", [1.1])]
    assert line(forecasts(read(found)), "Case-Shiller").count(UNMEASURED) == 2
    for ets, said in ((1.2, ": reached"), (1.0, "**not reached**")):
        peers = entry("peers", {"task": "case-shiller"}, {"AutoETS": {"mase": ets}, "windows": 7})
        assert said in line(forecasts(read([*found, peers])), "Case-Shiller")


def test_coverage_of_every_seed_counts() -> None:
    inside = [rules("bis", "mase", drift=1.0), *seeds("bis", "mase", [0.9], 76.0)]
    assert ": reached" in line(intervals(read(inside)), "BIS")
    outside = [*inside, *seeds("bis", "mase", [0.9], 74.0)]
    assert "**not reached**" in line(intervals(read(outside)), "BIS")


def test_epochs_are_scaled_to_all_windows() -> None:
    ratio = {"median": 2.9, "low": 2.8, "high": 3.1}
    measured = {"seconds": {"native": 1.0, "torch.nn": 2.9}, "ratio": ratio, "rows": 100, "windows": 1000}
    text = speed(read([entry("speed", {"name": "GRU"}, measured)]))
    assert "| GRU | 10.0 | 29.0 | 2.90× (2.80 to 3.10) | ≥ 3×: **not reached** |" in text
    sizes = {"steps": 6, "windows": 5, "seconds": 4.0, "peak_bytes": 2**21, "data_bytes": 2**20}
    assert "| 2,000 | 6 | 5 | 4.0 | 2.00 | 2 | 1.0 |" in many(read([entry("many", {"series": 2000}, sizes)]))
