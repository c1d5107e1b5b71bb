"""A trained forecaster beside the baselines, on what it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from timesteps.data.series import SeriesSet
from timesteps.runtime.forecast.forecaster import TrainedForecaster
from timesteps.runtime.series.backtested import Autocorrelation, Backtest
from timesteps.tasks.forecast.backtest import backtest
from timesteps.tasks.forecast.baselines import naive_baselines
from timesteps.tasks.forecast.baselines_classical import choose_classical
from timesteps.tasks.forecast.residuals import residual_autocorrelation
from timesteps.tasks.forecast.windows import plan_windows
from timesteps.training.report_forecast import ForecastReport, write_forecast_report

__all__ = ["judge_data", "residuals_of", "write_backtest_report"]


def judge_data(
    model: TrainedForecaster,
    data: SeriesSet,
    start: Sequence[int],
    *,
    horizon: int | None = None,
    windows: int | None = None,
    stride: int | None = None,
    levels: Sequence[float] | None = None,
    classical: str = "auto",
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """A backtest of a trained model beside the baselines, on what it has not seen.

    Args:
        model: to be judged.
        data: series that it can read.
        start: the first step of each series that may be judged.
        horizon: steps; None: as many as the model was trained to forecast.
        windows, stride, progress: as in `backtest`.
        levels: of intervals; None: those that the model was calibrated for.
        classical: see `choose_classical`.
        say: hears which baselines are missing.

    Raises:
        UsageError, DataError: as `backtest`.
    """
    horizon = horizon or model.horizon
    chosen = model.forecasting.levels if levels is None else levels
    where: dict[str, Any] = {"start": start, "history": model.context, "source": data.source}
    plan = plan_windows(data.series, horizon, windows=windows, stride=stride, **where)
    fits = sum(map(len, plan.origins)) * len(data.columns.targets)
    bars, note = choose_classical(classical, fits, model.season, model.frequency)
    if note:
        say(note)
    return backtest(
        [model],
        data.series,
        horizon=horizon,
        baselines=[*naive_baselines(model.season, model.frequency), *bars],
        season=model.season,
        windows=windows,
        stride=stride,
        levels=chosen,
        targets=data.columns.targets,
        progress=progress,
        **where,
    )


def residuals_of(model: TrainedForecaster, data: SeriesSet, start: Sequence[int]) -> Autocorrelation | None:
    """Autocorrelation of the model's errors one step ahead, on what it has not seen."""
    horizon = model.horizon if model.columns.future else 1
    return residual_autocorrelation(
        model, data.series, season=model.season, start=start, history=model.context, horizon=horizon
    )


def write_backtest_report(
    path: Path, model: TrainedForecaster, data: SeriesSet, result: Backtest, start: Sequence[int]
) -> None:
    """Show a backtest of new data as an HTML page. Raises UsageError where the file cannot be written."""
    residuals = residuals_of(model, data, start)
    facts = [
        ("source", data.source),
        ("SHA-256", data.sha256),
        ("series", f"{len(data.series):,}"),
        ("frequency", str(data.frequency)),
        ("the model was trained up to", model.forecasting.until),
    ]
    title = f"Backtest of {', '.join(data.columns.targets[:4])}"
    source = Path(data.source).name
    write_forecast_report(path, ForecastReport(title, source, result, residuals=residuals, data=facts))
