"""Backtests: which windows, blind to the future, all models on the same numbers, and the sentence at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timesteps.errors import DataError, ModelError, TimestepsError, UsageError
from timesteps.runtime.metrics_forecast import evaluate_forecasts, mase_scale
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.series import Series
from timesteps.runtime.series.verdict import ForecastVerdict
from timesteps.tasks.forecast.backtest import backtest
from timesteps.tasks.forecast.baselines import LastValue, NaiveForecast, SeasonalNaive, naive_baselines
from timesteps.tasks.forecast.windows import as_known, plan_windows

NAN = float("nan")


def walk(steps: int, seed: int = 0, name: str | None = "a", targets: int = 1) -> Series:
    generator = np.random.default_rng(seed)
    return Series(name, np.arange(steps), generator.normal(size=(steps, targets)).cumsum(axis=0))


@dataclass
class Oracle:
    """Knows the truth up to an error, to have something that wins or loses by as much as is wanted."""

    truth: dict[str | None, Series]
    error: float
    name: str = "LSTM"
    seen: list[tuple[str | None, int, int]] = field(default_factory=list)

    def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
        found = []
        for each in series:
            self.seen.append((each.name, each.known, len(each)))
            truth = self.truth[each.name].targets[each.known : each.known + horizon]
            mean = np.nan_to_num(truth) + self.error
            half = np.array(levels, np.float64)[:, None, None] / 50 * np.ones_like(mean)
            found.append(Forecast(each.name, np.arange(horizon), mean, tuple(levels), mean - half, mean + half))
        return found


def test_origins_by_hand() -> None:
    plan = plan_windows([walk(30)], 6)
    assert plan.stride == 1 and plan.origins[0].tolist() == list(range(24, 14, -1))  # 8 windows would not fit 6 apart
    assert plan_windows([walk(200)], 6).stride == 6 and plan_windows([walk(200)], 6).origins[0][:2].tolist() == [
        194,
        188,
    ]
    assert plan_windows([walk(30)], 6, windows=4).origins[0].tolist() == [24, 18, 12, 6]
    assert plan_windows([walk(30)], 6, start=[0], stride=6).origins[0].tolist() == [24, 18, 12, 6]
    assert plan_windows([walk(30)], 6, windows=2, stride=1).origins[0].tolist() == [24, 23]
    assert plan_windows([walk(30)], 6, start=[13], stride=6).origins[0].tolist() == [24, 18]
    assert plan_windows([walk(30)], 6, history=19, stride=6).origins[0].tolist() == [24]
    assert len(plan_windows([walk(5000)], 6).origins[0]) == 50


def test_nothing_is_forecast_from_or_of_what_is_missing() -> None:
    series = walk(30)
    series.targets[17] = NAN  # right before a window
    series.targets[6:12] = NAN  # a window in full, and its last step is right before the next one
    plan = plan_windows([series], 6, windows=4)
    assert plan.origins[0].tolist() == [24]
    assert plan.notes == ("3 windows were left out: nothing is known right before them, or in them",)


def test_each_window_is_forecast_from_what_was_known() -> None:
    series = {name: walk(40, seed, name) for seed, name in enumerate("ab")}
    oracle = Oracle(dict(series), 1.0)
    found = backtest([oracle], list(series.values()), horizon=5, windows=3)
    assert sorted(oracle.seen) == [(name, origin, origin) for name in "ab" for origin in (25, 30, 35)]
    assert found.models[0].overall.mae == pytest.approx(1) and found.windows == (3, 3)


def test_poison_behind_the_origin_changes_nothing() -> None:
    """Every number after a window's origin is replaced, but the future covariates of the horizon: same forecasts."""
    generator = np.random.default_rng(5)
    whole = replace(walk(60, targets=2), past=generator.normal(size=(60, 2)), future=generator.normal(size=(60, 1)))
    for origin in (20, 41, 55):
        seen = as_known(whole, origin, 5)
        poisoned = replace(whole, targets=whole.targets.copy(), past=whole.past.copy(), future=whole.future.copy())
        poisoned.targets[origin:], poisoned.past[origin:], poisoned.future[origin + 5 :] = 1e9, 1e9, 1e9
        again = as_known(poisoned, origin, 5)
        for name in ("times", "targets", "past", "future"):
            np.testing.assert_array_equal(getattr(seen, name), getattr(again, name))
        assert seen.known == origin and len(seen) == origin + 5 and np.isnan(seen.past[origin:]).all()
        np.testing.assert_array_equal(seen.future, whole.future[: origin + 5])


