"""Backtests: forecasts from many points of the past, each judged by what came, beside those of the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.runtime.metrics_forecast import ForecastScores, check_levels, mase_scale, measures
from timesteps.runtime.series.backtested import Backtest
from timesteps.runtime.series.forecast import Forecast, ForecastModel
from timesteps.runtime.series.series import Series
from timesteps.runtime.series.times import times_text
from timesteps.tasks.forecast.tally import Kept, Tally
from timesteps.tasks.forecast.windows import Plan, batches, plan_windows

__all__ = ["backtest"]

Array = NDArray[np.float64]


def backtest(
    models: Sequence[ForecastModel],
    series: Sequence[Series],
    *,
    horizon: int,
    baselines: Sequence[ForecastModel] = (),
    season: int = 1,
    windows: int | None = None,
    stride: int | None = None,
    levels: Sequence[float] = (80.0, 95.0),
    targets: Sequence[str] = (),
    start: Sequence[int] | None = None,
    history: int = 1,
    source: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Judge models on the last windows of every series, each forecast by nothing after its origin.

    All models are judged on the same numbers: those that are known and that every one of them has forecast. What MASE
    divides by is taken from the steps before `start`, or before the first window where these are too few.

    Args:
        models: ours; the verdict is about the first.
        series: any number; one may be read when it is asked for, for no more than a batch of windows is held.
        horizon: steps of a window.
        baselines: models that are the bar, as of `naive_baselines`.
        season: steps of a season.
        windows: of each series; None: 50, or as many as fit, in the second half of a series where there is no `start`.
        stride: steps from one window to the next; None: the horizon, or less if `windows`, or 8, would not fit.
        levels: of the intervals, in percent.
        targets: names of the targets; () numbers them.
        start: the first step of each series that may be judged, as where its training part ends; None: 0.
        history: steps that a model needs before a window.
        source: file, for messages.
        progress: hears of windows done, and of how many there are.

    Raises:
        UsageError: options that make no sense. DataError: windows that do not fit.

    >>> from timesteps.tasks.forecast.baselines import naive_baselines
    >>> one = Series("a", np.arange(60), np.arange(60.0)[:, None] % 12)
    >>> found = backtest([], [one], horizon=12, baselines=naive_baselines(12), season=12)
    >>> [round(model.overall.mae, 2) for model in found.models], found.windows
    ([3.95, 4.86, 0.0, 0.0], (10,))
    """
    levels = check_levels(levels)
    plan = plan_windows(series, horizon, windows=windows, stride=stride, start=start, history=history, source=source)
    every = [*models, *baselines]
    D = series[0].targets.shape[1]
    tallies = [Tally(plan, horizon, D, levels) for _ in every]
    scales = [_scale(each, plan, place, season) for place, each in enumerate(series)]
    kept = Kept(plan, horizon)
    done, total = 0, sum(map(len, plan.origins))
    for batch in batches(series, plan, horizon):
        forecasts = []
        for model, tally in zip(every, tallies, strict=True):
            began = time.perf_counter()
            forecasts.append(model.forecast([each for *_, each in batch], horizon, levels))
            tally.seconds += time.perf_counter() - began
        stacked = [
            _stacked(found, len(batch), horizon, D, levels, model)
            for found, model in zip(forecasts, every, strict=True)
        ]
        forecast = np.all([np.isfinite(mean) for mean, _, _ in stacked], axis=0)
        bounded = np.all([np.isfinite(low).all(axis=0) & np.isfinite(up).all(axis=0) for _, low, up in stacked], axis=0)
        truth = np.stack([series[place].targets[origin : origin + horizon] for place, _, origin, _ in batch])
        scale = np.stack([scales[place] for place, *_ in batch])
        places, ranks = (np.array(numbers) for numbers in list(zip(*batch, strict=True))[:2])
        for tally, (mean, lower, upper) in zip(tallies, stacked, strict=True):
            tally.add(measures(truth, mean, levels, lower, upper, scale, forecast, bounded), places, ranks)
        for number, (place, rank, origin, _) in enumerate(batch):
            kept.see((place, rank), series[place], origin, [found[number] for found in forecasts], scale[number])
        done += len(batch)
        if progress is not None:
            progress(done, total)
    judged = [place for place, origins in enumerate(plan.origins) if len(origins)]
    results = [
        tally.result(model, number >= len(models), judged)
        for number, (model, tally) in enumerate(zip(every, tallies, strict=True))
    ]
    return Backtest(
        models=tuple(results),
        horizon=horizon,
        stride=plan.stride,
        season=season,
        levels=levels,
        targets=tuple(targets) or tuple(f"target {number + 1}" for number in range(D)),
        series=tuple(series[place].name for place in judged),
        windows=tuple(len(plan.origins[place]) for place in judged),
        origins=_times(series, plan),
        shown=kept.windows(),
        notes=(*plan.notes, *_uncounted(results[0].overall)),
    )


def _scale(series: Series, plan: Plan, place: int, season: int) -> Array:
    """What MASE divides by (D,): of the part trained on, or of all before the first window where that tells nothing."""
    origins, start = plan.origins[place], plan.starts[place]
    if not len(origins):
        return np.full(series.targets.shape[1], np.nan)
    of_training = mase_scale(series.targets[: max(start, 0)], season)
    return np.where(np.isnan(of_training), mase_scale(series.targets[: origins[-1]], season), of_training)


def _stacked(
    found: Sequence[Forecast], windows: int, horizon: int, targets: int, levels: tuple[float, ...], model: ForecastModel
) -> tuple[Array, Array, Array]:
    """Means (B, H, D), lower and upper ends (L, B, H, D)."""
    shapes = {(each.mean.shape, each.lower.shape, each.upper.shape) for each in found}
    ends = (len(levels), horizon, targets)
    if len(found) != windows or shapes != {((horizon, targets), ends, ends)}:
        what = f"{model.name} gave {len(found)} forecasts of shapes {sorted(shapes)}"
        raise ModelError(what, mend=f"{windows} of ({horizon}, {targets}) with {len(levels)} intervals were asked for")
    return (
        np.stack([each.mean for each in found]),
        np.stack([each.lower for each in found], axis=1),
        np.stack([each.upper for each in found], axis=1),
    )


def _times(series: Sequence[Series], plan: Plan) -> tuple[str, ...]:
    """When windows begin, by the series with the most of them."""
    place = max(range(len(series)), key=lambda place: len(plan.origins[place]))
    return tuple(times_text(series[place].times[plan.origins[place] - 1]))


def _uncounted(scores: ForecastScores) -> Iterator[str]:
    if scores.missing:
        yield f"{scores.missing:,} targets are missing and were not judged"
    if scores.unforecast:
        yield f"{scores.unforecast:,} targets were not judged: a model had no forecast of them"
    if scores.scaled < scores.n:
        yield f"MASE is the mean over {scores.scaled:,} of {scores.n:,} numbers: the rest did not change in training"
