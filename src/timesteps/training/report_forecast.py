"""The report of a forecaster: verdict, forecasts against what came, errors, intervals, what is left in the errors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.display import fitted
from timesteps.runtime.metrics_forecast import ForecastScores
from timesteps.runtime.series.backtested import Autocorrelation, Backtest, number
from timesteps.training.report_charts import Line, clean, line_chart
from timesteps.training.report_forecast_charts import (
    CHART_STYLE,
    Curve,
    autocorrelation_chart,
    coverage_chart,
    curve_chart,
    fan_chart,
    key,
)
from timesteps.training.report_frame import frame, write_page
from timesteps.training.report_markup import facts, figure, section, table

__all__ = ["ForecastReport", "write_forecast_report"]

_MOST_STEPS = 12  # rows of the table by step
_MOST_SERIES = 20


@dataclass(frozen=True)
class ForecastReport:
    """What the page shows.

    Args:
        title: over the verdict.
        source: what the model was judged on.
        backtest: of the model, first, and of the baselines.
        residuals: autocorrelation of its errors.
        curves: loss by epoch: "training", "validation"; `best_epoch`: from 1.
        data: facts about the data, names and values; `model` and `settings`: the same.
        command: what was typed.
        written: by what, and when.
    """

    title: str
    source: str
    backtest: Backtest
    residuals: Autocorrelation | None = None
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    best_epoch: int | None = None
    data: Sequence[tuple[str, str]] = ()
    model: Sequence[tuple[str, str]] = ()
    settings: Sequence[tuple[str, str]] = ()
    command: str = ""
    written: str = ""


def write_forecast_report(path: str | PathLike[str], report: ForecastReport) -> Path:
    """Write the page, one file that loads nothing and runs nothing, and return its path.

    Raises:
        UsageError: the file cannot be written.
    """
    return write_page(path, _page(report))


def _page(report: ForecastReport) -> str:
    found = report.backtest
    verdict = found.verdict
    beats = verdict.wins or verdict.baseline is None
    won = verdict.wins and not verdict.unsure
    tone: Literal["", "good", "bad"] = "bad" if not beats else "good" if won else ""
    sections = [
        _comparison(report),
        _forecasts(found),
        _by_step(found),
        _intervals(found),
        _windows(found),
        _residuals(report),
        _by_target(found),
        _by_series(found),
        _learning(report),
        section("Data", "", facts(report.data, wide=True)),
        section("Model", "", facts(report.model, wide=True)),
        section("Settings", "", facts(report.settings)),
        section("Again", "", f"<code>{clean(report.command)}</code>" if report.command else ""),
    ]
    by = f"Written by {report.written or 'timesteps'}. This page loads nothing from elsewhere."
    return frame(report.title, verdict.headline, [found.detail], sections, tone=tone, style=CHART_STYLE, footer=by)


def _bar(found: Backtest) -> int | None:
    """Number of the baseline that charts show."""
    best = found.best_baseline
    return None if best is None or best is found.models[0] else found.models.index(best)


def _drawn(found: Backtest) -> list[tuple[str, int]]:
    """(style, number of the model): ours, the best baseline, and the last value where that is another one."""
    drawn, bar = [("a", 0)], _bar(found)
    if bar is not None:
        drawn.append(("b", bar))
    last = [place for place, each in enumerate(found.models) if each.name == "last value"]
    return drawn + [("c", place) for place in last if place not in (0, bar)]


def _key(found: Backtest, *more: tuple[str, str]) -> str:
    return key([*((style, found.models[place].name) for style, place in _drawn(found)), *more])


def _comparison(report: ForecastReport) -> str:
    found = report.backtest
    intervals = found.interval_rows() or [[""]] * (len(found.models) + 1)
    head, *rows = [[*errors, *more[1:]] for errors, more in zip(found.rows(), intervals, strict=True)]
    cells = []
    for model, row in zip(found.models, rows, strict=True):
        cells.append([f"{clean(model.name)}<small>{clean(model.description)}</small>", *map(clean, row[1:])])
    about = (
        f"All models forecast the same {sum(found.windows):,} windows of {report.source}, {found.horizon:,} steps "
        "each, by nothing after the windows begin, and are judged on the same "
        f"{found.models[0].overall.n:,} numbers."
    )
    notes = "".join(f"<li>{clean(note)}</li>" for note in found.notes)
    season = "the step before" if found.season == 1 else f"{found.season} steps before"
    meaning = (
        f"MASE is the mean absolute error over that of taking the value {season} as the forecast, in the part that was "
        "trained on: below 1 is better than that. sMAPE is in percent. Pinball is the mean loss of the ends of the "
        "intervals, whose shares of targets inside and mean widths follow."
    )
    listed = f'<ul class="note">{notes}</ul>' if notes else ""
    marks = ["" if model.baseline else "ours" for model in found.models]
    return section("Beside the baselines", about, table(head, cells, marks), f'<p class="note">{meaning}</p>', listed)


def _forecasts(found: Backtest) -> str:
    D = len(found.targets)
    charts = []
    for place, window in enumerate(found.shown):
        worst = place == len(found.shown) - 1
        target = _worst_target(window.truth, window.forecasts[0].mean) if worst else place % D
        what = [window.series] if window.series is not None else []
        what += [found.targets[target]] if D > 1 or not what else []
        title = ", ".join(fitted(text, 40) for text in what) + (": where it errs most" if worst else "")
        chart = fan_chart(f"fan-{place}", title, window, target, found.targets[target], _bar(found))
        charts.append(figure(chart, title))
    levels = " and ".join(f"{level:g} %" for level in found.levels)
    about = "The thin black line is what came, unknown to the right of the upright line; the thick one was forecast."
    if levels:
        about += f" Shaded: the intervals of {levels}, the darker the more often it should lie there."
    drawn = [("truth", "what came"), ("fan", found.models[0].name)]
    drawn += [("b", found.models[bar].name)] if (bar := _bar(found)) is not None else []
    return section("Forecasts and what came", about, key(drawn), f'<div class="pair">{"".join(charts)}</div>')


def _worst_target(truth: NDArray[np.float64], mean: NDArray[np.float64]) -> int:
    return int(np.nansum(np.abs(truth - mean), axis=0).argmax())


def _by_step(found: Backtest) -> str:
    each = {place: found.models[place].evaluation.by_horizon for _, place in _drawn(found)}
    curves = [
        Curve(found.models[place].name, style, [found.value(scores) for scores in each[place]])
        for style, place in _drawn(found)
    ]
    chart = curve_chart("steps", "Errors by step", curves, "steps ahead", found.metric)
    H = found.horizon
    shown = sorted({round(place) for place in np.linspace(0, H - 1, min(H, _MOST_STEPS)).tolist()})
    head = ["step", *(fitted(curve.name, 24) for curve in curves)]
    rows = [[str(step + 1), *(number(curve.values[step]) for curve in curves)] for step in shown]
    body = f'<div class="pair"><div>{figure(chart, "Errors by step")}{_key(found)}</div>{table(head, rows)}</div>'
    return section("How far ahead", f"{found.metric} of each step of the horizon.", body if H > 1 else "")


def _intervals(found: Backtest) -> str:
    curves = []
    for style, place in _drawn(found):
        points = [(each.level, each.coverage) for each in found.models[place].overall.intervals]
        if points and not any(math.isnan(share) for _, share in points):
            curves.append((found.models[place].name, style, points))
    if not curves:
        return ""
    chart = coverage_chart("coverage", "Level and coverage", curves)
    rows = []
    for model in found.models:
        for each in model.overall.intervals:
            cells = [f"{each.level:g} %", number(each.coverage) + " %", number(each.width), number(each.pinball)]
            rows.append([clean(model.name), *cells])
    about = (
        "Of 100 targets, 80 should lie within the intervals of 80 %: on the dashed diagonal they do. Below it, a "
        "forecast is surer than it may be; above it, intervals could be narrower."
    )
    listed = table(["", "level", "inside", "mean width", "pinball"], rows)
    body = f'<div class="pair"><div>{figure(chart, "Level and coverage")}{_key(found)}</div>{listed}</div>'
    return section("Intervals", about, body)


def _windows(found: Backtest) -> str:
    n = len(found.models[0].by_window)
    curves = []
    for style, place in _drawn(found):
        values = [found.value(found.models[place].of_window(window)) for window in reversed(range(n))]
        curves.append(Curve(found.models[place].name, style, values))
    texts = list(reversed(found.origins))
    chart = curve_chart("windows", "Errors by window", curves, "last step before the window", found.metric, texts)
    verdict = found.verdict
    note = ""
    if verdict.interval is not None:
        low, high = (number(abs(end)) if end >= 0 else "−" + number(abs(end)) for end in verdict.interval)
        note = f"The difference to {verdict.baseline} has a 95 % interval of {low} to {high}, by windows."
    about = f"Each window of {found.horizon:,} steps alone, {found.stride:,} apart: is it better everywhere, or in one?"
    body = f'<div class="pair"><div>{figure(chart, "Errors by window", note)}{_key(found)}</div></div>'
    return section("Window by window", about, body if n > 1 else "")


def _residuals(report: ForecastReport) -> str:
    found = report.residuals
    if found is None:
        return ""
    chart = autocorrelation_chart("residuals", "Autocorrelation of the errors one step ahead", found)
    outside = [lag for lag, value in enumerate(found.values, 1) if abs(value) > found.band]
    expected = f"{0.05 * len(found.values):.0f}"
    said = f"{len(outside)} of {len(found.values)} lags are outside; chance alone would put about {expected} there."
    if outside:
        said += f" They are {', '.join(map(str, outside[:12]))}{' and more' if len(outside) > 12 else ''}."
    mean = f" Mean over {found.series} series or targets." if found.series > 1 else ""
    about = (
        "Errors one step ahead should not tell those to come. The grey band holds 95 of 100 autocorrelations of "
        f"{found.n} errors of which nothing can be told.{mean}"
    )
    body = f'<div class="pair">{figure(chart, "Autocorrelation of the errors one step ahead", said)}</div>'
    return section("What is left in the errors", about, body)


def _row(name: str, ours: ForecastScores, bar: ForecastScores | None) -> list[str]:
    row = [clean(fitted(name, 60)), number(ours.mae), number(ours.rmse), number(ours.mase), number(ours.smape)]
    return row if bar is None else [*row, number(bar.mae), number(bar.mase)]


def _head(found: Backtest, first: str) -> list[str]:
    bar = _bar(found)
    more = [] if bar is None else [f"{metric}, {found.models[bar].name}" for metric in ("MAE", "MASE")]
    return [first, "MAE", "RMSE", "MASE", "sMAPE", *more]


def _by_target(found: Backtest) -> str:
    bar = _bar(found)
    ours = found.models[0].evaluation.by_target
    theirs = [None] * len(ours) if bar is None else list(found.models[bar].evaluation.by_target)
    rows = [_row(*each) for each in zip(found.targets, ours, theirs, strict=True)]
    return section("Targets", "", table(_head(found, "target"), rows) if len(rows) > 1 else "")


def _by_series(found: Backtest) -> str:
    bar = _bar(found)
    ours = [found.models[0].of_series(place) for place in range(len(found.series))]
    values = [found.value(scores) for scores in ours]
    order = sorted(range(len(ours)), key=lambda place: -values[place] if math.isfinite(values[place]) else math.inf)
    rows = []
    for place in order[:_MOST_SERIES]:
        theirs = None if bar is None else found.models[bar].of_series(place)
        rows.append(_row(str(found.series[place]), ours[place], theirs))
    about = f"The {len(rows)} of {len(ours):,} series that it errs most in." if len(ours) > _MOST_SERIES else ""
    return section("Series", about, table(_head(found, "series"), rows) if len(ours) > 1 else "")


def _learning(report: ForecastReport) -> str:
    lines = [
        Line(name, "b" if name == "training" else "a", [([float(at + 1) for at in range(len(values))], list(values))])
        for name, values in report.curves.items()
        if len(values)
    ]
    best = None if report.best_epoch is None else float(report.best_epoch)
    chart = line_chart("curves", "Loss by epoch", lines, "epoch", "loss", share=False, best=best) if lines else ""
    return section("How it learned", "", f'<div class="pair">{figure(chart, "Loss by epoch")}</div>' if chart else "")