def test_scores_are_those_of_the_windows_taken_one_by_one() -> None:
    series = [walk(60, seed, str(seed), 2) for seed in range(3)]
    series[1].targets[55, 0] = NAN
    model = NaiveForecast(SeasonalNaive(4))
    found = backtest([], series, horizon=5, windows=4, stride=3, baselines=[model], season=4)
    truth, mean, lower, upper, scale = [], [], [], [], []
    for each in series:
        for origin in (55, 52, 49, 46):
            one = model.forecast([each.until(origin)], 5, (80, 95))[0]
            truth.append(each.targets[origin : origin + 5])
            mean.append(one.mean)
            lower.append(one.lower)
            upper.append(one.upper)
            scale.append(mase_scale(each.targets[:46], 4))
    stacked = (np.stack(lower, axis=1), np.stack(upper, axis=1))
    expected = evaluate_forecasts(
        np.stack(truth), np.stack(mean), levels=(80, 95), lower=stacked[0], upper=stacked[1], scale=np.stack(scale)
    )
    result = found.models[0]
    for one, other in [
        (result.overall, expected.overall),
        *zip(result.evaluation.by_horizon, expected.by_horizon, strict=True),
    ]:
        for name in ("n", "missing", "mae", "rmse", "mase", "smape", "pinball"):
            assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert sum(result.of_series(number).n for number in range(3)) == result.overall.n
    assert sum(result.of_window(number).n for number in range(4)) == result.overall.n
    rank = evaluate_forecasts(np.stack(truth[1::4]), np.stack(mean[1::4]))
    assert result.of_window(1).mae == pytest.approx(rank.overall.mae)


def test_mase_is_scaled_by_the_part_that_was_trained_on() -> None:
    series = walk(60)
    found = backtest([Oracle({"a": series}, 2.0)], [series], horizon=5, windows=2, start=[30])
    assert found.models[0].overall.mase == pytest.approx(2 / mase_scale(series.targets[:30])[0])


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    series = [walk(50, seed, str(seed)) for seed in range(4)]
    whole = backtest([], series, horizon=4, baselines=naive_baselines(4), season=4).to_dict()
    monkeypatch.setattr("timesteps.tasks.forecast.windows._BATCH", 3)
    parts = backtest([], series, horizon=4, baselines=naive_baselines(4), season=4).to_dict()
    for one, other in zip(whole["models"], parts["models"], strict=True):
        assert one["overall"]["mase"] == pytest.approx(other["overall"]["mase"])
        assert [each["mae"] for each in one["by_series"]] == pytest.approx([each["mae"] for each in other["by_series"]])


def test_all_models_are_judged_on_the_numbers_that_every_one_has_forecast() -> None:
    @dataclass
    class Shy(Oracle):
        def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
            found = super().forecast(series, horizon, levels)
            for each in found:
                each.mean[0] = NAN
            return found

    series = walk(40)
    found = backtest([Shy({"a": series}, 0.5)], [series], horizon=4, windows=5, baselines=naive_baselines())
    assert {model.overall.n for model in found.models} == {15} and found.models[1].overall.unforecast == 5
    assert "5 targets were not judged: a model had no forecast of them" in found.notes


