"""Forecasts as a picture: the last known steps, those to come, the intervals. Needs matplotlib (extra `plot`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.atomic import atomic_write
from timesteps.runtime.display import fitted
from timesteps.runtime.series.forecast import Forecast
from timesteps.runtime.series.series import Series

__all__ = ["check_plot", "forecast_figure", "plot_forecasts"]

_MOST = 12  # panels of a picture
_PAST = 3  # horizons of the past, at least so many steps:
_LEAST_PAST = 36
_FORMS = (".png", ".svg", ".pdf")
_BLUE, _INK, _GREY = "#1f5fa8", "#1d2024", "#5c636c"

# Families that have Hangul, the likeliest first; the first that is installed stands in for letters that DejaVu lacks.
_HANGUL = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Nanum Gothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "UnDotum",
    "Noto Serif CJK KR",
    "Noto Serif CJK JP",
)


def check_plot(path: str | os.PathLike[str]) -> None:
    """Whether a picture can be made at all, to be asked before the work.

    Raises:
        UsageError: matplotlib is not installed, or the name says no form that is known.
    """
    if Path(path).suffix.lower() not in _FORMS:
        mend = f"name a file that ends in {', '.join(_FORMS)}"
        raise UsageError(f"{option('plot')}: the form of {Path(path).name} is not known", mend=mend)
    _matplotlib()


def plot_forecasts(
    path: str | os.PathLike[str], series: Sequence[Series], forecasts: Sequence[Forecast], targets: Sequence[str]
) -> str:
    """Write a picture of forecasts, at most twelve panels, and say which they are.

    Args:
        path: ends in .png, .svg or .pdf.
        series: that were continued.
        forecasts: of each of them.
        targets: names of their targets.

    Raises:
        UsageError: matplotlib is not installed; the file cannot be written. DataError: there is nothing to draw.
    """
    check_plot(path)
    figure, panels, every = _drawn(series, forecasts, targets)
    with _typeface(), atomic_write(Path(path)) as file:
        figure.savefig(file, format=Path(path).suffix.lower().removeprefix("."), dpi=150)
    return f"{panels} of {every} forecasts" if panels < every else f"{every} forecast{'s' * (every != 1)}"


def forecast_figure(series: Sequence[Series], forecasts: Sequence[Forecast], targets: Sequence[str]) -> Any:
    """The same as a matplotlib `Figure`, for notebooks. Errors as above."""
    _matplotlib()
    return _drawn(series, forecasts, targets)[0]


def _drawn(series: Sequence[Series], forecasts: Sequence[Forecast], targets: Sequence[str]) -> tuple[Any, int, int]:
    _matplotlib()
    from matplotlib.figure import Figure

    every = [(place, target) for place in range(len(forecasts)) for target in range(len(targets))]
    if not every:
        raise DataError("there is no forecast to draw", mend="give a series")
    shown = every[:_MOST]
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 6 else 3
    rows = -(-len(shown) // columns)
    with _typeface():
        figure = Figure(
            figsize=(7.5 if columns == 1 else 5.0 * columns, 4.2 if rows == 1 else 3.1 * rows), layout="constrained"
        )
        axes = figure.subplots(rows, columns, squeeze=False)
        for panel in axes.ravel()[len(shown) :]:
            panel.set_visible(False)
        for panel, (place, target) in zip(axes.ravel(), shown, strict=False):
            _panel(panel, series[place], forecasts[place], target, targets[target], len(targets) > 1)
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=9)
        # Text is measured with the fonts of now, so the layout is made while they are chosen.
        figure.draw_without_rendering()
    return figure, len(shown), len(every)


def _panel(panel: Any, series: Series, forecast: Forecast, target: int, name: str, several: bool) -> None:
    known = series.known
    steps = max(_PAST * len(forecast.times), _LEAST_PAST)
    past = slice(max(known - steps, 0), known)
    times = series.times[past]
    panel.plot(times, series.targets[past, target], color=_INK, linewidth=1.1, label="known")
    # The forecast sets out from the last known number, so that no gap gapes between the two.
    last = np.flatnonzero(~np.isnan(series.targets[past, target]))
    joint = last[-1:] if len(last) and last[-1] == len(times) - 1 else last[:0]
    ahead = np.concatenate([times[joint], forecast.times])
    start = series.targets[past, target][joint]

    def joined(values: Any) -> Any:
        return np.concatenate([start, values[:, target]])

    for number in reversed(range(len(forecast.levels))):
        low, high = joined(forecast.lower[number]), joined(forecast.upper[number])
        shade = 0.16 + 0.14 * (len(forecast.levels) - 1 - number)
        panel.fill_between(
            ahead, low, high, color=_BLUE, alpha=shade, linewidth=0, label=f"{forecast.levels[number]:g} %"
        )
    panel.plot(ahead, joined(forecast.mean), color=_BLUE, linewidth=1.7, linestyle=(0, (5, 1.5)), label="forecast")
    title = [] if series.name is None else [series.name]
    title += [name] if several else []
    if title:
        panel.set_title(fitted(", ".join(title), 60), fontsize=10, loc="left")
    panel.set_ylabel(fitted(name, 40), fontsize=9, color=_GREY)
    panel.set_axisbelow(True)
    panel.grid(axis="y", color="#e9e9e4", linewidth=0.8)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(labelsize=8.5, colors=_GREY, length=0)
    panel.margins(x=0.01)
    if series.times.dtype.kind == "M":
        import matplotlib.dates

        dates: Any = matplotlib.dates
        locator = dates.AutoDateLocator(minticks=3, maxticks=6)
        panel.xaxis.set_major_locator(locator)
        panel.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    else:
        panel.set_xlabel("step", fontsize=9, color=_GREY)


@contextmanager
def _typeface() -> Iterator[None]:
    """Letters that DejaVu Sans lacks come from a family that has Hangul, where one is installed."""
    import matplotlib
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    families = ["DejaVu Sans", *[family for family in _HANGUL if family in there][:1]]
    with matplotlib.rc_context({"font.family": families}):
        yield


def _matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401  # only whether it is there
    except ImportError as error:
        mend = "pip install 'timesteps[plot]'"
        raise UsageError(f"{option('plot')} needs matplotlib, which is not installed", mend=mend) from error
