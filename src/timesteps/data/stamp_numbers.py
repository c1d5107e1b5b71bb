"""Whole numbers in the place of time stamps: steps, years, compact dates, or seconds since 1970."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_numbers"]

_SINCE_1970 = {"seconds": 1_000_000.0, "milliseconds": 1_000.0, "microseconds": 1.0, "nanoseconds": 0.001}
_EARLIEST, _LATEST = 100_000_000 * 10**6, 4_200_000_000 * 10**6  # 1973 and 2103, in microseconds
_YEAR_NAMES = frozenset({"year", "years", "yr", "연도", "년도", "년", "해"})


def read_numbers(values: NDArray[np.int64], column: str) -> tuple[NDArray[np.generic], str]:
    """Times, datetime64[us] or step numbers as they are, and what the numbers were read as.

    Compact dates are 202401, 20240131, and 20240131 with two digits each of hours, minutes and seconds. They are read
    so where every number is one; seconds since 1970, and thousandths of them, where every number is from 1973 to 2103.

    >>> read_numbers(np.array([20240131, 20240201]), "date")
    (array(['2024-01-31T00:00:00.000000', '2024-02-01T00:00:00.000000'],
          dtype='datetime64[us]'), 'compact dates such as 20240131')
    >>> read_numbers(np.array([3, 4]), "t")[1], read_numbers(np.array([1700000000]), "t")[1]
    ('step numbers', 'seconds since 1970')
    """
    if column.strip().casefold() in _YEAR_NAMES and len(values) and 1000 <= values.min() <= values.max() <= 2999:
        months = np.datetime64("0000-01", "M") + 12 * values.astype("timedelta64[M]")
        return months.astype("datetime64[us]"), "years"
    if (compact := _compact(values)) is not None:
        return compact, f"compact dates such as {values[0]}"
    for name, micros in _SINCE_1970.items():
        # Doubles are exact enough for the comparison, and do not overflow.
        if len(values) and (abs(values * micros - (_EARLIEST + _LATEST) / 2) <= (_LATEST - _EARLIEST) / 2).all():
            whole = values * np.int64(micros) if micros >= 1 else values // 1000
            return whole.astype("datetime64[us]"), f"{name} since 1970"
    return values, "step numbers"


def _compact(values: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    """The times where every number is a compact date of one length, otherwise None."""
    if not len(values) or values.min() <= 0:
        return None
    lengths = {len(str(values.min())), len(str(values.max()))}
    if len(lengths) != 1 or (length := lengths.pop()) not in (6, 8, 10, 12, 14):
        return None
    rest = values // 10 ** max(0, length - 8)
    day = rest % 100 if length > 6 else np.ones_like(rest)
    year, month = (rest // 10_000, rest // 100 % 100) if length > 6 else (rest // 100, rest % 100)
    if not ((year >= 1900) & (year <= 2100) & (month >= 1) & (month <= 12) & (day >= 1)).all():
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]")
    last = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
    if (day > last).any():
        return None
    clock = values % 10 ** max(0, length - 8)
    clock = clock * 10 ** (14 - max(length, 8))  # hours, minutes and seconds in six digits
    hours, minutes, seconds = clock // 10_000, clock // 100 % 100, clock % 100
    if ((hours > 23) | (minutes > 59) | (seconds > 59)).any():
        return None
    whole = first.astype("datetime64[D]") + (day - 1)
    micros = ((hours * 60 + minutes) * 60 + seconds) * 10**6
    return np.asarray(whole.astype("datetime64[us]") + micros.astype("timedelta64[us]"))