def test_the_verdict_is_about_the_best_baseline() -> None:
    series = {name: walk(300, seed, name) for seed, name in enumerate("abc")}
    ahead = Oracle(series, 0.1)
    found = backtest([ahead], list(series.values()), horizon=3, baselines=naive_baselines())
    verdict = found.verdict
    best = min(found.models[1:], key=lambda model: model.overall.mase)
    assert verdict.wins and verdict.baseline == best.name and verdict.bar == best.overall.mase
    assert verdict.headline.startswith("LSTM: MASE 0.") and f"better than {best.name}" in verdict.headline
    assert verdict.interval is not None and verdict.interval[1] < 0 and not verdict.unsure
    assert verdict.interval[0] < verdict.value - verdict.bar < verdict.interval[1]
    found = backtest([Oracle(series, 9.0)], list(series.values()), horizon=3, baselines=naive_baselines()[:1])
    assert found.verdict.loses and "LSTM does not beat last value, the random walk: MASE" in found.verdict.headline


def test_a_model_that_is_the_random_walk_does_not_beat_it() -> None:
    found = backtest([NaiveForecast(LastValue())], [walk(300)], horizon=1, baselines=naive_baselines()[:1])
    verdict = found.verdict
    assert not verdict.wins and not verdict.loses and "it equals it" in verdict.headline


def test_the_interval_of_a_difference_covers() -> None:
    """Two forecasts whose errors are drawn alike: 0 is inside in 95 of 100 backtests, overlapping windows or not."""

    @dataclass
    class Noisy:
        generator: np.random.Generator
        name: str

        def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
            empty = np.zeros((0, horizon, 1))
            draws = [self.generator.normal(size=(horizon, 1)) for _ in series]
            return [Forecast(None, np.arange(horizon), draw, (), empty, empty) for draw in draws]

    generator = np.random.default_rng(9)
    flat = Series(None, np.arange(80), np.zeros((80, 1)))
    inside = 0
    for _ in range(60):
        found = backtest([Noisy(generator, "one")], [flat], horizon=2, baselines=[Noisy(generator, "two")], levels=())
        interval = found.verdict.interval
        assert interval is not None
        inside += interval[0] <= 0 <= interval[1]
    assert 51 <= inside <= 60


def test_overlapping_windows_do_not_make_a_difference_surer() -> None:
    series = {"a": walk(400, 3)}
    apart = backtest([Oracle(series, 1.0)], [series["a"]], horizon=10, windows=20, baselines=naive_baselines())
    dense = backtest(
        [Oracle(series, 1.0)], [series["a"]], horizon=10, windows=191, stride=1, baselines=naive_baselines()
    )
    one, other = apart.verdict.interval, dense.verdict.interval
    assert one is not None and other is not None
    assert (other[1] - other[0]) > 0.5 * (one[1] - one[0]), "191 windows over the same steps are worth about 20"


def test_few_windows_say_nothing_of_chance() -> None:
    found = backtest([NaiveForecast(LastValue())], [walk(60)], horizon=5, windows=7, baselines=naive_baselines())
    assert found.verdict.interval is None


@pytest.mark.parametrize(
    ("values", "headline"),
    [
        (("MASE", 0.83, "drift", 1.02), "GRU: MASE 0.83, better than drift (1.02)"),
        (("MASE", 0.83, "drift", 0.9, (-0.2, 0.06)), "GRU: MASE 0.83, better than drift (0.90), which may be chance"),
        (("MAE", 1.02, "last value", 1.0), "GRU does not beat last value, the random walk: MAE 1.02 vs 1.00"),
        (("MASE", 1.001, "drift", 1.0), "GRU does not beat drift, it equals it: MASE 1.00 vs 1.00"),
        (("MAE", 0.00411, "drift", 0.0052), "GRU: MAE 0.0041, better than drift (0.0052)"),
        (("MASE", 0.5), "GRU: MASE 0.50"),
    ],
)
def test_headlines(values: tuple[Any, ...], headline: str) -> None:
    verdict = ForecastVerdict("GRU", *values)
    assert str(verdict) == verdict.headline == headline


