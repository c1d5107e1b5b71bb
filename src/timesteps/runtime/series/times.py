"""Times of steps: those to come, and how all of them are written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Series

__all__ = ["times_after", "times_text"]

_UNITS = ("D", "m", "s", "ms")  # numpy's, coarsest first


def times_after(series: Series, horizon: int, frequency: Frequency | None) -> NDArray[Any]:
    """(H,) times of the steps after the last known one: those of the series where it has them, then by `frequency`.

    Without a frequency, steps are as far apart as the last two.

    >>> times_after(Series(None, np.array([1, 3, 5]), np.array([[1.0], [2.0], [np.nan]])), 3, None)
    array([5, 7, 9])
    """
    known = series.known
    given: NDArray[Any] = series.times[known : known + horizon]
    if len(given) == horizon:
        return given
    if frequency is None:
        step = series.times[-1] - series.times[-2] if len(series) > 1 else np.ones(1, np.int64)[0]
        rest = series.times[-1] + step * np.arange(1, horizon - len(given) + 1)
    else:
        rest = frequency.after(series.times[-1], horizon - len(given))
    return np.concatenate([given, rest.astype(series.times.dtype)])


def times_text(times: NDArray[Any]) -> list[str]:
    """Times as ISO 8601 with a blank for the T, as short as all of them allow: days, minutes, seconds or less.

    >>> times_text(np.array(["2024-01-31", "2024-02-29"], "datetime64[us]"))
    ['2024-01-31', '2024-02-29']
    >>> times_text(np.array(["2024-01-31T06:30", "2024-02-29"], "datetime64[us]")), times_text(np.arange(2))
    (['2024-01-31 06:30', '2024-02-29 00:00'], ['0', '1'])
    """
    if times.dtype.kind != "M":
        return [str(each) for each in times.tolist()]
    shortest = (times.astype(f"datetime64[{unit}]") for unit in _UNITS)
    exact = next((short for short in shortest if (short == times).all()), times)
    return [text.replace("T", " ") for text in exact.astype(str).tolist()]
