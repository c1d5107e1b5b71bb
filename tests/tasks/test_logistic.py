"""Dual coordinate descent against scikit-learn's primal solver, and the core against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from timesteps.runtime import native
from timesteps.runtime.sequences import Bags
from timesteps.tasks.logistic import fit_logistic


def problem(rows: int = 200, features: int = 60, seed: int = 0) -> tuple[Bags, np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    found = random.random((rows, features)) < 0.1
    values = random.normal(size=features).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(found.sum(axis=1))]).astype(np.int64)
    positive = found @ (values * random.normal(size=features)) + random.normal(size=rows) > 0
    costs = random.choice([0.0, 0.3, 1.0, 5.0], size=rows)
    return Bags(np.nonzero(found)[1].astype(np.int32), offsets), values, positive, costs


@pytest.mark.parametrize("core", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_minimum_as_scikit_learn(core: bool, seed: int, monkeypatch) -> None:
    if not core:
        monkeypatch.setattr(native, "core", None)
    rows, values, positive, costs = problem(seed=seed)
    weights, intercept = fit_logistic(rows, values, positive, costs, tolerance=1e-7)
    x = csr_matrix((values[rows.ids].astype(np.float64), rows.ids, rows.offsets), shape=(len(rows), len(values)))
    # With a column of ones the intercept is penalised as every other weight.
    x = np.hstack([x.toarray(), np.ones((len(rows), 1))])
    theirs = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(x, positive, sample_weight=costs)
    np.testing.assert_allclose(np.append(weights, intercept), theirs.coef_[0], atol=2e-5)


@pytest.mark.skipif(native.core is None, reason="the compiled core is not there")
def test_the_core_takes_the_same_path(monkeypatch) -> None:
    rows, values, positive, costs = problem(rows=80)
    ours = fit_logistic(rows, values, positive, costs, passes=3)
    monkeypatch.setattr(native, "core", None)
    theirs = fit_logistic(rows, values, positive, costs, passes=3)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-9, atol=1e-12)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-9)


@pytest.mark.skipif(native.core is None, reason="the compiled core is not there")
@pytest.mark.parametrize("change", [{"ids": [0, 60]}, {"offsets": [0, 3]}, {"costs": [1.0]}])
def test_arrays_that_do_not_fit_are_refused(change: dict[str, list[float]]) -> None:
    given = {"ids": [0, 1], "offsets": [0, 2], "costs": [1.0]} | change
    rows = Bags(np.array(given["ids"], np.int32), np.array(given["offsets"], np.int64))
    costs = np.array(given["costs"] if "costs" not in change else [1.0, 1.0])
    with pytest.raises(ValueError, match=r"feature|offsets|row"):
        fit_logistic(rows, np.ones(60, np.float32), np.array([True]), costs)
