"""The bar of classical statistics: AutoETS and AutoARIMA of statsforecast, where it is installed (extra `baselines`).

Exponential smoothing in state space form, its components chosen by AICc (Hyndman, Koehler, Snyder and Grose 2002), and
ARIMA with orders chosen step by step (Hyndman and Khandakar 2008). A model is fitted anew at every origin, so a
backtest takes as many fits as it has windows times targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option
from timesteps.runtime.metrics_forecast import check_levels
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Series
from timesteps.tasks.forecast.baselines import LastValue, NaiveForecast

__all__ = ["CLASSICAL", "Classical", "choose_classical"]

Array = NDArray[np.float64]
Kind = Literal["ets", "arima"]

CLASSICAL = ("auto", "ets", "arima", "none")

_NAMES: dict[Kind, str] = {"ets": "AutoETS", "arima": "AutoARIMA"}
_AUTO_FITS = 1000  # about half a second each: what is fitted without being asked for
_LONGEST = 2000  # values that a fit looks at, the latest ones
_SHORTEST = 10  # values that a fit needs
_LONGEST_SEASON = 24  # of ETS: it would have a parameter for each step of it


@dataclass(frozen=True)
class Classical:
    """One of them as a `ForecastModel`; each target is a series of its own.

    They know no missing values: a fit sees what follows the last one that is missing. Where these are fewer than ten
    values, the last value is the forecast.

    Args:
        kind: "ets" or "arima".
        season: steps of it.
        frequency: of the series, for the times of the steps to come.
    """

    kind: Kind
    season: int = 1
    frequency: Frequency | None = None

    @property
    def name(self) -> str:
        """As tables and reports call it."""
        return _NAMES[self.kind]

    @property
    def description(self) -> str:
        """What it does, in a line."""
        what = "exponential smoothing" if self.kind == "ets" else "ARIMA"
        season = f", season {self._season}" if self._season > 1 else ", no season"
        return f"{what} by statsforecast{season}, fitted anew for each window"

    @property
    def _season(self) -> int:
        return 1 if self.kind == "ets" and self.season > _LONGEST_SEASON else self.season

    def forecast(self, series: Sequence[Series], horizon: int, levels: Sequence[float] = ()) -> list[Forecast]:
        """See `ForecastModel`. Raises UsageError where statsforecast is not installed."""
        levels = check_levels(levels)
        found = NaiveForecast(LastValue(), self.frequency).forecast(series, horizon, levels)
        for each, forecast in zip(series, found, strict=True):
            known = each.targets[: each.known]
            for target in range(known.shape[1]):
                missing = np.flatnonzero(np.isnan(known[:, target]))
                values = known[missing[-1] + 1 if len(missing) else 0 :, target][-_LONGEST:]
                if len(values) >= _SHORTEST:
                    columns = self._fit(values, horizon, levels)
                    forecast.mean[:, target] = columns[0]
                    forecast.lower[:, :, target], forecast.upper[:, :, target] = columns[1], columns[2]
        return found

    def _fit(self, values: Array, horizon: int, levels: tuple[float, ...]) -> tuple[Array, Array, Array]:
        models = _statsforecast()
        season = self._season if len(values) >= 2 * self._season + 3 else 1
        model = getattr(models, self.name)(season_length=season)
        said = model.forecast(y=values, h=horizon, level=list(levels) or None)  # its columns: lo-80.0, hi-80.0, …
        lower = [np.asarray(said[f"lo-{level}"], np.float64) for level in levels]
        upper = [np.asarray(said[f"hi-{level}"], np.float64) for level in levels]
        empty = np.zeros((0, horizon))
        return np.asarray(said["mean"], np.float64), np.array(lower or empty), np.array(upper or empty)


def choose_classical(
    choice: str, fits: int, season: int = 1, frequency: Frequency | None = None
) -> tuple[list[Classical], str]:
    """The classical baselines to be run, and a note on those that are not, or "".

    Args:
        choice: "ets", "arima" or "none"; "auto" is AutoETS where it is installed and there are at most 1,000 fits.
        fits: windows times targets.
        season: steps of it.
        frequency: of the series.

    Raises:
        UsageError: "ets" or "arima" without statsforecast; another word.

    >>> choose_classical("none", 10)
    ([], '')
    """
    if choice not in CLASSICAL:
        raise UsageError(f"{option('classical')} is {choice!r}", mend=f"choose one of {', '.join(CLASSICAL)}")
    if choice == "none":
        return [], ""
    if choice == "auto":
        if find_spec("statsforecast") is None:
            return [], "AutoETS was not run beside: statsforecast is not installed (pip install 'timesteps[baselines]')"
        if fits > _AUTO_FITS:
            return [], f"AutoETS was not run beside: {fits:,} fits would take long; ask for it by name (ets)"
        return [Classical("ets", season, frequency)], ""
    _statsforecast()
    return [Classical("ets" if choice == "ets" else "arima", season, frequency)], ""


def _statsforecast() -> Any:
    try:
        from statsforecast import models
    except ImportError as error:
        mend = "pip install 'timesteps[baselines]'"
        raise UsageError("AutoETS and AutoARIMA call for statsforecast, which is not installed", mend=mend) from error
    return models
