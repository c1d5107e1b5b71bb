"""Autocorrelation of errors, and the classical baselines."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from timesteps.errors import UsageError
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.baselines import LastValue, NaiveForecast, SeasonalNaive
from timesteps.tasks.forecast.baselines_classical import Classical, choose_classical
from timesteps.tasks.forecast.residuals import autocorrelation, residual_autocorrelation


def test_autocorrelation_is_that_of_numpy() -> None:
    errors = np.random.default_rng(0).normal(size=200).cumsum()
    centred = errors - errors.mean()
    full = np.correlate(centred, centred, "full")[199:]
    np.testing.assert_allclose(autocorrelation(errors, 20), full[1:21] / full[0])
    assert np.isnan(autocorrelation(np.ones(9), 3)).all() and np.isnan(autocorrelation(np.full(9, np.nan), 3)).all()


def test_statsmodels_agrees_with_and_without_missing_numbers() -> None:
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    errors = np.random.default_rng(0).normal(size=100)
    np.testing.assert_allclose(autocorrelation(errors, 12), stattools.acf(errors, nlags=12)[1:])
    errors[[3, 4, 50]] = np.nan
    theirs = stattools.acf(errors, nlags=12, missing="conservative")[1:]
    np.testing.assert_allclose(autocorrelation(errors, 12), theirs)


def test_a_random_walk_leaves_nothing_and_a_season_does() -> None:
    generator = np.random.default_rng(3)
    walk = Series("a", np.arange(600), generator.normal(size=(600, 1)).cumsum(axis=0))
    found = residual_autocorrelation(NaiveForecast(LastValue()), [walk])
    assert found is not None and found.n == 200 and found.band == pytest.approx(1.96 / np.sqrt(200), rel=1e-3)
    assert sum(abs(value) > found.band for value in found.values) <= 4 and len(found.values) == 24
    wave = Series("a", np.arange(600), np.sin(np.arange(600) * np.pi / 6)[:, None] + 0.01 * walk.targets)
    found = residual_autocorrelation(NaiveForecast(LastValue()), [wave], season=12)
    assert found is not None and found.values[11] > 0.8
    assert residual_autocorrelation(NaiveForecast(LastValue()), [Series("a", np.arange(9), np.ones((9, 1)))]) is None


def test_errors_are_taken_behind_what_was_trained_on() -> None:
    walk = Series("a", np.arange(100), np.random.default_rng(0).normal(size=(100, 1)))
    found = residual_autocorrelation(NaiveForecast(LastValue()), [walk], start=[60])
    assert found is not None and found.n == 40
    found = residual_autocorrelation(NaiveForecast(LastValue()), [walk], start=[60], horizon=5)
    assert found is not None and found.n == 36, "whole horizons have room to begin on fewer steps"


def test_autoets_is_run_where_it_is_installed() -> None:
    pytest.importorskip("statsforecast")
    y = 10 + np.sin(np.arange(80) * np.pi / 6) + 0.1 * np.random.default_rng(0).normal(size=80)
    series = Series("a", np.arange(80), np.stack([y, np.where(np.arange(80) < 75, np.nan, y)], axis=1))
    found = Classical("ets", 12).forecast([series], 12, (80, 95))[0]
    truth = 10 + np.sin(np.arange(80, 92) * np.pi / 6)
    assert np.abs(found.mean[:, 0] - truth).max() < 0.4, "it knows the season"
    assert (found.mean[:, 1] == y[-1]).all(), "five values are too few: the last one"
    assert (found.lower[1] <= found.lower[0]).all() and (found.upper[0] <= found.upper[1]).all()
    assert choose_classical("auto", 10, 12)[0] == [Classical("ets", 12)]
    assert choose_classical("auto", 10_000)[0] == [] and "10,000 fits" in choose_classical("auto", 10_000)[1]


def test_without_statsforecast_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setattr("timesteps.tasks.forecast.baselines_classical.find_spec", lambda name: None)
    models, note = choose_classical("auto", 10)
    assert models == [] and "statsforecast is not installed" in note and "timesteps[baselines]" in note
    for name in ("ets", "arima"):
        with pytest.raises(UsageError, match="statsforecast, which is not installed"):
            choose_classical(name, 10)
    with pytest.raises(UsageError, match="choose one of auto, ets, arima, none"):
        choose_classical("prophet", 10)


def test_a_long_season_is_not_for_ets() -> None:
    assert "no season" in Classical("ets", 168).description and "season 168" in Classical("arima", 168).description
    assert SeasonalNaive(168).description == "the value 168 steps before"
