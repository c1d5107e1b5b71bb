"""How good forecasts are: errors of the forecast itself, and what its intervals are worth.

Of y the truth and f the forecast, means over the numbers that are there:

    MAE    mean |y - f|
    RMSE   √ mean (y - f)²
    sMAPE  200 mean |y - f| / (|y| + |f|), 0 where both are 0
    MASE   mean |y - f| / s, with s = mean |y_t - y_(t-m)| of the part that was trained on, m steps a season

MASE is that of Hyndman and Koehler 2006 ("Another look at measures of forecast accuracy"): below 1 a forecast errs
less than yesterday's, or last season's, value did in training. The end q of an interval at the quantile a is judged by
the pinball loss, max(a (y - q), (a - 1) (y - q)) (Koenker and Bassett 1978).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option

__all__ = ["ForecastEvaluation", "ForecastScores", "IntervalScores", "check_levels", "evaluate_forecasts", "mase_scale"]

Array = NDArray[np.float64]

# Columns of what `measures` gives for every number; those of the levels follow, `_OF_LEVEL` each.
_N, _MISSING, _UNFORECAST, _ABSOLUTE, _SQUARE, _SCALED, _SCALED_N, _SMAPE, _INTERVAL_N, _FIRST_LEVEL = range(10)
_OF_LEVEL = 3  # inside, width, mean pinball loss of both ends


class IntervalScores(msgspec.Struct, frozen=True):
    """The central intervals of one level."""

    level: float  # percent that they claim to cover
    coverage: float  # percent of the targets that they do cover, ends included
    width: float  # mean of upper - lower, in units of the targets
    pinball: float  # mean pinball loss of the two ends


class ForecastScores(msgspec.Struct, frozen=True):
    """Means over the numbers judged; nan where there is none to take a mean of."""

    n: int  # numbers judged
    missing: int  # targets that are NaN
    unforecast: int  # targets that are there, but were not forecast
    mae: float
    rmse: float
    mase: float
    scaled: int  # numbers that MASE is the mean of; the others' series were constant in training, or too short
    smape: float  # percent, from 0 to 200
    pinball: float  # mean over both ends of all levels
    intervals: tuple[IntervalScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, ready for JSON: None for nan."""
        plain: dict[str, Any] = _without_nan(msgspec.to_builtins(self))
        return plain


