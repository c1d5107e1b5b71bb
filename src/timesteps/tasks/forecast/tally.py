"""What a backtest adds up while windows pass by, and the few windows that it keeps to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.metrics_forecast import measures_size
from timesteps.runtime.series.backtested import ModelResult, Window
from timesteps.runtime.series.forecast import Forecast, ForecastModel
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.windows import Plan

__all__ = ["Kept", "Tally"]

Array = NDArray[np.float64]

_KEPT = 4  # windows in full, besides the one of the largest errors
_PAST = 3  # horizons of the past that are kept with a window
_LEAST_PAST = 24


class Tally:
    """Sums of the measures of one model: over windows, over all but the series, over all but the place in time."""

    def __init__(self, plan: Plan, horizon: int, targets: int, levels: tuple[float, ...]) -> None:
        K = measures_size(levels)
        self.levels = levels
        self.sums = np.zeros((horizon, targets, K))
        self.by_series = np.zeros((len(plan.origins), K))
        self.by_window = np.zeros((max(map(len, plan.origins)), K))
        self.seconds = 0.0

    def add(self, each: Array, places: NDArray[np.int64], ranks: NDArray[np.int64]) -> None:
        """Measures (B, H, D, K) of windows of these series and places in time."""
        self.sums += each.sum(axis=0)
        of_windows = each.sum(axis=(1, 2))
        np.add.at(self.by_series, places, of_windows)
        np.add.at(self.by_window, ranks, of_windows)

    def result(self, model: ForecastModel, baseline: bool, judged: Sequence[int]) -> ModelResult:
        """All of it, of the series that had a window."""
        return ModelResult(
            name=model.name,
            description=str(getattr(model, "description", "")),
            baseline=baseline,
            levels=self.levels,
            sums=self.sums,
            by_series=self.by_series[list(judged)],
            by_window=self.by_window,
            seconds=self.seconds,
        )


class Kept:
    """Some windows in full: of up to four series, or times, and the one in which the first model errs most."""

    def __init__(self, plan: Plan, horizon: int) -> None:
        judged = [place for place, origins in enumerate(plan.origins) if len(origins)]
        places = [judged[number] for number in spread(len(judged), _KEPT)]
        each = -(-_KEPT // len(places))
        ranks = ((place, rank) for place in places for rank in spread(len(plan.origins[place]), each))
        self._wanted = set(ranks)
        self._past = max(_PAST * horizon, _LEAST_PAST)
        self._found: dict[tuple[int, int], Window] = {}
        self._worst: tuple[float, Window] | None = None

    def see(
        self, key: tuple[int, int], series: Series, origin: int, forecasts: Sequence[Forecast], scale: Array
    ) -> None:
        """One window, by the numbers of its series and of its place in time."""
        mean = forecasts[0].mean
        truth = series.targets[origin : origin + len(mean)]
        errors = np.abs(truth - mean) / np.where(np.isfinite(scale), scale, 1.0)
        there = np.isfinite(errors)
        error = float(errors[there].mean()) if there.any() else 0.0
        worst = self._worst is None or error > self._worst[0]
        if not worst and key not in self._wanted:
            return
        first = max(origin - self._past, 0)
        window = Window(series.name, series.times[first:origin], series.targets[first:origin], truth, tuple(forecasts))
        if worst:
            self._worst = error, window
        if key in self._wanted:
            self._found[key] = window

    def windows(self) -> tuple[Window, ...]:
        """The kept ones, and the one of the largest errors last."""
        return (*self._found.values(), *([self._worst[1]] if self._worst is not None else []))


def spread(count: int, most: int) -> list[int]:
    """At most so many of the numbers 0 … count - 1, from the first to the last.

    >>> spread(3, 4), spread(50, 4)
    ([0, 1, 2], [0, 16, 32, 49])
    """
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most))})
