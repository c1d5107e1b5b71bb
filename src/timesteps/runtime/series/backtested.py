"""What a backtest found: the scores of every model on the same windows, and the sentence that says which is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.display import aligned
from timesteps.runtime.distributions import student_t_quantile
from timesteps.runtime.metrics_forecast import ForecastEvaluation, ForecastScores, evaluation_of, scores_of
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.verdict import ForecastVerdict

__all__ = ["Autocorrelation", "Backtest", "ModelResult", "Window", "number"]

_FEWEST = 8  # windows one after the other from which the spread of a difference can be told


@dataclass(frozen=True)
class ModelResult:
    """One model on all windows.

    Args:
        name: as tables call it.
        description: in a line.
        baseline: whether it is one of the bars.
        levels: of its intervals.
        sums: (H, D, K) sums of `measures` over windows; `by_series` (S, K) and `by_window` (W, K): over the other axes.
        seconds: that its forecasts took.
    """

    name: str
    description: str
    baseline: bool
    levels: tuple[float, ...]
    sums: NDArray[np.float64]
    by_series: NDArray[np.float64]
    by_window: NDArray[np.float64]
    seconds: float

    @property
    def evaluation(self) -> ForecastEvaluation:
        """Of all windows, by step of the horizon and by target."""
        return evaluation_of(self.sums, self.levels)

    @property
    def overall(self) -> ForecastScores:
        """Of all numbers."""
        return scores_of(self.sums.sum(axis=(0, 1)), self.levels)

    def of_series(self, number: int) -> ForecastScores:
        """Of one series."""
        return scores_of(self.by_series[number], self.levels)

    def of_window(self, number: int) -> ForecastScores:
        """Of the windows that begin so many strides before the last ones, of all series."""
        return scores_of(self.by_window[number], self.levels)


@dataclass(frozen=True)
class Window:
    """One window in full, to be drawn.

    Args:
        series: name.
        times: (C,) of the past that is shown; `past` (C, D): its targets.
        truth: (H, D) what came.
        forecasts: of each model, in the order of `Backtest.models`.
    """

    series: str | None
    times: NDArray[Any]
    past: NDArray[np.float64]
    truth: NDArray[np.float64]
    forecasts: tuple[Forecast, ...]


@dataclass(frozen=True)
class Autocorrelation:
    """Of errors one step ahead.

    Args:
        values: r_1, r_2, …
        n: errors of a series that they come from, at the most.
        series: how many series, and targets of each, they are the mean of.
    """

    values: tuple[float, ...]
    n: int
    series: int

    @property
    def band(self) -> float:
        """What 95 of 100 values stay below where nothing is left, of one series: 1.96 / √n."""
        return 1.959963984540054 / math.sqrt(self.n)


@dataclass(frozen=True)
class Backtest:
    """All models on the same windows of the same series, and on the same numbers of them.

    Args:
        models: ours first, then the baselines.
        horizon: steps of a window (H); `stride`: from one window to the next.
        season: steps of a season, as MASE and the seasonal baselines have it.
        levels: of the intervals, in percent.
        targets: names (D).
        series: names of the series judged (S); `windows`: how many windows of each.
        origins: times of the last step before the windows, newest first, of the series with the most.
        shown: some windows in full.
        notes: what was left out, and why.
    """

    models: tuple[ModelResult, ...]
    horizon: int
    stride: int
    season: int
    levels: tuple[float, ...]
    targets: tuple[str, ...]
    series: tuple[str | None, ...]
    windows: tuple[int, ...]
    origins: tuple[str, ...]
    shown: tuple[Window, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """What the models are ranked by: MASE, or MAE where no series has a scale."""
        return "MAE" if math.isnan(self.models[0].overall.mase) else "MASE"

    def value(self, scores: ForecastScores) -> float:
        """What `metric` names."""
        return scores.mase if self.metric == "MASE" else scores.mae

    @property
    def best_baseline(self) -> ModelResult | None:
        """The baseline that errs least, the first of equal ones."""
        return min(
            (each for each in self.models if each.baseline), key=lambda each: self.value(each.overall), default=None
        )

    @property
    def verdict(self) -> ForecastVerdict:
        """The first model beside the best baseline, or, where all are baselines, the best of them."""
        ours, best = self.models[0], self.best_baseline
        if best is None or ours.baseline:
            ours = best or ours
            return ForecastVerdict(ours.name, self.metric, self.value(ours.overall))
        values = (self.value(ours.overall), best.name, self.value(best.overall))
        return ForecastVerdict(ours.name, self.metric, *values, self.difference(ours, best))

    def difference(self, one: ModelResult, other: ModelResult) -> tuple[float, float] | None:
        """95 % interval of the difference of two models' errors; None from less than 8 windows one after the other.

        Windows that begin together count once, for what befalls one series befalls its neighbours. Where windows
        overlap, their differences are correlated, and the variance is that of Newey and West 1987 over the overlap;
        Diebold and Mariano 1995 compare forecasts so, corrected for few windows by Harvey, Leybourne and Newbold 1997.
        """
        pairs = [
            (self.value(one.of_window(number)), self.value(other.of_window(number)))
            for number in range(len(one.by_window))
        ]
        each = np.array([a - b for a, b in pairs if not (math.isnan(a) or math.isnan(b))])
        n = len(each)
        if n < _FEWEST:
            return None
        lags = min(-(-self.horizon // self.stride) - 1, n // 2)
        centred = each - each.mean()
        variance = float(centred @ centred) / n
        for lag in range(1, lags + 1):
            variance += 2.0 * (1.0 - lag / (lags + 1.0)) * float(centred[lag:] @ centred[:-lag]) / n
        correction = (n + 1 - 2 * (lags + 1) + lags * (lags + 1) / n) / n
        half = float(student_t_quantile(0.975, np.array(n - 1.0))) * math.sqrt(
            max(variance, 0.0) / (n * max(correction, 1.0 / n))
        )
        middle = self.value(one.overall) - self.value(other.overall)
        return middle - half, middle + half

    @property
    def detail(self) -> str:
        """What the verdict rests on."""
        total, steps = sum(self.windows), f"{self.horizon:,} step{'s' * (self.horizon != 1)}"
        series = f" of {len(self.series):,} series" if len(self.series) > 1 else ""
        said = [f"Judged on {total:,} window{'s' * (total != 1)} of {steps}{series}"]
        covered = [f"{each.coverage:.0f} % by {each.level:g} % intervals" for each in self.models[0].overall.intervals]
        if covered and not math.isnan(self.models[0].overall.intervals[0].coverage):
            said.append(f"covered: {', '.join(covered)}")
        verdict = self.verdict
        if verdict.interval is not None:
            low, high = (f"{end:+.3g}".replace("-", "−") for end in verdict.interval)
            said.append(f"95 % interval of the difference {low} to {high}")
        return "; ".join(said) + "."

    def rows(self) -> list[list[str]]:
        """Errors, as a table for people: a head, then a row a model."""
        head = ["", "MAE", "RMSE", "MASE", "sMAPE", *(["pinball"] if self.levels else [])]
        table = [head]
        for model in self.models:
            scores = model.overall
            row = [model.name, *(number(value) for value in (scores.mae, scores.rmse, scores.mase, scores.smape))]
            table.append(row + ([number(scores.pinball)] if self.levels else []))
        return table

    def interval_rows(self) -> list[list[str]]:
        """Intervals, the same way: of each level the share of targets inside and the mean width; [] without levels."""
        if not self.levels:
            return []
        table = [["", *(name for level in self.levels for name in (f"in {level:g} %", "width"))]]
        for model in self.models:
            row = [model.name]
            for each in model.overall.intervals:
                row += ["–" if math.isnan(each.coverage) else f"{each.coverage:.0f} %", number(each.width)]
            table.append(row)
        return table

    def lines(self) -> list[str]:
        """Both tables, for the terminal."""
        intervals = self.interval_rows()
        return [*aligned(self.rows()), *(["", *aligned(intervals)] if intervals else [])]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it; None for what there is no number of."""
        return {
            "verdict": self.verdict.to_dict() | {"detail": self.detail},
            "horizon": self.horizon,
            "stride": self.stride,
            "season": self.season,
            "levels": list(self.levels),
            "targets": list(self.targets),
            "windows": sum(self.windows),
            "series": len(self.series),
            "models": [self._model(model) for model in self.models],
            "notes": list(self.notes),
        }

    def _model(self, model: ModelResult) -> dict[str, Any]:
        found = model.evaluation
        targets = zip(self.targets, found.by_target, strict=True)
        named = enumerate(zip(self.series, self.windows, strict=True))
        return {
            "name": model.name,
            "description": model.description,
            "baseline": model.baseline,
            "seconds": model.seconds,
            "overall": found.overall.to_dict(),
            "by_horizon": [{"step": step} | each.to_dict() for step, each in enumerate(found.by_horizon, 1)],
            "by_target": [{"target": name} | each.to_dict() for name, each in targets],
            "by_series": [
                {"series": name, "windows": windows} | model.of_series(place).to_dict()
                for place, (name, windows) in named
            ],
        }


def number(value: float) -> str:
    """Three digits that count, for tables.

    >>> number(0.8312), number(123456.0), number(float("nan"))
    ('0.831', '123,456', '–')
    """
    if not math.isfinite(value):
        return "–"
    if value and abs(value) < 1e-4:
        return f"{value:.2g}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}" if abs(value) < 1e7 else f"{value:.3g}"