class ForecastEvaluation(msgspec.Struct, frozen=True):
    """Of all numbers together (each counts once), of each step of the horizon and of each target."""

    overall: ForecastScores
    by_horizon: tuple[ForecastScores, ...]
    by_target: tuple[ForecastScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, ready for JSON: None for nan."""
        plain: dict[str, Any] = _without_nan(msgspec.to_builtins(self))
        return plain


def mase_scale(train: Array, season: int = 1) -> Array:
    """What MASE divides by: mean |y_t - y_(t-m)| (D,) of the part trained on (T, D), over pairs that are both there.

    nan where there is no such pair, or where all of them are equal.

    >>> mase_scale(np.array([[1.0], [2.0], [np.nan], [5.0], [3.0]])), mase_scale(np.ones((9, 1)))
    (array([1.5]), array([nan]))
    """
    changes = np.abs(train[season:] - train[: max(len(train) - season, 0)])
    there = ~np.isnan(changes)
    pairs = there.sum(axis=0)
    means = np.divide(np.where(there, changes, 0.0).sum(axis=0), pairs, where=pairs > 0, out=np.zeros(train.shape[1]))
    return np.where(means > 0, means, np.nan)


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """Levels of intervals in percent, rising and each once.

    Raises:
        UsageError: one is not between 0 and 100.

    >>> check_levels([95, 80, 80])
    (80.0, 95.0)
    """
    for level in levels:
        if not 0 < level < 100:
            mend = "give percentages between 0 and 100, such as 80 and 95"
            raise UsageError(f"{option('levels')} has {level:g}", mend=mend)
    return tuple(sorted({float(level) for level in levels}))


def evaluate_forecasts(
    truth: Array,
    mean: Array,
    *,
    levels: Sequence[float] = (),
    lower: Array | None = None,
    upper: Array | None = None,
    scale: Array | None = None,
) -> ForecastEvaluation:
    """Judge forecasts.

    Args:
        truth: (W, H, D) of W windows, H steps, D targets; NaN is missing and does not count.
        mean: (W, H, D) what was forecast; NaN is not forecast, and does not count either.
        levels: percentages of the intervals, L of them.
        lower: (L, W, H, D) their lower ends; `upper`: the same.
        scale: (D,) or (W, D) from `mase_scale`; None leaves MASE nan.

    Raises:
        DataError: shapes that do not fit, or no number to judge.

    >>> truth, mean = np.array([[[1.0], [2.0]], [[3.0], [np.nan]]]), np.array([[[1.0], [3.0]], [[5.0], [9.0]]])
    >>> found = evaluate_forecasts(truth, mean, scale=np.array([2.0]))
    >>> found.overall.mae, found.overall.mase, found.overall.missing, [step.mae for step in found.by_horizon]
    (1.0, 0.5, 1, [1.0, 1.0])
    """
    if lower is None or upper is None:
        lower = upper = np.full((len(levels), *mean.shape), np.nan)
    shapes = (truth.ndim, mean.shape, lower.shape, upper.shape)
    ends = (len(levels), *truth.shape)
    if shapes != (3, truth.shape, ends, ends):
        raise DataError(f"truth {truth.shape}, forecasts {mean.shape}, intervals {lower.shape} and {upper.shape}")
    scales = np.full(truth.shape[2], np.nan) if scale is None else np.asarray(scale, np.float64)
    scales = np.broadcast_to(scales, (truth.shape[0], truth.shape[2]))
    each = measures(truth, mean, levels, lower, upper, scales)
    if not each[..., _N].any():
        raise DataError("there is no forecast to judge", mend="give targets that are not all missing")
    return evaluation_of(each.sum(axis=0), levels)


def measures(
    truth: Array,
    mean: Array,
    levels: Sequence[float],
    lower: Array,
    upper: Array,
    scale: Array,
    forecast: NDArray[np.bool_] | None = None,
    bounded: NDArray[np.bool_] | None = None,
) -> Array:
    """What each number adds to the sums that scores are made of, (W, H, D, K): sums of it over anything can be added.

    Args:
        truth: (W, H, D), as are `mean`, `forecast` and `bounded`.
        levels: L percentages.
        lower: (L, W, H, D), as is `upper`.
        scale: (W, D).
        forecast: which numbers count where they are there: those that all models compared have forecast. None: those
            of `mean`.
        bounded: the same of the intervals.
    """
    known = ~np.isnan(truth)
    judged = known & (np.isfinite(mean) if forecast is None else forecast)
    ends = np.concatenate([lower, upper])
    in_bounds = judged & (np.isfinite(ends).all(axis=0) if bounded is None else bounded) & (len(levels) > 0)
    scaled = judged & np.isfinite(scale)[:, None]
    y, f = np.where(judged, truth, 0.0), np.where(judged, mean, 0.0)
    error = np.abs(y - f)
    size = np.abs(y) + np.abs(f)
    each = np.zeros((*truth.shape, _FIRST_LEVEL + _OF_LEVEL * len(levels)))
    each[..., _N], each[..., _MISSING], each[..., _UNFORECAST] = judged, ~known, known & ~judged
    each[..., _ABSOLUTE], each[..., _SQUARE] = error, error**2
    each[..., _SCALED] = np.where(scaled, error / np.where(scaled, scale[:, None], 1.0), 0.0)
    each[..., _SCALED_N] = scaled
    each[..., _SMAPE] = np.divide(200.0 * error, size, where=size > 0, out=np.zeros_like(error))
    each[..., _INTERVAL_N] = in_bounds
    for number, level in enumerate(levels):
        low, high = np.where(in_bounds, lower[number], 0.0), np.where(in_bounds, upper[number], 0.0)
        target = np.where(in_bounds, truth, 0.0)
        tail = (1.0 - level / 100.0) / 2.0
        at = _FIRST_LEVEL + _OF_LEVEL * number
        each[..., at] = in_bounds & (low <= target) & (target <= high)
        each[..., at + 1] = high - low
        each[..., at + 2] = (_pinball(target - low, tail) + _pinball(target - high, 1.0 - tail)) / 2.0
    return each


def scores_of(sums: Array, levels: Sequence[float]) -> ForecastScores:
    """Sums (K,) of `measures` as scores."""
    n, bounded = float(sums[_N]), float(sums[_INTERVAL_N])

    def mean(column: int, count: float) -> float:
        return float(sums[column]) / count if count else float("nan")

    intervals = []
    for number, level in enumerate(levels):
        at = _FIRST_LEVEL + _OF_LEVEL * number
        intervals.append(
            IntervalScores(float(level), 100.0 * mean(at, bounded), mean(at + 1, bounded), mean(at + 2, bounded))
        )
    return ForecastScores(
        n=int(n),
        missing=int(sums[_MISSING]),
        unforecast=int(sums[_UNFORECAST]),
        mae=mean(_ABSOLUTE, n),
        rmse=float(np.sqrt(mean(_SQUARE, n))),
        mase=mean(_SCALED, float(sums[_SCALED_N])),
        scaled=int(sums[_SCALED_N]),
        smape=mean(_SMAPE, n),
        pinball=float(np.mean([each.pinball for each in intervals])) if intervals else float("nan"),
        intervals=tuple(intervals),
    )


def evaluation_of(sums: Array, levels: Sequence[float]) -> ForecastEvaluation:
    """Sums (H, D, K) of `measures` as an evaluation."""
    return ForecastEvaluation(
        overall=scores_of(sums.sum(axis=(0, 1)), levels),
        by_horizon=tuple(scores_of(step, levels) for step in sums.sum(axis=1)),
        by_target=tuple(scores_of(target, levels) for target in sums.sum(axis=0)),
    )


def measures_size(levels: Sequence[float]) -> int:
    """K, columns of `measures`."""
    return _FIRST_LEVEL + _OF_LEVEL * len(levels)


def _pinball(difference: Array, quantile: float) -> Array:
    loss: Array = np.maximum(quantile * difference, (quantile - 1.0) * difference)
    return loss


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
