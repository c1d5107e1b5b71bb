"""A forecaster trained by its defaults on each task, judged beside the rules that need no training."""

from __future__ import annotations

import time
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.forecast.sets import Task, Window, cut
from timesteps.runtime.metrics_forecast import ForecastScores, evaluate_forecasts, mase_scale
from timesteps.runtime.series.forecast import ForecastModel
from timesteps.tasks.forecast.baselines import Drift, LastValue, Rule, SeasonalNaive
from timesteps.tasks.forecast.choices import choose
from timesteps.tasks.forecast.fitting import Fitted, fit_series

LEVELS = (80.0, 95.0)
_BATCH = 256  # windows that are forecast at once

Array = NDArray[np.float64]


def fitted(task: Task, seed: int, **choices: Any) -> tuple[Fitted, float, list[str]]:
    """A forecaster of what comes before the first origin, the seconds of it, and what it said."""
    said: list[str] = []
    asked = choose(horizon=task.horizon, random_state=seed, **{**task.choices, **choices})
    begin = time.perf_counter()
    found = fit_series(task.train, task.columns, task.frequency, asked, say=said.append)
    return found, time.perf_counter() - begin, said


def judged(task: Task, model: ForecastModel, windows: list[Window]) -> ForecastScores:
    """Scores of a model's forecasts from these origins."""
    means, lower, upper = [], [], []
    for first in range(0, len(windows), _BATCH):
        known = [_before(task, window) for window in windows[first : first + _BATCH]]
        for found in model.forecast(known, task.horizon, LEVELS):
            means.append(found.mean)
            lower.append(found.lower)
            upper.append(found.upper)
    return _scores(task, windows, np.stack(means), np.stack(lower, axis=1), np.stack(upper, axis=1))


def by_rule(task: Task, rule: Rule, windows: list[Window]) -> ForecastScores:
    """Scores of a rule, without intervals."""
    means = np.empty((len(windows), task.horizon, task.series[0].targets.shape[1]))
    places = np.array([place for place, _ in windows])
    for place in np.unique(places).tolist():
        rows = np.flatnonzero(places == place)
        origins = np.array([windows[row][1] - 1 for row in rows])
        means[rows] = rule.continued(task.series[place].targets, origins, task.horizon)
    none = np.zeros((0, *means.shape))
    return _scores(task, windows, means, none, none)


def rules(task: Task) -> dict[str, dict[str, Any]]:
    """Figures of the rules at all origins."""
    found = (LastValue(), Drift(), SeasonalNaive(task.season), SeasonalNaive(task.season, drift=True))
    return {rule.name: figures(by_rule(task, rule, task.windows)) for rule in found}


def figures(scores: ForecastScores) -> dict[str, Any]:
    """What is written of scores."""
    found = {"mse": scores.rmse**2, "mae": scores.mae, "mase": scores.mase, "smape": scores.smape}
    coverage = {f"{each.level:g}": {"covered": each.coverage, "width": each.width} for each in scores.intervals}
    return found | ({"intervals": coverage, "pinball": scores.pinball} if coverage else {})


def measure(task: Task, seed: int) -> dict[str, Any]:
    """One seed: figures of the forecaster as its defaults make it."""
    found, seconds, said = fitted(task, seed)
    begin = time.perf_counter()
    scores = judged(task, found.model, task.windows)
    thinned = judged(task, found.model, task.windows[:: task.thinned])
    return figures(scores) | {
        "thinned": figures(thinned),
        "windows": len(task.windows),
        "training_seconds": seconds,
        "forecasting_seconds": time.perf_counter() - begin,
        "fit": found.figures,
        "said": said,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation, smallest and largest."""
    deviation = stdev(values) if len(values) > 1 else 0.0
    return {"mean": fmean(values), "stdev": deviation, "lowest": min(values), "highest": max(values)}


def _before(task: Task, window: Window) -> Any:
    place, origin = window
    return cut(task.series[place], 0 if task.history is None else max(0, origin - task.history), origin)


def _scores(task: Task, windows: list[Window], means: Array, lower: Array, upper: Array) -> ForecastScores:
    truth = np.stack([task.series[place].targets[origin : origin + task.horizon] for place, origin in windows])
    scales = [
        mase_scale(each.targets[:start], task.season) for each, start in zip(task.series, task.starts, strict=True)
    ]
    scale = np.stack([scales[place] for place, _ in windows])
    levels = LEVELS if len(lower) else ()
    return evaluate_forecasts(truth, means, levels=levels, lower=lower, upper=upper, scale=scale).overall
