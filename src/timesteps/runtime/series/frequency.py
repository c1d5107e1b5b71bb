"""`Frequency`: how far apart the steps of a series are, and when the next ones come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Frequency", "Unit"]

Unit = Literal[
    "step", "microsecond", "millisecond", "second", "minute", "hour", "day", "business day", "week", "month",
    "quarter", "year",
]  # fmt: skip

_SEASONS: dict[Unit, int] = {
    "second": 60,
    "minute": 60,
    "hour": 24,
    "day": 7,
    "business day": 5,
    "week": 52,
    "month": 12,
    "quarter": 4,
}
_MICROS: dict[Unit, int] = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
_MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}
_NEAR_END = 3  # days from a month's last day to its last business day, at most; and from its first to its first one


@dataclass(frozen=True)
class Frequency:
    """`every` units from one step to the next; "step" where there are no times.

    Args:
        unit: of the calendar; months, quarters and years keep the day of the month, or its end.
        every: how many of them.
        regular: False where steps come when they come: then `every` units are the median distance.

    >>> Frequency("month").after(np.datetime64("2024-12-31T00:00:00", "us"), 2).astype("datetime64[D]").tolist()
    [datetime.date(2025, 1, 31), datetime.date(2025, 2, 28)]
    >>> Frequency("hour").season, Frequency("minute", 30).season
    (24, 48)
    >>> print(Frequency("hour"), Frequency("minute", 30), Frequency("day", regular=False), sep=", ")
    every hour, every 30 minutes, irregular, about a day apart
    """

    unit: Unit
    every: int = 1
    regular: bool = True

    def __str__(self) -> str:
        units = f"{self.every} {self.unit}s"
        if self.regular:
            return f"every {self.unit if self.every == 1 else units}"
        article = "an" if self.unit == "hour" else "a"
        return f"irregular, about {f'{article} {self.unit}' if self.every == 1 else units} apart"

    @property
    def season(self) -> int:
        """Steps of the usual season: a day of hours and minutes, an hour of seconds, a week of days (five of business
        days), a year of weeks, months and quarters; 1 where there is none, or where `every` does not divide it."""
        steps = 1440 if self.unit == "minute" and self.every > 1 else _SEASONS.get(self.unit, 1)
        return steps // self.every if steps % self.every == 0 else 1

    def after(self, last: Any, steps: int) -> NDArray[Any]:
        """The next time stamps (steps,) after `last`, as `Series.times` has them."""
        return self.at(last, np.arange(1, steps + 1))

    def at(self, first: ArrayLike, steps: ArrayLike) -> NDArray[Any]:
        """The time stamps so many steps after `first`, which are of one shape, or of shapes that broadcast.

        >>> Frequency("quarter").at(np.datetime64("2024-03-31"), [0, 1, 4]).astype("datetime64[D]").astype(str).tolist()
        ['2024-03-31', '2024-06-30', '2025-03-31']
        """
        count = self.every * np.asarray(steps, np.int64)
        if self.unit == "step":
            return np.asarray(np.asarray(first, np.int64) + count)
        start = np.asarray(first, "datetime64[us]")
        if self.unit in _MICROS:
            return np.asarray(start + count * np.timedelta64(_MICROS[self.unit], "us"))
        day = start.astype("datetime64[D]")
        clock = start - day
        if self.unit == "business day":
            return np.asarray(np.busday_offset(day, count, roll="backward") + clock)
        month = day.astype("datetime64[M]")
        number = (day - month.astype("datetime64[D]")).astype(np.int64)
        at_end = number == _last_day(month)
        then = month + count * _MONTHS[self.unit]
        last = _last_day(then)
        return np.asarray(then.astype("datetime64[D]") + np.where(at_end, last, np.minimum(number, last)) + clock)

    def steps_from(self, first: ArrayLike, times: ArrayLike) -> NDArray[np.float64]:
        """How many steps after `first` the time stamps come: the inverse of `at`, NaN for those between two steps.

        A month's step may come on the same day of the month as `first`, at the month's end as `first` does, or both on
        one of its last four days or one of its first four, as the last and the first business day do.

        >>> Frequency("month").steps_from("2024-01-31", ["2024-01-31", "2024-04-30", "2024-05-15"]).tolist()
        [0.0, 3.0, nan]
        """
        if self.unit == "step":
            return _whole(np.asarray(times, np.int64) - np.asarray(first, np.int64), self.every)
        start, then = np.asarray(first, "datetime64[us]"), np.asarray(times, "datetime64[us]")
        if self.unit in _MICROS:
            return _whole((then - start).astype(np.int64), self.every * _MICROS[self.unit])
        days = start.astype("datetime64[D]"), then.astype("datetime64[D]")
        same_clock = (start - days[0]) == (then - days[1])
        if self.unit == "business day":
            fits = same_clock & np.is_busday(days[1]) & np.is_busday(days[0])
            return np.where(fits, _whole(np.busday_count(days[0], days[1]), self.every), np.nan)
        months = days[0].astype("datetime64[M]"), days[1].astype("datetime64[M]")
        day = [
            (each - month.astype("datetime64[D]")).astype(np.int64) for each, month in zip(days, months, strict=True)
        ]
        left = [_last_day(month) - number for month, number in zip(months, day, strict=True)]
        fits = (day[0] == day[1]) | ((left[1] == 0) & (day[0] > day[1]))
        for distance in (day, left):
            fits |= (distance[0] <= _NEAR_END) & (distance[1] <= _NEAR_END)
        found = _whole((months[1] - months[0]).astype(np.int64), self.every * _MONTHS[self.unit])
        return np.where(fits & same_clock, found, np.nan)


def _whole(distance: NDArray[np.int64], step: int) -> NDArray[np.float64]:
    return np.where(distance % step == 0, distance // step, np.nan)


def _last_day(month: NDArray[Any]) -> NDArray[np.int64]:
    """Number of the months' last day, counted from 0."""
    return np.asarray(((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.int64) - 1)
