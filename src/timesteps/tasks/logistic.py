"""Logistic regression of sparse rows, by coordinate descent in the dual; the core's where it is there.

Hsiang-Fu Yu, Fang-Lan Huang and Chih-Jen Lin, "Dual coordinate descent methods for logistic regression and maximum
entropy models" (Machine Learning 85, 2011): one row at a time, the best value of its dual variable, while the weights
follow. Rows are fewer than features where features are n-grams, and each costs no more than a look at its own.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime import native
from timesteps.runtime.sequences import Bags

__all__ = ["fit_logistic"]

_64_BITS = (1 << 64) - 1


def fit_logistic(
    rows: Bags,
    values: NDArray[np.float32],
    positive: NDArray[np.bool_],
    costs: NDArray[np.float64],
    *,
    tolerance: float = 1e-2,
    passes: int = 1000,
) -> tuple[NDArray[np.float64], float]:
    r"""Weights w (F,) and intercept b that separate positive rows from the others. They minimise

    .. math:: \tfrac12 (\|w\|^2 + b^2) + \sum_i c_i \log(1 + e^{-y_i (w \cdot x_i + b)}), \quad y_i = \pm 1

    Args:
        rows: R bags of distinct features.
        values: (F,) the value of each feature in the rows that have it.
        positive: (R,) which rows are.
        costs: (R,) c; a row of cost 0 is left out.
        tolerance: it ends after a pass in which no dual variable's slope was larger.
        passes: over all rows, at most.

    >>> rows = Bags(np.array([0, 0, 1, 1], np.int32), np.arange(5))
    >>> w, b = fit_logistic(rows, np.ones(2, np.float32), np.array([True, True, False, False]), np.ones(4))
    >>> np.sign(w).tolist(), bool(abs(b) < 0.01)
    ([1.0, -1.0], True)
    """
    weights = np.zeros(len(values))
    if native.core is not None:
        intercept = native.core.logistic(
            np.ascontiguousarray(rows.ids, np.int32),
            np.ascontiguousarray(rows.offsets, np.int64),
            np.ascontiguousarray(values, np.float32),
            np.ascontiguousarray(positive, np.uint8),
            np.ascontiguousarray(costs, np.float64),
            tolerance,
            passes,
            weights,
        )
        return weights, float(intercept)
    features = [rows.ids[first:last] for first, last in pairwise(rows.offsets.tolist())]
    x = [values[ids].astype(np.float64) for ids in features]
    y = np.where(positive, 1.0, -1.0)
    dual = np.minimum(0.001 * costs, 1e-8)
    squares = [1 + float(row @ row) for row in x]
    intercept = 0.0
    order = np.flatnonzero(costs > 0).tolist()
    for row in order:
        weights[features[row]] += y[row] * dual[row] * x[row]
        intercept += y[row] * dual[row]
    state = 0x9E3779B97F4A7C15
    for _ in range(passes):
        for last in range(len(order), 1, -1):
            state ^= state << 13 & _64_BITS
            state ^= state >> 7
            state ^= state << 17 & _64_BITS
            order[last - 1], order[state % last] = order[state % last], order[last - 1]
        steepest = 0.0
        for row in order:
            z = y[row] * (intercept + float(weights[features[row]] @ x[row]))
            cost, at = float(costs[row]), float(dual[row])
            steepest = max(steepest, abs(z + math.log(at / (cost - at))))
            dual[row] = _minimum(cost, at, squares[row], z)
            change = y[row] * (dual[row] - at)
            weights[features[row]] += change * x[row]
            intercept += change
        if steepest < tolerance:
            break
    return weights, intercept


def _minimum(cost: float, at: float, a: float, b: float) -> float:
    """Where t log t + (cost - t) log (cost - t) + a (t - at)² / 2 + b (t - at) is least within (0, cost)."""
    # From the side on which the minimum lies the logarithms keep their digits.
    upper = a * (cost / 2 - at) + b < 0
    if upper:
        at, b = cost - at, -b
    t = min(at, cost / 2)
    for _ in range(100):
        slope = math.log(t / (cost - t)) + a * (t - at) + b
        if abs(slope) < 1e-6:
            break
        following = t - slope / (a + cost / (t * (cost - t)))
        t = t / 10 if following <= 0 else min(following, cost / 2)
    return cost - t if upper else t
