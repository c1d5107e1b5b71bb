"""`Forecaster` and `fit_series`: what can be learned is learned, what cannot is the base, and bad series are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from timesteps import Forecaster, load_forecaster
from timesteps.errors import DataError, UsageError
from timesteps.runtime.forecast.panel import Panel
from timesteps.runtime.forecast.windows import rows_of
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.tasks.forecast.calibrating import fit_share
from timesteps.tasks.forecast.choices import choose
from timesteps.tasks.forecast.examples import WindowExamples, in_memory
from timesteps.tasks.forecast.fitting import fit_series
from timesteps.tasks.forecast.preparing import prepare
from timesteps.training import batches

SMALL: dict[str, Any] = {"horizon": 6, "context_length": 12, "season": 6, "hidden_size": 8, "epochs": 2, "base": "last"}


def waves(count: int = 3, steps: int = 120, noise: float = 0.05) -> list[Series]:
    random = np.random.default_rng(0)
    t = np.arange(steps)
    found = []
    for k in range(count):
        y = (k + 1) * (2 + np.sin(2 * np.pi * (t + k) / 6) + noise * random.normal(size=steps))
        found.append(Series(f"s{k}", t, y[:, None] - 2))
    return found


def fitted(series: list[Series], **choices: Any) -> Any:
    columns = Columns(("y",), None, "g" if series[0].name else None)
    return fit_series(series, columns, Frequency("step"), choose(**SMALL | choices))


def test_what_can_be_learned_is_learned() -> None:
    found = fitted(waves(noise=0.0), epochs=40, learning_rate=0.01, transform="none")
    assert found.figures["share"][0] > 0.9
    one = waves(1, 126, 0.0)[0]
    forecast = found.model.forecast([one.until(120)], 6, (80,))[0]
    truth = one.targets[120:]
    assert np.abs(forecast.mean - truth).mean() < 0.3 * np.abs(one.targets[119] - truth).mean()


def test_where_nothing_can_be_learned_the_forecast_is_the_base() -> None:
    random = np.random.default_rng(1)
    walks = [Series(str(k), np.arange(300), random.normal(size=(300, 1)).cumsum(axis=0)) for k in range(4)]
    found = fitted(walks, epochs=3, transform="none")
    mean = np.mean(found.figures["share"])
    assert mean < 0.35
    for each, forecast in zip(walks, found.model.forecast(walks, 6), strict=True):
        assert np.abs(forecast.mean - each.targets[-1]).max() < 0.7  # of steps with deviation 1


def test_intervals_cover_walks() -> None:
    random = np.random.default_rng(2)
    walks = [Series(str(k), np.arange(260), random.normal(size=(260, 1)).cumsum(axis=0)) for k in range(30)]
    found = fitted([each.until(250) for each in walks], epochs=1, transform="none").model
    forecasts = found.forecast([each.until(250) for each in walks], 6, (80,))
    inside = [
        (forecast.lower[0] <= each.targets[250:256]) & (each.targets[250:256] <= forecast.upper[0])
        for each, forecast in zip(walks, forecasts, strict=True)
    ]
    assert 0.65 < np.mean(inside) < 0.93


def test_same_seed_same_bits_and_engines_agree() -> None:
    a, b, c = (fitted(waves(), random_state=seed).model.forecast(waves(), 6, (80,)) for seed in (1, 1, 2))
    assert all(np.array_equal(x.mean, y.mean) and np.array_equal(x.lower, y.lower) for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0].mean, c[0].mean)
    torch = fitted(waves(), random_state=1, engine="torch").model.forecast(waves(), 6, (80,))
    np.testing.assert_allclose(torch[0].mean, a[0].mean, rtol=2e-3)


def test_windows_read_in_blocks_are_those_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights, however many windows of rows memory has room for."""
    columns, frequency = Columns(("y",)), Frequency("step")
    prepared, _ = prepare(waves(steps=400), columns, frequency, choose(**SMALL), lambda line: None)
    rows = WindowExamples(
        prepared.spec, "quantile", prepared.panel, prepared.train, prepared.mean, prepared.scale, prepared.unit
    )
    whole, part = rows.take(np.arange(len(rows))), rows.read([2, 0])
    np.testing.assert_array_equal(part.targets, np.concatenate([whole.targets[128:192], whole.targets[:64]]))
    assert rows.steps == whole.steps and rows.step_bytes == whole.step_bytes
    monkeypatch.setattr(batches, "WINDOW", rows.steps * rows.step_bytes // 4)
    monkeypatch.setattr("timesteps.tasks.forecast.examples.WINDOW", rows.steps * rows.step_bytes + 1)
    assert in_memory(rows) is not rows
    a = fitted(waves(steps=400))
    monkeypatch.setattr("timesteps.tasks.forecast.examples.WINDOW", 1)
    b = fitted(waves(steps=400))
    for name, tensor in a.model.tensors.items():
        np.testing.assert_array_equal(tensor, b.model.tensors[name])


def test_training_sees_nothing_of_the_validation_part() -> None:
    """Rows, scaler and scales of training are the same whatever comes later."""
    found = []
    for change in (0.0, 1e6):
        series = waves()
        for each in series:
            each.targets[-18:] += change  # 15 % of 120 steps
        choices = choose(**SMALL, validation=18, transform="none")
        prepared, _ = prepare(series, Columns(("y",)), Frequency("step"), choices, lambda line: None)
        rows = WindowExamples(
            prepared.spec, "quantile", prepared.panel, prepared.train, prepared.mean, prepared.scale, prepared.unit
        )
        found.append((rows.take(np.arange(len(rows))), prepared))
    (a, first), (b, second) = found
    np.testing.assert_array_equal(a.sequences.values, b.sequences.values)
    np.testing.assert_array_equal(a.targets, b.targets)
    assert (first.mean == second.mean).all() and (first.scale == second.scale).all()
    np.testing.assert_array_equal(list(first.scales.values()), list(second.scales.values()))


def test_windows_may_be_fewer() -> None:
    prepared, _ = prepare(
        waves(), Columns(("y",)), Frequency("step"), choose(**SMALL, max_windows=50), lambda line: None
    )
    assert 30 < len(prepared.train.origins) <= 50


@pytest.mark.parametrize("kind", ["pandas", "polars", "dict"])
def test_frames_in_frames_out(kind: str, tmp_path: Path) -> None:
    times = pd.date_range("2020-01-01", periods=80, freq="D")
    wave = np.sin(2 * np.pi * np.arange(80) / 7) + 3
    frame: Any = pd.DataFrame({
        "day": np.tile(times, 2),
        "shop": np.repeat(["a", "b"], 80),
        "sales": np.concatenate([wave, 2 * wave]),
        "open": np.tile((np.arange(80) % 7 < 6).astype(float), 2),
    })  # fmt: skip
    future = pd.DataFrame({
        "day": np.tile(pd.date_range("2020-03-21", periods=5, freq="D"), 2),
        "shop": np.repeat(["a", "b"], 5),
        "sales": np.nan,
        "open": 1.0,
    })  # fmt: skip
    whole: Any = pd.concat([frame, future])
    if kind == "polars":
        frame, whole = pl.from_pandas(frame), pl.from_pandas(whole)
    if kind == "dict":
        frame.to_csv(tmp_path / "sales.csv", index=False)
        whole.to_csv(tmp_path / "whole.csv", index=False)
        frame, whole = tmp_path / "sales.csv", tmp_path / "whole.csv"
    model = Forecaster(horizon=5, context_length=14, hidden_size=4, epochs=1)
    model.fit(frame, time="day", target="sales", group="shop", future="open")
    table = model.predict(levels=(80,), X=whole)
    names = list(table) if kind == "dict" else list(table.columns)
    assert names == ["day", "shop", "target", "mean", "lower_80", "upper_80"]
    assert len(table["mean"]) == 10 and type(table).__module__.split(".")[0] == {"dict": "builtins"}.get(kind, kind)
    assert str(list(table["day"])[5])[:10] == "2020-03-21"
    model.save(tmp_path / "model.safetensors")
    loaded = load_forecaster(tmp_path, verify=True)
    assert loaded.columns == model.columns_ and str(loaded.until)[:10] == "2020-03-20"
    with pytest.raises(DataError, match="open is given for 0 of the 5 steps to come"):
        model.predict()


def test_arrays_and_scikit_learns_manners() -> None:
    y = np.sin(np.arange(100) / 3)
    model = clone(Forecaster(horizon=4, context_length=10, hidden_size=4, epochs=1, season=1))
    table = model.fit(np.stack([y, y + 1], axis=1)).predict(levels=())
    assert list(table)[1:] == ["target", "mean"] and len(table["mean"]) == 8
    assert model.get_params()["horizon"] == 4


def test_shares() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=(400, 6))
    assert fit_share(truth + 0.1 * random.normal(size=truth.shape), truth, absolute=True) == 1
    assert fit_share(random.normal(size=truth.shape), truth, absolute=False) == 0
    assert 0.4 < fit_share(2 * truth + 0.1 * random.normal(size=truth.shape), truth, absolute=True) < 0.6
    better = 1.1 * truth + 0.5 * random.normal(size=truth.shape)  # a share of 0.8 or so, by less than chance allows
    assert fit_share(better[:40], truth[:40], absolute=True, targets=5) == 1
    shares = [
        fit_share(0.2 * random.normal(size=(400, 6)), random.normal(size=(400, 6)), absolute=True) for _ in range(30)
    ]
    assert np.mean(np.array(shares) == 0) > 0.6  # of corrections that say nothing, most are left where they are
    truth[::3, 2] = np.nan
    truth[:, 5] = np.nan
    assert fit_share(truth, truth, absolute=True) == 1


