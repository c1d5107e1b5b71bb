"""The naive baselines: by hand, against statsforecast, blind to the future, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.baselines import Drift, LastValue, NaiveForecast, Rule, SeasonalNaive, naive_baselines

NAN = float("nan")
RULES: list[Rule] = [LastValue(), Drift(), SeasonalNaive(4), SeasonalNaive(4, drift=True)]


def series_of(*values: float, after: int = 0) -> Series:
    targets = np.array([*values, *[NAN] * after])[:, None]
    return Series("a", np.arange(len(targets)), targets)


def forecast(rule: Rule, values: list[float], horizon: int) -> list[float]:
    return NaiveForecast(rule).forecast([series_of(*values)], horizon)[0].mean[:, 0].tolist()


def test_forecasts_by_hand() -> None:
    y = [1.0, 2.0, 3.0, 4.0, 5.0, 8.0]
    assert forecast(LastValue(), y, 3) == [8, 8, 8]
    assert forecast(Drift(), y, 2) == pytest.approx([8 + 7 / 5, 8 + 14 / 5])
    assert forecast(SeasonalNaive(4), y, 6) == [3, 4, 5, 8, 3, 4]
    rise = ((5 - 1) + (8 - 2)) / 2
    assert forecast(SeasonalNaive(4, drift=True), y, 5) == pytest.approx(
        [3 + rise, 4 + rise, 5 + rise, 8 + rise, 3 + 2 * rise]
    )


def test_missing_values_give_way_to_the_last_known_ones() -> None:
    y = [1.0, 20.0, 3.0, 40.0, NAN, 21.0, NAN, NAN]
    assert forecast(LastValue(), y, 2) == [21, 21]
    # The series is known up to its sixth step: forecasts begin with the seventh.
    assert forecast(SeasonalNaive(2), y, 4) == [3, 21, 3, 21]
    assert forecast(SeasonalNaive(4), y, 4) == [3, 40, 1, 21]
    assert forecast(Drift(), y, 1) == pytest.approx([21 + 20 / 5])


def test_less_than_a_season_is_the_last_value() -> None:
    assert forecast(SeasonalNaive(12), [5.0, 7.0], 3) == [7, 7, 7]
    assert forecast(SeasonalNaive(12, drift=True), [5.0, 7.0], 3) == [7, 7, 7]


def test_a_target_that_is_never_known_is_not_forecast() -> None:
    targets = np.array([[1.0, NAN], [2.0, NAN], [4.0, NAN]])
    for model in naive_baselines(2):
        found = model.forecast([Series(None, np.arange(3), targets)], 2, (80,))[0]
        assert np.isfinite(found.mean[:, 0]).all() and np.isnan(found.mean[:, 1]).all()
        assert np.isnan(found.lower[..., 1]).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_sees_the_future(rule: Rule) -> None:
    generator = np.random.default_rng(0)
    known = generator.normal(size=(40, 2)).cumsum(axis=0)
    known[generator.random(known.shape) < 0.2] = NAN
    origins = np.arange(40)
    whole = rule.continued(known, origins, 7)
    for origin in origins.tolist():
        poisoned = known.copy()
        poisoned[origin + 1 :] = 1e9
        np.testing.assert_array_equal(rule.continued(poisoned, np.array([origin]), 7)[0], whole[origin])
        np.testing.assert_allclose(rule.continued(known[: origin + 1], np.array([origin]), 7)[0], whole[origin])


def test_statsforecast_agrees() -> None:
    models = pytest.importorskip("statsforecast.models")
    y = np.random.default_rng(1).normal(size=50).cumsum()
    theirs = [models.Naive(), models.RandomWalkWithDrift(), models.SeasonalNaive(season_length=12)]
    for ours, reference in zip((LastValue(), Drift(), SeasonalNaive(12)), theirs, strict=True):
        np.testing.assert_allclose(forecast(ours, y.tolist(), 30), reference.forecast(y=y, h=30)["mean"], rtol=1e-6)


@pytest.mark.parametrize("rule", [LastValue(), Drift()], ids=lambda rule: rule.name)
def test_intervals_of_a_random_walk_cover_what_they_say(rule: Rule) -> None:
    generator = np.random.default_rng(2)
    walks = generator.standard_t(4, size=(300, 212)).cumsum(axis=1)
    given_ = [series_of(*walk[:200].tolist()) for walk in walks]
    found = NaiveForecast(rule).forecast(given_, 12, (80, 95))
    inside = np.array(
        [
            [(f.lower[i, :, 0] <= w[200:]) & (w[200:] <= f.upper[i, :, 0]) for f, w in zip(found, walks, strict=True)]
            for i in (0, 1)
        ]
    )
    assert 100 * inside[0].mean() == pytest.approx(80, abs=4)
    assert 100 * inside[1].mean() == pytest.approx(95, abs=3)


def test_half_widths_by_hand() -> None:
    """Changes 1, 2, … 30 in a row: of the 30 errors one step ahead, the ⌈31 · 0.8⌉ = 25th smallest is 25."""
    found = NaiveForecast(LastValue()).forecast([series_of(*np.arange(31.0).cumsum().tolist())], 1, (80, 95))[0]
    assert (found.mean - found.lower[:, 0]).ravel().tolist() == [25, 30]
    assert (found.upper[:, 0] - found.mean).ravel().tolist() == [25, 30]


def test_far_steps_of_short_series_widen_like_a_random_walk() -> None:
    found = NaiveForecast(LastValue()).forecast([series_of(*[0.0, 1.0] * 15)], 60, (80,))[0]
    widths = (found.upper - found.lower)[0, :, 0]
    # 29 errors one step ahead, 20 ten steps ahead: from there on, by the root.
    assert widths[10] == pytest.approx(widths[9] * np.sqrt(11 / 10)) and widths[59] == pytest.approx(
        widths[9] * np.sqrt(6)
    )
    short = NaiveForecast(LastValue()).forecast([series_of(1.0, 2.0)], 4, (80,))[0]
    assert (short.upper - short.lower)[0, :, 0] == pytest.approx(2 * np.sqrt([1, 2, 3, 4]))
    single = NaiveForecast(LastValue()).forecast([series_of(1.0)], 2, (80,))[0]
    assert single.mean.tolist() == [[1], [1]] and np.isnan(single.lower).all()


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(NAN)), min_size=1, max_size=60),
    horizon=st.integers(1, 20),
    season=st.integers(2, 13),
)
def test_any_series_with_one_known_value_is_forecast(values: list[float], horizon: int, season: int) -> None:
    series = series_of(*values, 1.0)
    for model in naive_baselines(season):
        found = model.forecast([series], horizon, (50, 95))[0]
        assert found.mean.shape == (horizon, 1) and np.isfinite(found.mean).all()
        if len(series.targets[~np.isnan(series.targets)]) > 1 and model.name == "last value":
            assert (found.lower[1] <= found.lower[0]).all() and (found.lower[0] <= found.mean).all()
        else:
            assert not (found.lower > found.upper).any()


def test_times_go_on_and_given_ones_stay() -> None:
    times = np.array(["2024-01-31", "2024-02-29", "2024-03-31"], "datetime64[us]")
    targets: NDArray[np.float64] = np.array([[1.0], [2.0], [NAN]])
    found = NaiveForecast(LastValue(), Frequency("month")).forecast([Series(None, times, targets)], 3)[0]
    assert found.times.astype("datetime64[D]").astype(str).tolist() == ["2024-03-31", "2024-04-30", "2024-05-31"]


def test_what_cannot_be_continued_is_refused() -> None:
    with pytest.raises(DataError, match="series 'a' has no known target"):
        NaiveForecast(LastValue()).forecast([series_of(NAN)], 1)
    with pytest.raises(UsageError, match="horizon is 0"):
        NaiveForecast(LastValue()).forecast([series_of(1.0)], 0)
    with pytest.raises(UsageError, match="between 0 and 100"):
        NaiveForecast(LastValue()).forecast([series_of(1.0)], 1, (100,))
