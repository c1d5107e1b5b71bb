"""`Forecaster`: series continued by a recurrent network, with honest intervals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from timesteps.errors import UsageError
from timesteps.runtime.series.backtested import Backtest
from timesteps.runtime.series.forecast import Forecast, ForecastModel
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series
from timesteps.runtime.spec import (
    BaseName,
    CalendarName,
    CellName,
    CentreName,
    ForecastModelName,
    LossName,
    ScalingName,
    TransformName,
)
from timesteps.tasks.forecast.backtest import backtest
from timesteps.tasks.forecast.baselines import naive_baselines
from timesteps.tasks.forecast.choices import ForecastChoices
from timesteps.tasks.forecast.continuing import first_unseen_step
from timesteps.tasks.forecast.fitting import fit_series
from timesteps.tasks.forecast.plot import forecast_figure, plot_forecasts
from timesteps.tasks.forecast.reading import columns_named, given_series
from timesteps.tasks.forecast.table import TableKind, forecast_table, kind_of_table
from timesteps.training.progress import quiet, terminal
from timesteps.training.settings import EngineChoice, OptimizerName, ScheduleName

__all__ = ["Forecaster"]


class Forecaster(BaseEstimator):  # type: ignore[misc]
    """Continue series by a recurrent network that corrects a simple forecast, and say how sure it is.

    The network reads a window of each series, brought to one scale, and says for every step of the horizon how far the
    series will be from the base (the last value, the value a season ago, or the drift). On the last part of every
    series, which training does not see, it is found how much of that correction is worth taking, and how wide intervals
    must be to hold what they promise. So where nothing can be learned, the forecast is the base.

    Parameters
    ----------
    horizon, context_length, model, cell, hidden_size, num_layers, members, loss, quantiles, base, season, segment,
    transform, scaling, centre, calendar, independent, levels, conformal, validation, max_windows, dropout,
    input_dropout, recurrent_dropout, epochs, batch_size, optimizer, learning_rate, weight_decay, schedule, warmup,
    clip_norm, ema, patience, engine, random_state, threads : as in `timesteps.tasks.forecast.choices.ForecastChoices`.
    verbose : say on standard error what was found, chosen and reached.

    Attributes
    ----------
    model_ : the trained `TrainedForecaster`, as `timesteps.load_forecaster` would give it.
    history_ : one dict an epoch; losses are of the corrections, in units of the windows' scales.
    series_, columns_, frequency_ : what it was fitted on.
    figures_ : windows, base, shares, engine.

    Examples
    --------
    >>> import numpy as np
    >>> from timesteps import Forecaster
    >>> t = np.arange(300)
    >>> model = Forecaster(horizon=12, season=12, context_length=24, hidden_size=8, epochs=2)
    >>> model = model.fit(10 + np.sin(2 * np.pi * t / 12))
    >>> table = model.predict(levels=(80,))
    >>> list(table), table["mean"][:3].round(1)
    (['step', 'target', 'mean', 'lower_80', 'upper_80'], array([10. , 10.5, 10.9]))
    """

    def __init__(
        self,
        *,
        horizon: int = 24,
        context_length: int | None = None,
        season: int | None = None,
        segment: int | None = None,
        model: ForecastModelName = "direct",
        cell: CellName = "gru",
        hidden_size: int | None = None,
        num_layers: int = 1,
        members: int = 1,
        loss: LossName | None = None,
        quantiles: tuple[float, ...] | None = None,
        base: BaseName | Literal["auto"] = "auto",
        transform: TransformName | Literal["auto"] = "auto",
        scaling: ScalingName | Literal["auto"] = "auto",
        centre: CentreName = "last",
        calendar: tuple[CalendarName, ...] | None = None,
        independent: bool = True,
        levels: tuple[float, ...] = (80.0, 95.0),
        conformal: Literal["symmetric", "asymmetric", "none"] = "symmetric",
        validation: float = 0.15,
        max_windows: int | None = 200_000,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        epochs: int | None = None,
        batch_size: int = 64,
        optimizer: OptimizerName = "adam",
        learning_rate: float | None = None,
        weight_decay: float = 0.0,
        schedule: ScheduleName = "linear",
        warmup: float = 0.05,
        clip_norm: float | None = 1.0,
        ema: float = 0.0,
        patience: int | None = 5,
        engine: EngineChoice = "auto",
        random_state: int = 0,
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.horizon = horizon
        self.context_length = context_length
        self.season = season
        self.segment = segment
        self.model = model
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.members = members
        self.loss = loss
        self.quantiles = quantiles
        self.base = base
        self.transform = transform
        self.scaling = scaling
        self.centre = centre
        self.calendar = calendar
        self.independent = independent
        self.levels = levels
        self.conformal = conformal
        self.validation = validation
        self.max_windows = max_windows
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.ema = ema
        self.patience = patience
        self.engine = engine
        self.random_state = random_state
        self.threads = threads
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: None = None,
        *,
        time: str | None = None,
        target: str | Sequence[str] | None = None,
        group: str | None = None,
        past: str | Sequence[str] = (),
        future: str | Sequence[str] = (),
        static: str | Sequence[str] = (),
        frequency: Frequency | None = None,
        **reading: Any,
    ) -> Self:
        """Train on series. Returns self.

        Args:
            X: a frame of pandas, polars or pyarrow, or the path of a file, in long format; an array (T,) or (T, D) of
                one series, a list of such arrays, or a list of `timesteps.runtime.series.series.Series`.
            y: nothing; for scikit-learn's sake.
            time, target, group, past, future, static: names of columns; see `Columns`. What is left out is guessed,
                and said with `verbose`.
            frequency: of the steps; None: inferred.
            reading: further options of `timesteps.data.series.read_series`.

        Raises:
            DataError: data that cannot be used; the message names the file and the row, or the series.
            UsageError: parameters that make no sense.
        """
        choices = self._choices()
        columns = columns_named(target, time, group, past, future, static)
        given = given_series(X, columns, frequency, self._say, **reading)
        fitted = fit_series(
            given.series,
            given.columns,
            given.frequency,
            choices,
            progress=terminal() if self.verbose else quiet(),
            say=self._say,
        )
        self.series_, self.columns_, self.frequency_ = given
        self.model_, self.figures_ = fitted.model, fitted.figures
        self.history_ = [row for history in fitted.histories for row in history.rows]
        self._kind: TableKind = kind_of_table(X)
        return self

    def forecast(self, X: Any = None, horizon: int | None = None, levels: Sequence[float] = (80, 95)) -> list[Forecast]:
        """As `predict`, as one `Forecast` a series."""
        check_is_fitted(self, "model_")
        return self.model_.forecast(self._read(X), horizon, levels)

    def predict(self, horizon: int | None = None, levels: Sequence[float] = (80, 95), X: Any = None) -> Any:
        """The steps that follow, as a table: time, series, target, mean, and the ends of the intervals.

        Args:
            horizon: steps; None: as many as in training. More are forecast from forecasts, as if they had happened.
            levels: of central intervals, in percent; () for none.
            X: series to continue, with the columns of training; None: those that it was fitted on. Rows after the last
                one with a target are the time to come, of which future covariates are read.

        Returns:
            A frame of the kind that X, or the data of `fit`, came in; else a dict of arrays. Long format: one row a
            step, series and target.

        Raises:
            DataError: series that the model cannot continue, by name.
            UsageError: a horizon or levels that it cannot give.
        """
        found = self.forecast(X, horizon, levels)
        return forecast_table(found, self.columns_, self._kind if X is None else kind_of_table(X))

    def backtest(
        self,
        X: Any = None,
        *,
        windows: int | None = None,
        stride: int | None = None,
        levels: Sequence[float] | None = None,
        baselines: Sequence[ForecastModel] | None = None,
    ) -> Backtest:
        """Judge the model on windows that it has not seen, beside the last value, the drift and the seasonal naive.

        Args:
            X: series that go on after those of `fit`; only what comes later than all of these is judged.
            windows: of each series; None: 50, or as many as there is room for.
            stride: steps from one window to the next; None: the horizon.
            levels: of intervals; None: those that were calibrated.
            baselines: forecast models to stand beside; None: the simple ones.

        Raises:
            UsageError: no X. DataError: series with nothing after those of training.
        """
        check_is_fitted(self, "model_")
        if X is None:
            mend = "give series that go on after those of fit"
            raise UsageError("a backtest needs what the model has not seen", mend=mend)
        model, series = self.model_, self._read(X)
        return backtest(
            [model],
            series,
            horizon=model.horizon,
            baselines=naive_baselines(model.season, model.frequency) if baselines is None else baselines,
            season=model.season,
            windows=windows,
            stride=stride,
            levels=model.forecasting.levels if levels is None else levels,
            targets=model.columns.targets,
            start=[first_unseen_step(model, each) for each in series],
            history=model.context,
        )

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        horizon: int | None = None,
        levels: Sequence[float] = (80, 95),
        X: Any = None,
    ) -> Any:
        """The forecast with what came before: written to a file whose name is returned or, without `path`, a figure.

        Args:
            path: of a png, svg or pdf.
            horizon, levels, X: as in `predict`.
        """
        check_is_fitted(self, "model_")
        series = self._read(X)
        forecasts = self.model_.forecast(series, horizon, levels)
        targets = self.model_.columns.targets
        if path is None:
            return forecast_figure(series, forecasts, targets)
        return plot_forecasts(path, series, forecasts, targets)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file, for `timesteps.load_forecaster`."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def _read(self, X: Any) -> list[Series]:
        if X is None:
            return self.series_
        columns: Columns = self.columns_
        return given_series(X, columns, self.frequency_, self._say).series

    def _choices(self) -> ForecastChoices:
        values = self.get_params(deep=False)
        del values["verbose"]
        for name in ("quantiles", "levels", "calendar"):
            values[name] = None if values[name] is None else tuple(values[name])
        return ForecastChoices(**values)

    @property
    def _say(self) -> Callable[[str], None]:
        return partial(print, file=sys.stderr, flush=True) if self.verbose else _silent


def _silent(_: str) -> None:
    """Nobody listens."""
