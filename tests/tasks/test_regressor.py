"""`Regressor`: scikit-learn's own checks, what it learns by every loss, missing targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import timesteps
from timesteps import Regressor
from timesteps.errors import DataError, UsageError
from timesteps.runtime import native


@parametrize_with_checks([Regressor(pool="last", hidden_size=8, epochs=80, batch_size=16)])
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def noisy(count: int = 300, seed: int = 0) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """y is N(100 + 20 m, (2 + 8 s)²): m the mean of a row's first feature, s its second feature, 0 or 1."""
    random = np.random.default_rng(seed)
    rows, y = [], []
    for length in random.integers(3, 9, count):
        wide = float(random.random() < 0.5)
        row = np.stack([random.normal(size=length), np.full(length, wide)], axis=1)
        rows.append(row)
        y.append(random.normal(100 + 20 * row[:, 0].mean(), 2 + 8 * wide))
    return rows, np.array(y)


@pytest.mark.parametrize("loss", ["mse", "mae", "quantile", "gaussian", "student_t"])
def test_every_loss_beats_the_mean(loss: Any) -> None:
    rows, y = noisy()
    judged, truth = noisy(200, seed=1)
    levels = (0.1, 0.5, 0.9) if loss == "quantile" else ()
    model = Regressor(loss=loss, quantiles=levels, hidden_size=16, epochs=40).fit(rows, y)
    answers = model.predict(judged)
    bar = DummyRegressor().fit(rows, y).predict(judged)
    assert mean_absolute_error(truth, answers) < 0.8 * mean_absolute_error(truth, bar)
    found = model.evaluate(judged, truth)
    assert found.mae == pytest.approx(mean_absolute_error(truth, answers))
    assert found.rmse == pytest.approx(mean_squared_error(truth, answers) ** 0.5)
    assert found.r2 == pytest.approx(r2_score(truth, answers))
    assert model.score(judged, truth) == pytest.approx(found.r2)
    if loss in ("mse", "mae"):
        return
    quantiles = model.predict_quantiles(judged)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    inside = np.mean((quantiles[:, 0] < truth) & (truth < quantiles[:, 2]))
    assert 0.68 < inside < 0.9
    spread = quantiles[:, 2] - quantiles[:, 0]
    wide = np.array([row[0, 1] for row in judged]) == 1
    assert spread[wide].mean() > 2 * spread[~wide].mean()  # 5 times is the truth


def test_several_targets_some_of_them_missing() -> None:
    rows, y = noisy(200)
    both = np.stack([y, -y], axis=1)
    both[::3, 0] = np.nan
    both[5] = np.nan
    with pytest.raises(DataError, match=r"row 0 is NaN.*missing='mask'"):
        Regressor(epochs=1).fit(rows, both)
    model = Regressor(missing="mask", hidden_size=16, epochs=30).fit(rows, both)
    answers = model.predict(rows)
    assert answers.shape == (200, 2)
    assert np.corrcoef(answers[:, 0], y)[0, 1] > 0.8
    found = model.evaluate(rows, both)
    assert (found.n, found.missing) == (2 * 200 - 67 - 2, 67 + 2)
    with pytest.raises(DataError, match="target 1 is missing in every row"):
        Regressor(missing="mask", epochs=1).fit(rows, np.stack([y, np.full(200, np.nan)], axis=1))


@pytest.mark.skipif(native.core is None, reason="no compiled core")
def test_both_engines_train_the_same_model() -> None:
    rows, y = noisy(60)
    ours, theirs = (
        Regressor(loss="student_t", engine=engine, epochs=5, patience=3).fit(rows, y) for engine in ("native", "torch")
    )
    for name in ("loss", "val_loss", "val_mae"):
        assert [row[name] for row in ours.history_] == pytest.approx([row[name] for row in theirs.history_], rel=1e-4)
    np.testing.assert_allclose(ours.predict(rows), theirs.predict(rows), rtol=1e-3)


def test_other_inputs(tmp_path: Path) -> None:
    texts = ["good good", "bad", "good", "bad bad bad", "good bad"] * 8
    counts = [text.count("good") for text in texts]
    model = Regressor(hidden_size=8, embedding_size=8, epochs=40).fit(texts, counts)
    assert model.score(texts, counts) > 0.8
    ids = [[3, 3], [4], [3], [4, 4, 4], [3, 4]] * 8
    assert Regressor(hidden_size=8, embedding_size=8, epochs=40).fit(ids, counts).score(ids, counts) > 0.8
    model.save(tmp_path / "model.safetensors")
    session = timesteps.load(tmp_path, verify=True)
    np.testing.assert_array_equal(session.predict(texts), model.predict(texts))


def test_what_makes_no_sense() -> None:
    rows, y = noisy(10)
    with pytest.raises(UsageError, match="quantiles"):
        Regressor(loss="quantile").fit(rows, y)
    with pytest.raises(UsageError, match="loss is 'huber'"):
        Regressor(loss="huber").fit(rows, y)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="targets are numbers"):
        Regressor(loss="cross_entropy").fit(rows, y)
    with pytest.raises(DataError, match="10 rows, but 9 targets"):
        Regressor().fit(rows, y[:9])
    with pytest.raises(UsageError, match='pool="none"'):
        Regressor(pool="none").fit(rows, y)