def test_bad_series_are_named() -> None:
    series = waves()
    short = Series("s9", np.arange(17), np.arange(17.0)[:, None])
    with pytest.raises(DataError, match="series s9: 17 known steps, and a window of context and horizon takes 19"):
        fitted([*series, short], transform="none")
    flat = Series(None, np.arange(60), np.full((60, 1), 5.0))
    with pytest.raises(DataError, match="y is constant, always 5"):
        fitted([flat], transform="none")
    with pytest.raises(DataError, match="y has no number in it"):
        fitted([replace(flat, targets=flat.targets * np.nan)], transform="none")
    with pytest.raises(DataError, match="no series has 25 steps"):
        fitted([Series(None, np.arange(22), np.arange(22.0)[:, None])], transform="none")
    with pytest.raises(DataError, match="two series have the same name"):
        fitted([series[0], series[0]])
    with pytest.raises(UsageError, match="segment is 5, the context 12"):
        fitted(series, segment=5)
    with pytest.raises(DataError, match="has no logarithm"):
        fitted(series, transform="log")


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon": 0},
        {"base": "best"},
        {"levels": (95, 80)},
        {"validation": 1.5},
        {"calendar": ("moon",)},
        {"loss": "cross_entropy"},
        {"epochs": 0},
        {"dropout": 2.0},
        {"conformal": "maybe"},
        {"colour": 1},
    ],
)
def test_bad_choices(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        choose(**wrong)


def test_missing_numbers_are_learned_with() -> None:
    series = waves()
    for each in series:
        each.targets[5::11] = np.nan
    found = fitted(series, transform="none")
    assert found.model.forecasting.missing and len(found.model.forecasting.rates) == 1
    assert np.isfinite(found.model.forecast(series, 6)[0].mean).all()
    spec = found.model.forecasting
    panel = Panel.of(spec, series, ahead=6, scales=found.model.scales)
    assert len(rows_of(spec, panel, panel.known).origins) == 3


def test_an_autoregressive_model_learns_waves_and_counts() -> None:
    stepped: dict[str, Any] = {"model": "autoregressive", "epochs": 20, "hidden_size": 16, "learning_rate": 0.01}
    found = fitted(waves(noise=0.02), **stepped, transform="none")
    assert found.figures["share"][0] > 0.5 and found.model.name == "GRU, step by step"
    random, t = np.random.default_rng(0), np.arange(200)
    counts = [
        Series(str(k), t, random.poisson(np.exp(1 + k + np.sin(2 * np.pi * t / 6)))[:, None].astype(float))
        for k in range(3)
    ]
    found = fitted(counts, **stepped, loss="negative_binomial")
    forecasts = found.model.forecast(counts, 6, (80,))
    for k, forecast in enumerate(forecasts):
        assert forecast.lower.min() >= 0
        assert np.corrcoef(forecast.mean[:, 0], np.exp(1 + k + np.sin(2 * np.pi * np.arange(200, 206) / 6)))[0, 1] > 0.5
    negative = [replace(each, targets=each.targets - 30) for each in counts]
    with pytest.raises(DataError, match="has no logarithm"):
        fitted(negative, model="autoregressive", loss="negative_binomial")
    with pytest.raises(UsageError, match="loss='quantile' with model='autoregressive'"):
        choose(model="autoregressive", loss="quantile")
    past = [replace(each, past=np.ones((200, 1))) for each in counts]
    with pytest.raises(UsageError, match="p is not known of the steps to come"):
        fit_series(past, Columns(("y",), past=("p",)), Frequency("step"), choose(**SMALL, model="autoregressive"))