def test_a_dict_is_json_and_keeps_its_shape() -> None:
    series = [walk(40, 1, "가격"), replace(walk(40), targets=np.ones((40, 1)))]
    found = backtest(
        [Oracle({each.name: each for each in series}, 1.0)], series, horizon=4, baselines=naive_baselines(4), season=4
    )
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False, ensure_ascii=False))
    assert set(plain) == {
        "verdict",
        "horizon",
        "stride",
        "season",
        "levels",
        "targets",
        "windows",
        "series",
        "models",
        "notes",
    }
    verdict = {"headline", "detail", "model", "metric", "value", "baseline", "bar", "beats", "interval"}
    assert set(plain["verdict"]) == verdict
    first = plain["models"][0]
    assert set(first) == {
        "name",
        "description",
        "baseline",
        "seconds",
        "overall",
        "by_horizon",
        "by_target",
        "by_series",
    }
    assert [each["step"] for each in first["by_horizon"]] == [1, 2, 3, 4]
    assert first["by_series"][0]["series"] == "가격" and first["by_series"][1]["mase"] is None
    assert "MASE is the mean over 36 of 72 numbers: the rest did not change in training" in plain["notes"]


def test_some_windows_are_kept_and_the_worst_of_all() -> None:
    series = {str(seed): walk(200, seed, str(seed)) for seed in range(7)}
    jump = series["3"].targets
    jump[100:] += 500.0
    found = backtest([NaiveForecast(LastValue())], list(series.values()), horizon=4)
    assert len({window.series for window in found.shown[:-1]}) == 4
    worst = found.shown[-1]
    assert worst.series == "3" and np.abs(worst.truth - worst.forecasts[0].mean).max() > 400
    assert len(worst.past) == len(worst.times) == 24 and worst.truth.shape == (4, 1)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    horizon=st.integers(1, 6),
    stride=st.integers(1, 8),
    history=st.integers(1, 9),
    missing=st.floats(0, 0.5),
    seed=st.integers(0, 99),
)
def test_every_window_lies_where_it_may(
    steps: list[int], horizon: int, stride: int, history: int, missing: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    series = [walk(each, number, str(number)) for number, each in enumerate(steps)]
    for each in series:
        each.targets[generator.random(each.targets.shape) < missing] = NAN
    try:
        plan = plan_windows(series, horizon, stride=stride, history=history)
    except DataError:
        assert all(each.known < history + horizon for each in series) or missing > 0
        return
    for each, origins in zip(series, plan.origins, strict=True):
        assert (np.diff(origins) % stride == 0).all() and (np.diff(origins) < 0).all()
        for origin in origins.tolist():
            assert history <= origin <= each.known - horizon
            assert as_known(each, origin, horizon).known == origin


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"horizon": 0}, UsageError, "horizon is 0"),
        ({"stride": 0}, UsageError, "stride is 0"),
        ({"windows": 0}, UsageError, "windows is 0"),
        ({"levels": (80, 100)}, UsageError, "levels has 100"),
        ({"windows": 30}, DataError, "prices.csv: windows is 30, but 24 of 6 steps, 1 apart fit; choose windows=24"),
        ({"horizon": 40}, DataError, "series 'a', the longest, has 30 steps, and a window needs 1 before it and 40"),
        ({"history": 28}, DataError, "a window needs 28 before it and 6 in it"),
        ({"start": [28]}, DataError, "prices.csv: series 'a', the longest, has 2 steps behind what"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(
    options: dict[str, object], kind: type[TimestepsError], words: str
) -> None:
    with pytest.raises(kind) as found:
        backtest([], [walk(30)], baselines=naive_baselines(), source="prices.csv", **{"horizon": 6, **options})  # type: ignore[arg-type]
    assert words in str(found.value) and "\n" not in str(found.value)


def test_a_model_that_gives_something_else_is_named() -> None:
    class Wrong(Oracle):
        def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
            return super().forecast(series, horizon - 1, levels)

    series = walk(40)
    with pytest.raises(ModelError, match="LSTM gave 7 forecasts"):
        backtest([Wrong({"a": series}, 0.0)], [series], horizon=5, windows=8 - 1)
