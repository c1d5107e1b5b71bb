"""What is left in the errors: whether what a model got wrong at one step says what it gets wrong at the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.backtested import Autocorrelation
from timesteps.runtime.series.forecast import ForecastModel
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.tally import spread
from timesteps.tasks.forecast.windows import batches, plan_windows

__all__ = ["autocorrelation", "residual_autocorrelation"]

_ORIGINS = 200  # of a series, the latest ones
_SERIES = 5
_LAGS = 24
_FEWEST = 8  # errors that say something


def autocorrelation(errors: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """r_1 … r_lags of errors (N,), NaN left out: Σ (e_t - ē)(e_(t-k) - ē) / Σ (e_t - ē)²; nan where nothing varies.

    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 2)
    array([-0.75,  0.5 ])
    """
    there = ~np.isnan(errors)
    if not there.any():
        return np.full(lags, np.nan)
    centred = np.where(there, errors - errors[there].mean(), 0.0)
    total = float(centred @ centred)
    if total == 0:
        return np.full(lags, np.nan)
    sums = [float(centred[lag:] @ centred[: max(len(errors) - lag, 0)]) for lag in range(1, lags + 1)]
    return np.array(sums) / total


def residual_autocorrelation(
    model: ForecastModel,
    series: Sequence[Series],
    *,
    season: int = 1,
    start: Sequence[int] | None = None,
    history: int = 1,
    horizon: int = 1,
) -> Autocorrelation | None:
    """Autocorrelation of the errors one step ahead, the mean over up to five series and all targets.

    A good forecast leaves none: about 95 of 100 values lie within ±1.96 / √n. None from too few steps to tell. Whole
    horizons are asked for, and their first steps judged: 1 will do unless the model reads future covariates.
    """
    starts = [each.known // 2 for each in series] if start is None else start
    long = [place for place, each in enumerate(series) if each.known - horizon - max(history, starts[place]) >= _FEWEST]
    if not long:
        return None
    places = [long[number] for number in spread(len(long), _SERIES)]
    chosen, begin = [series[place] for place in places], [starts[place] for place in places]
    plan = plan_windows(chosen, horizon, stride=1, start=begin, history=history, most=_ORIGINS)
    D = chosen[0].targets.shape[1]
    errors = np.full((len(chosen), _ORIGINS, D), np.nan)
    for batch in batches(chosen, plan, horizon):
        found = model.forecast([each for *_, each in batch], horizon, ())
        for (place, rank, origin, _), forecast in zip(batch, found, strict=True):
            errors[place, _ORIGINS - 1 - rank] = chosen[place].targets[origin] - forecast.mean[0]
    n = (~np.isnan(errors)).sum(axis=1)
    lags = int(min(max(_LAGS, 2 * season), 60, n.max() // 3))
    if lags < 1:
        return None
    alone = np.moveaxis(errors, 1, 2).reshape(-1, _ORIGINS)
    each = np.array([autocorrelation(row, lags) for row in alone])
    each = each[~np.isnan(each).any(axis=1)]
    if not len(each):
        return None
    return Autocorrelation(tuple(each.mean(axis=0).tolist()), int(n.max()), len(each))
