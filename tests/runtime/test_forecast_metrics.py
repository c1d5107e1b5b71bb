"""Scores of forecasts: by hand, against scikit-learn and utilsforecast, and what does not count."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from timesteps.errors import DataError, UsageError
from timesteps.runtime.metrics_forecast import (
    ForecastEvaluation,
    check_levels,
    evaluate_forecasts,
    evaluation_of,
    mase_scale,
    measures,
)

LEVELS = (80.0, 95.0)


def drawn(seed: int = 0, W: int = 7, H: int = 4, D: int = 3, missing: float = 0.2) -> dict[str, NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(W, H, D))
    mean = truth + generator.normal(size=(W, H, D))
    half = np.abs(generator.normal(size=(2, W, H, D))).cumsum(axis=0)
    truth[generator.random(truth.shape) < missing] = np.nan
    return {"truth": truth, "mean": mean, "lower": mean - half, "upper": mean + half}


def test_errors_are_those_of_scikit_learn_on_the_numbers_that_are_there() -> None:
    given_ = drawn()
    found = evaluate_forecasts(**given_, levels=LEVELS)
    truth, mean = given_["truth"], given_["mean"]
    there = ~np.isnan(truth)
    y, f = truth[there], mean[there]
    assert found.overall.n == there.sum() and found.overall.missing == (~there).sum() > 0
    assert found.overall.mae == pytest.approx(mean_absolute_error(y, f))
    assert found.overall.rmse == pytest.approx(root_mean_squared_error(y, f))
    ends = []
    for number, (level, scores) in enumerate(zip(LEVELS, found.overall.intervals, strict=True)):
        low, high = given_["lower"][number][there], given_["upper"][number][there]
        tail = (1 - level / 100) / 2
        both = [mean_pinball_loss(y, low, alpha=tail), mean_pinball_loss(y, high, alpha=1 - tail)]
        assert scores.pinball == pytest.approx(np.mean(both)) and scores.level == level
        assert scores.coverage == pytest.approx(100 * np.mean((low <= y) & (y <= high)))
        assert scores.width == pytest.approx(np.mean(high - low))
        ends += both
    assert found.overall.pinball == pytest.approx(np.mean(ends))


def test_scores_of_a_step_and_of_a_target_are_those_of_its_numbers_alone() -> None:
    given_ = drawn(1)
    found = evaluate_forecasts(**given_, levels=LEVELS, scale=np.array([1.0, 2.0, 3.0]))
    for step in range(4):
        part = {name: values[..., step : step + 1, :] for name, values in given_.items()}
        assert found.by_horizon[step] == evaluate_forecasts(**part, levels=LEVELS, scale=np.arange(1.0, 4.0)).overall
    for target in range(3):
        part = {name: values[..., target : target + 1] for name, values in given_.items()}
        alone = evaluate_forecasts(**part, levels=LEVELS, scale=np.array([target + 1.0])).overall
        assert alone.mase == pytest.approx(found.by_target[target].mase)
        assert alone.pinball == pytest.approx(found.by_target[target].pinball)


def test_mase_by_hand() -> None:
    """Two series of other scales: each number is divided by the scale of its own series before the mean is taken."""
    truth = np.array([[[10.0], [12.0]], [[1000.0], [np.nan]]])
    mean = np.array([[[11.0], [9.0]], [[1300.0], [0.0]]])
    found = evaluate_forecasts(truth, mean, scale=np.array([[2.0], [100.0]]))
    assert found.overall.mase == pytest.approx((1 / 2 + 3 / 2 + 300 / 100) / 3)
    assert [step.mase for step in found.by_horizon] == pytest.approx([(0.5 + 3) / 2, 1.5])


def test_the_scale_by_hand() -> None:
    train = np.array([[1.0, 5.0], [4.0, 5.0], [np.nan, 5.0], [2.0, 5.0], [9.0, 5.0]])
    assert mase_scale(train)[0] == pytest.approx((3 + 7) / 2)
    assert mase_scale(train, 2)[0] == 2 and mase_scale(train, 3)[0] == (1 + 5) / 2
    assert np.isnan(mase_scale(train)[1]), "what never changes has no scale"
    assert np.isnan(mase_scale(train, 5)).all() and np.isnan(mase_scale(train, 9)).all()


def test_a_series_that_never_changed_does_not_count_to_mase_and_is_counted() -> None:
    found = evaluate_forecasts(np.ones((2, 1, 1)), np.zeros((2, 1, 1)), scale=np.array([[np.nan], [4.0]]))
    assert (found.overall.mase, found.overall.scaled, found.overall.n) == (0.25, 1, 2)
    found = evaluate_forecasts(np.ones((2, 1, 1)), np.zeros((2, 1, 1)))
    assert np.isnan(found.overall.mase) and found.overall.mae == 1


def test_smape_by_hand() -> None:
    truth, mean = np.array([[[0.0], [1.0], [-1.0]]]), np.array([[[0.0], [3.0], [1.0]]])
    found = evaluate_forecasts(truth, mean)
    assert [step.smape for step in found.by_horizon] == [0.0, 100.0, 200.0]


def test_ends_of_intervals_are_inside() -> None:
    y = np.array([[[1.0]], [[2.0]], [[3.0]], [[0.999]]])
    low, high = np.full((1, 4, 1, 1), 1.0), np.full((1, 4, 1, 1), 2.0)
    assert evaluate_forecasts(y, y, levels=(80,), lower=low, upper=high).overall.intervals[0].coverage == 50


def test_what_was_not_forecast_is_counted_and_its_intervals_too() -> None:
    truth, mean = np.ones((1, 3, 1)), np.array([[[np.nan], [1.0], [1.0]]])
    low = high = np.array([[[[0.0], [np.inf], [1.0]]]])
    found = evaluate_forecasts(truth, mean, levels=(80,), lower=low, upper=high).overall
    assert (found.n, found.unforecast, found.missing) == (2, 1, 0)
    assert found.intervals[0].coverage == 100 and found.intervals[0].width == 0


def test_utilsforecast_agrees() -> None:
    losses = pytest.importorskip("utilsforecast.losses")
    pandas = pytest.importorskip("pandas")
    generator = np.random.default_rng(3)
    train, H = generator.normal(size=(40, 2)).cumsum(axis=0), 6
    truth, mean = generator.normal(size=(2, H, 2))
    rows = [(name, step) for name in (0, 1) for step in range(H)]
    frame = pandas.DataFrame(rows, columns=["unique_id", "ds"])
    frame["y"], frame["model"] = truth.T.ravel(), mean.T.ravel()
    past = pandas.DataFrame([(name, step, train[step, name]) for name in (0, 1) for step in range(40)])
    past.columns = ["unique_id", "ds", "y"]
    found = evaluate_forecasts(truth[None], mean[None], scale=mase_scale(train, 4)).by_target
    mase = losses.mase(frame, ["model"], seasonality=4, train_df=past)["model"]
    assert [each.mase for each in found] == pytest.approx(list(mase))
    assert [each.mae for each in found] == pytest.approx(list(losses.mae(frame, ["model"])["model"]))
    assert [each.smape for each in found] == pytest.approx(list(200 * losses.smape(frame, ["model"])["model"]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 6))
def test_sums_of_parts_are_the_sums_of_the_whole(seed: int, cut: int) -> None:
    parts = drawn(seed)
    scale = np.ones((7, 3))

    def judged(rows: slice) -> ForecastEvaluation:
        each = measures(
            parts["truth"][rows],
            parts["mean"][rows],
            LEVELS,
            parts["lower"][:, rows],
            parts["upper"][:, rows],
            scale[rows],
        )
        sums.append(each.sum(axis=0))
        return evaluation_of(np.sum(sums, axis=0), LEVELS)

    sums: list[NDArray[np.float64]] = []
    whole = judged(slice(None)).overall
    sums.clear()
    judged(slice(cut))
    both = judged(slice(cut, None)).overall
    for name in ("n", "missing", "mae", "rmse", "mase", "smape", "pinball"):
        assert getattr(both, name) == pytest.approx(getattr(whole, name), nan_ok=True)


def test_plain_values_are_json() -> None:
    plain = evaluate_forecasts(np.ones((1, 2, 1)), np.zeros((1, 2, 1)), levels=(80,)).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["overall"]["mase"] is None and plain["overall"]["intervals"][0]["coverage"] is None


@pytest.mark.parametrize("levels", [(0,), (100,), (80, 101), (-1,), (float("nan"),)])
def test_levels_outside_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="between 0 and 100"):
        check_levels(levels)


def test_shapes_that_do_not_fit_and_nothing_to_judge() -> None:
    with pytest.raises(DataError, match="forecasts"):
        evaluate_forecasts(np.ones((1, 2, 1)), np.ones((1, 3, 1)))
    with pytest.raises(DataError, match="intervals"):
        evaluate_forecasts(
            *[np.ones((1, 2, 1))] * 2, levels=(80,), lower=np.ones((2, 1, 2, 1)), upper=np.ones((1, 1, 2, 1))
        )
    with pytest.raises(DataError, match="no forecast to judge"):
        evaluate_forecasts(np.full((1, 2, 1), np.nan), np.ones((1, 2, 1)))
