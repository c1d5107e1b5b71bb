"""`Frequency`: how far apart the steps of a series are, and when the next ones come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frequency", "Unit"]

Unit = Literal["step", "second", "minute", "hour", "day", "business day", "week", "month", "quarter", "year"]

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
_SECONDS: dict[Unit, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_MONTHS: dict[Unit, int] = {"month": 1, "quarter": 3, "year": 12}


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
    """

    unit: Unit
    every: int = 1
    regular: bool = True

    @property
    def season(self) -> int:
        """Steps of the usual season: a day of hours and minutes, an hour of seconds, a week of days (five of business
        days), a year of weeks, months and quarters; 1 where there is none, or where `every` does not divide it."""
        steps = 1440 if self.unit == "minute" and self.every > 1 else _SEASONS.get(self.unit, 1)
        return steps // self.every if steps % self.every == 0 else 1

    def after(self, last: Any, steps: int) -> NDArray[Any]:
        """The next time stamps (steps,) after `last`, as `Series.times` has them."""
        count = self.every * np.arange(1, steps + 1)
        if self.unit == "step":
            return np.asarray(last + count, np.int64)
        last = np.datetime64(last, "us")
        if self.unit in _SECONDS:
            return np.asarray(last + count * np.timedelta64(_SECONDS[self.unit], "s"))
        day, clock = last.astype("datetime64[D]"), last - last.astype("datetime64[D]")
        if self.unit == "business day":
            return np.asarray(np.busday_offset(day, count, roll="backward") + clock)
        month = day.astype("datetime64[M]")
        months = month + count * _MONTHS[self.unit]
        lengths = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
        number = int((day - month.astype("datetime64[D]")).astype(np.int64))
        at_end = (day + 1).astype("datetime64[M]") != month
        days = lengths - 1 if at_end else np.minimum(number, lengths - 1)
        return np.asarray(months.astype("datetime64[D]") + days + clock)
