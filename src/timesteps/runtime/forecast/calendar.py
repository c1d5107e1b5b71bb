"""Calendar features: where in the hour, the day, the week, the month and the year a step lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.frequency import Frequency, Unit
from timesteps.runtime.spec import CalendarName

__all__ = ["calendar_features", "usual_calendar"]

_USUAL: dict[Unit, tuple[CalendarName, ...]] = {
    "second": ("minute", "hour"),
    "minute": ("hour", "weekday"),
    "hour": ("hour", "weekday"),
    "day": ("weekday", "year"),
    "business day": ("weekday",),
    "week": ("year",),
    "month": ("year",),
    "quarter": ("year",),
}
_MONDAY = 3  # 1 January 1970 was a Thursday


def usual_calendar(frequency: Frequency) -> tuple[CalendarName, ...]:
    """What usually matters at a frequency.

    >>> usual_calendar(Frequency("hour")), usual_calendar(Frequency("step"))
    (('hour', 'weekday'), ())
    """
    return _USUAL.get(frequency.unit, ())


def calendar_features(times: NDArray[Any], names: Sequence[CalendarName]) -> NDArray[np.float64]:
    r"""Sine and cosine of :math:`2 \pi` times the share of each period that has passed, (T, 2 · names).

    `minute` is the place in the hour, `hour` in the day, `weekday` in the week from Monday, `day` in the month, `year`
    in the year.

    Args:
        times: (T,) datetime64[us].
        names: of the periods.

    >>> calendar_features(np.array(["2024-01-01T06:00"], "datetime64[us]"), ["hour", "weekday"]).round(3)
    array([[1.   , 0.   , 0.223, 0.975]])
    """
    found = np.empty((len(times), 2 * len(names)))
    for number, name in enumerate(names):
        angle = 2 * np.pi * _share(times, name)
        found[:, 2 * number], found[:, 2 * number + 1] = np.sin(angle), np.cos(angle)
    return found


def _share(times: NDArray[Any], name: CalendarName) -> NDArray[np.float64]:
    if name in ("day", "year"):
        unit = "datetime64[M]" if name == "day" else "datetime64[Y]"
        begin = times.astype(unit)
        length = (begin + 1).astype(times.dtype) - begin.astype(times.dtype)
        return np.asarray((times - begin.astype(times.dtype)) / length)
    hours = {"minute": 1, "hour": 24, "weekday": 168}[name]
    shift = np.timedelta64(_MONDAY if name == "weekday" else 0, "D")
    period = np.timedelta64(hours, "h").astype("timedelta64[us]").astype(np.int64)
    passed = (times + shift).astype("datetime64[us]").astype(np.int64) % period
    return np.asarray(passed / period)
