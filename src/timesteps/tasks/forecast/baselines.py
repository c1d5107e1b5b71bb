"""The bars of forecasting: models of one line, which nothing has to be learned for.

With ŷ_t the last known value up to the step t, and m steps a season (Hyndman and Athanasopoulos 2021, section 5.2):

    last value                  f_(t+h) = ŷ_t                              the best there is for a random walk
    drift                       f_(t+h) = ŷ_t + h b_t                      b_t = (ŷ_t - y_first) / (t - first)
    seasonal naive              f_(t+h) = y_(t+h-km)                       k = ⌈h/m⌉, so that t + h - km ≤ t
    seasonal naive + drift   f_(t+h) = y_(t+h-km) + k s_t               s_t = mean of y_u - y_(u-m), u ≤ t

A value that is missing gives way to the last known one before it, of its season where there is one. Intervals are as
wide as the errors h steps ahead from earlier steps of the same series: f ± the quantile of their absolute values.
Nothing is assumed of their distribution, and no step after t is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.metrics_forecast import check_levels
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Series
from timesteps.runtime.series.times import times_after

__all__ = ["Drift", "LastValue", "NaiveForecast", "SeasonalNaive", "naive_baselines"]

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

_ERRORS = 500  # the latest origins, whose errors make the intervals: what was long ago is of less worth
_ENOUGH = 20  # errors that a step of the horizon needs for a quantile of its own


class Rule(Protocol):
    """A rule that continues numbers."""

    @property
    def name(self) -> str:
        """As tables call it."""
        ...

    @property
    def description(self) -> str:
        """What it does, in a line."""
        ...

    def continued(self, known: Array, origins: Steps, horizon: int) -> Array:
        """(N, H, D) forecasts of the steps 1 … H after each of N origins, by `known` (T, D) up to that step; nan where
        nothing is known up to it."""
        ...


@dataclass(frozen=True)
class LastValue:
    """The last known value, for good.

    >>> LastValue().continued(np.array([[1.0], [3.0], [np.nan]]), np.array([0, 2]), 2)[..., 0]
    array([[1., 1.],
           [3., 3.]])
    """

    name = "last value"
    description = "the random walk: nothing changes"

    def continued(self, known: Array, origins: Steps, horizon: int) -> Array:
        """See `Rule`."""
        return np.repeat(_carried(known)[origins][:, None], horizon, axis=1)


@dataclass(frozen=True)
class Drift:
    """The line through the first and the last known value.

    >>> Drift().continued(np.array([[1.0], [3.0], [np.nan]]), np.array([0, 2]), 2)[..., 0]
    array([[1., 1.],
           [7., 9.]])
    """

    name = "drift"
    description = "goes on by the mean change of the whole past"

    def continued(self, known: Array, origins: Steps, horizon: int) -> Array:
        """See `Rule`."""
        ahead = np.arange(1, horizon + 1)[None, :, None] + (origins[:, None] - _last_known(known)[origins])[:, None]
        return _carried(known)[origins][:, None] + ahead * _slopes(known, origins)[:, None]


@dataclass(frozen=True)
class SeasonalNaive:
    """The value of the last season, and the mean change from season to season on top of it if `drift`.

    Args:
        season: steps of it (m).
        drift: add the mean change a season.

    >>> y = np.array([[1.0], [5.0], [2.0], [6.0]])
    >>> SeasonalNaive(2).continued(y, np.array([3]), 3)[..., 0]
    array([[2., 6., 2.]])
    """

    season: int
    drift: bool = False

    @property
    def name(self) -> str:
        """As tables call it."""
        return "seasonal naive + drift" if self.drift else "seasonal naive"

    @property
    def description(self) -> str:
        """What it does, in a line."""
        change = ", plus the mean change a season" if self.drift else ""
        return f"the value {self.season} steps before{change}"

    def continued(self, known: Array, origins: Steps, horizon: int) -> Array:
        """See `Rule`."""
        m = self.season
        ahead = np.arange(1, horizon + 1)
        seasons = -(-ahead // m)
        places = origins[:, None] + (ahead - m * seasons)[None, :]
        seasonal = _carried_by_season(known, m)[np.maximum(places, 0)]
        # Before the first whole season is over, and where a place of the season has never had a value.
        unknown = np.isnan(seasonal) | (places < 0)[..., None]
        found = np.where(unknown, _carried(known)[origins][:, None], seasonal)
        if not self.drift:
            return found
        return found + np.where(unknown, ahead[:, None] / m, seasons[:, None]) * _changes(known, m)[origins][:, None]


@dataclass(frozen=True)
class NaiveForecast:
    """A rule as a `ForecastModel`, with intervals.

    Args:
        rule: what continues the numbers.
        frequency: of the series, for the times of the steps to come; None numbers them on.

    >>> series = Series("a", np.arange(40), np.arange(40.0)[:, None])
    >>> found = NaiveForecast(LastValue()).forecast([series], 2, (80,))[0]
    >>> found.mean.ravel(), found.lower.ravel(), found.upper.ravel()
    (array([39., 39.]), array([38., 37.]), array([40., 41.]))
    """

    rule: Rule
    frequency: Frequency | None = None

    @property
    def name(self) -> str:
        """As tables and reports call it."""
        return self.rule.name

    @property
    def description(self) -> str:
        """What it does, in a line."""
        return self.rule.description

    def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
        """See `ForecastModel`: nan for a target that is never known, and for intervals of a series with a single step.

        Raises:
            DataError: a series without any target. UsageError: a level outside (0, 100), a horizon below 1.
        """
        if horizon < 1:
            raise UsageError(f"{option('horizon')} is {horizon}", mend="forecast one step or more")
        return [self._one(each, horizon, check_levels(levels)) for each in series]

    def _one(self, series: Series, horizon: int, levels: tuple[float, ...]) -> Forecast:
        known = series.targets[: series.known]
        if not len(known):
            what = "the series" if series.name is None else f"series {series.name!r}"
            raise DataError(f"{what} has no known target to go on from", mend="leave it out")
        last = len(known) - 1
        mean = self.rule.continued(known, np.array([last]), horizon)[0]
        halves = self._halves(known, horizon, levels) if levels else np.zeros((0, *mean.shape))
        return Forecast(
            series.name, times_after(series, horizon, self.frequency), mean, levels, mean - halves, mean + halves
        )

    def _halves(self, known: Array, horizon: int, levels: tuple[float, ...]) -> Array:
        """(L, H, D) half widths, nan where there is no error to go by."""
        T, D = known.shape
        origins = np.arange(max(0, T - 1 - _ERRORS), T - 1)
        if not len(origins):
            return np.full((len(levels), horizon, D), np.nan)
        ahead = min(horizon, T - 1)
        padded = np.concatenate([known, np.full((ahead, D), np.nan)])
        came = np.moveaxis(np.lib.stride_tricks.sliding_window_view(padded, ahead, axis=0), -1, 1)[origins + 1]
        errors = np.abs(came - self.rule.continued(known, origins, ahead))
        return _half_widths(errors, horizon, levels)


def naive_baselines(season: int = 1, frequency: Frequency | None = None) -> list[NaiveForecast]:
    """All of them; the seasonal ones where a season has more than one step.

    >>> [model.name for model in naive_baselines(12)]
    ['last value', 'drift', 'seasonal naive', 'seasonal naive + drift']
    """
    rules: list[Rule] = [LastValue(), Drift()]
    if season > 1:
        rules += [SeasonalNaive(season), SeasonalNaive(season, drift=True)]
    return [NaiveForecast(rule, frequency) for rule in rules]


def _half_widths(errors: Array, horizon: int, levels: tuple[float, ...]) -> Array:
    """Quantiles of absolute errors (N, A, D), NaN where there is none, as half widths (L, H, D).

    The quantile is the conformal one, the ⌈(n + 1) p⌉-th smallest of n errors, or the largest where that is beyond n.
    Steps with less than `_ENOUGH` errors get the width of the last step before them that has enough, times the root of
    how much further they are: as of a random walk.
    """
    ordered = np.sort(np.where(np.isnan(errors), np.inf, errors), axis=0)
    n = np.isfinite(ordered).sum(axis=0)
    steps = np.arange(1, horizon + 1)
    halves = np.full((len(levels), horizon, errors.shape[2]), np.nan)
    for target in range(errors.shape[2]):
        enough = np.flatnonzero(n[:, target] >= min(_ENOUGH, int(n[:, target].max())))
        if not n[:, target].any():
            continue
        last = np.clip(np.searchsorted(enough, steps - 1, side="right") - 1, 0, None)
        source = enough[last]
        growth = np.sqrt(steps / (source + 1.0))
        for number, level in enumerate(levels):
            place = np.ceil((n[source, target] + 1) * level / 100.0).astype(np.int64) - 1
            place = np.minimum(place, n[source, target] - 1)
            halves[number, :, target] = ordered[place, source, target] * growth
    return halves


def _last_known(known: Array) -> NDArray[np.int64]:
    """(T, D) the latest step up to each that is known; -1 where none is."""
    steps = np.where(np.isnan(known), -1, np.arange(len(known))[:, None])
    latest: NDArray[np.int64] = np.maximum.accumulate(steps, axis=0)
    return latest


def _carried(known: Array) -> Array:
    """(T, D) the latest known value up to each step; nan where none is."""
    latest = _last_known(known)
    return np.where(latest < 0, np.nan, np.take_along_axis(known, np.maximum(latest, 0), axis=0))


def _carried_by_season(known: Array, season: int) -> Array:
    """(T, D) each value, or the latest known one of its place in the season."""
    T, D = known.shape
    rows = -(-T // season)
    padded = np.concatenate([known, np.full((rows * season - T, D), np.nan)])
    return _carried(padded.reshape(rows, season * D)).reshape(rows * season, D)[:T]


def _changes(known: Array, season: int) -> Array:
    """(T, D) the mean change from one season to the next up to each step; 0 where none is known."""
    changes = np.zeros_like(known)
    changes[season:] = known[season:] - known[: max(len(known) - season, 0)]
    there = ~np.isnan(changes)
    there[:season] = False
    pairs = np.cumsum(there, axis=0)
    found: Array = np.cumsum(np.where(there, changes, 0.0), axis=0) / np.maximum(pairs, 1)
    return found


def _slopes(known: Array, origins: Steps) -> Array:
    """(N, D) the mean change a step from the first to the latest known value up to each origin; 0 from one value."""
    there = ~np.isnan(known)
    first = np.where(there.any(axis=0), there.argmax(axis=0), 0)
    latest = _last_known(known)[origins]
    steps = latest - first
    change = _carried(known)[origins] - known[first, np.arange(known.shape[1])]
    return np.where(steps > 0, change / np.maximum(steps, 1), np.where(latest >= 0, 0.0, np.nan))
