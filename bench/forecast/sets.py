"""The data sets, and which part of each is trained on, chosen by and judged. Found through TIMESTEPS_DATA."""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from csv import DictReader
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series

__all__ = ["TASKS", "Task", "Window"]

Row = dict[str, str]
Window = tuple[int, int]
"""A series by its place, and the number of steps that were known."""

_AGGREGATES = {"Advanced economies", "Emerging market economies (aggregate)", "Euro area", "World"}


@dataclass(frozen=True)
class Task:
    """What is forecast of which series, from which origins.

    Args:
        name: of the task.
        what: it is, in words.
        series: all of them, to the end.
        columns, frequency: of the series.
        horizon: steps ahead.
        season: of the seasonal baselines and of what MASE divides by.
        starts: of each series, the first step that is judged: training and choosing see nothing from there on.
        figure: which figure was asked for: the mean squared error, or the mean absolute one, scaled or not.
        choices: of the forecaster, besides the horizon.
        thinned: models that are fitted anew at every origin are judged at every so many-th.
        history: steps that a window is handed over with; None: all of them.
    """

    name: str
    what: str
    series: tuple[Series, ...]
    columns: Columns
    frequency: Frequency
    horizon: int
    season: int
    starts: tuple[int, ...]
    figure: Literal["mse", "mase", "mae"]
    thinned: int = 3
    choices: dict[str, Any] = field(default_factory=dict)
    history: int | None = None

    @property
    def train(self) -> list[Series]:
        """What may be seen before the first origin."""
        return [cut(each, 0, start) for each, start in zip(self.series, self.starts, strict=True)]

    @property
    def windows(self) -> list[Window]:
        """All origins whose horizon is known to its end."""
        found = []
        for place, (each, start) in enumerate(zip(self.series, self.starts, strict=True)):
            found += [(place, origin) for origin in range(start, each.known - self.horizon + 1)]
        return found


def cut(series: Series, first: int, last: int) -> Series:
    """Some steps of a series."""
    part = slice(first, last)
    return Series(
        series.name, series.times[part], series.targets[part], series.past[part], series.future[part], series.static
    )


def _rows(path: str) -> list[Row]:
    with lzma.open(Path(os.environ["TIMESTEPS_DATA"]) / path, "rt", encoding="utf-8", newline="") as file:
        return list(DictReader(file))


def _times(texts: list[str]) -> NDArray[Any]:
    return np.array([text.replace(" ", "T") for text in texts], "datetime64[us]")


def _one(name: str | None, texts: list[str], numbers: NDArray[np.float64]) -> Series:
    return Series(name, _times(texts), numbers.reshape(len(texts), -1))


def ett(horizon: int, context: int) -> Task:
    """ETTh1: 12 months to train on, 4 to choose by, 4 to judge; every hour is an origin."""
    trained, chosen, judged = 8640, 2880, 2880
    rows = _rows("ETT/ETTh1.csv.xz")[: trained + chosen + judged]
    names = tuple(name for name in rows[0] if name != "date")
    numbers = np.array([[float(row[name]) for name in names] for row in rows])
    numbers = (numbers - numbers[:trained].mean(axis=0)) / numbers[:trained].std(axis=0)
    return Task(
        name=f"etth1-{horizon}",
        what=f"ETTh1, 7 variables, standardised, {horizon} hours ahead",
        series=(_one(None, [row["date"] for row in rows], numbers),),
        columns=Columns(targets=names, time="date"),
        frequency=Frequency("hour"),
        horizon=horizon,
        season=24,
        starts=(trained + chosen,),
        figure="mse",
        thinned=97,  # no divisor of a day: how far ahead is easy depends on the hour
        choices={"context_length": context, "validation": float(chosen)},
        history=2 * 336,
    )


def case_shiller(consistent: bool = True) -> Task:
    """Case-Shiller: the last 48 months are judged.

    The file's columns are mixed up: an index is 100 in January 2000, and of six columns it is not, for they begin at
    another month than the file says. They know the crash of 2007 before the others: only the `consistent` ones are
    judged, and trained on.
    """
    rows = _rows("house_prices_us/cities-month-NSA.csv.xz")
    month = [row["Date"] for row in rows].index("2000-01-01")
    series = []
    for name in rows[0]:
        if name == "Date" or (consistent and rows[month][name] != "100.000"):
            continue
        known = [row for row in rows if row[name] and float(row[name]) > 0]  # zeros stand for what is not known
        series.append(_one(name, [row["Date"] for row in known], np.array([float(row[name]) for row in known])))
    return Task(
        name="case-shiller" if consistent else "case-shiller-as-given",
        what=f"Case-Shiller, {len(series)} series" + ("" if consistent else " as the file has them"),
        series=tuple(series),
        columns=Columns(targets=("index",), time="Date", group="city"),
        frequency=Frequency("month"),
        horizon=12,
        season=12,
        starts=tuple(len(each) - 48 for each in series),
        figure="mase",
    )


def bis() -> Task:
    """BIS real house prices: Korea and the 20 countries with the longest series; the last ten years are judged."""
    found: dict[str, list[Row]] = {}
    for row in _rows("house_prices_bis/real_index.csv.xz"):
        found.setdefault(row["country"], []).append(row)
    longest = sorted((name for name in found if name not in _AGGREGATES), key=lambda name: (-len(found[name]), name))
    chosen = ["Korea", *[name for name in longest if name != "Korea"][:20]]
    series = [
        _one(name, [row["date"] for row in found[name]], np.array([float(row["price"]) for row in found[name]]))
        for name in chosen
    ]
    return Task(
        name="bis",
        what="BIS real house prices, Korea and 20 countries",
        series=tuple(series),
        columns=Columns(targets=("price",), time="date", group="country"),
        frequency=Frequency("quarter"),
        horizon=4,
        season=4,
        starts=tuple(int(np.searchsorted(each.times, np.datetime64("2016-01-01"))) for each in series),
        figure="mase",
    )


def stocks() -> Task:
    """Daily closes, adjusted: the last 500 days are judged; FB is too short to be trained on before them."""
    found: dict[str, list[Row]] = {}
    for row in _rows("stocks/bokeh_stocks.csv.xz"):
        found.setdefault(row["Ticker"], []).append(row)
    series = [
        _one(name, [row["Date"] for row in rows], np.array([float(row["Adj Close"]) for row in rows]))
        for name, rows in found.items()
        if len(rows) > 1000
    ]
    return Task(
        name="stocks",
        what=f"{', '.join(str(each.name) for each in series)}, daily closes, 5 days ahead",
        series=tuple(series),
        columns=Columns(targets=("close",), time="Date", group="Ticker"),
        frequency=Frequency("business day"),
        horizon=5,
        season=5,
        starts=tuple(len(each) - 500 for each in series),
        figure="mae",
        thinned=31,
    )


TASKS: dict[str, Callable[[], Task]] = {
    "etth1-24": lambda: ett(24, 336),
    "etth1-168": lambda: ett(168, 336),
    "case-shiller": case_shiller,
    "case-shiller-as-given": lambda: case_shiller(consistent=False),
    "bis": bis,
    "stocks": stocks,
}
