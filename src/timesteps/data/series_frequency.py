"""How far apart the steps of a set of series are, told from their time stamps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.series.frequency import Frequency, Unit
from timesteps.runtime.series.series import Series

__all__ = ["Rows", "frequency_of", "infer", "shown"]

_UNITS: tuple[tuple[int, Unit], ...] = (
    (604_800_000_000, "week"),
    (86_400_000_000, "day"),
    (3_600_000_000, "hour"),
    (60_000_000, "minute"),
    (1_000_000, "second"),
    (1_000, "millisecond"),
    (1, "microsecond"),
)
_DAY = 86_400_000_000
_FEW = 0.05  # share of the steps
_SHORT = 4  # series of fewer rows have too few distances to contradict the others


class Rows(NamedTuple):
    """N rows of S series, each series together and oldest first."""

    times: NDArray[Any]  # (N,) datetime64[us] or int64
    starts: NDArray[np.int64]  # (S + 1,): series i is starts[i]:starts[i + 1]
    names: list[str | None]  # (S,)
    lines: NDArray[np.int64]  # (N,)
    source: str

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each series (S,)."""
        return np.diff(self.starts)

    @property
    def firsts(self) -> NDArray[Any]:
        """The first time of each row's series (N,)."""
        return np.repeat(self.times[self.starts[:-1]], self.lengths)

    @property
    def inner(self) -> NDArray[np.int64]:
        """Rows that have one before them in their series."""
        inside = np.ones(len(self.times), bool)
        inside[self.starts[:-1]] = False
        return np.flatnonzero(inside)


def infer(rows: Rows, notes: list[str]) -> Frequency:
    """The frequency that all series share: the most frequent distance of two steps, as a unit of the calendar.

    It is not regular where that leaves some step between the steps of the grid, or most of the grid without a step;
    where only few steps are between, `notes` hears of the first.

    Errors: `DataError` for series of different frequencies, and where no series has two steps.
    """
    inner = rows.inner
    distances = np.diff(rows.times).astype(np.int64)[inner - 1]
    if rows.times.dtype.kind == "i":
        if not len(inner):
            return Frequency("step")
        return _checked(rows, Frequency("step", _shared(rows, distances, _steps)), notes)
    if not len(inner):
        raise DataError(
            "one time stamp does not say how far apart steps are",
            path=rows.source,
            line=int(rows.lines[0]),
            mend="give series of more than one row",
        )
    months = _monthly(rows)
    if months is not None:
        every = _shared(rows, np.diff(months)[inner - 1], _months)
        return _checked(rows, _of_months(every), notes)
    step = _shared(rows, distances, lambda each: str(_of_micros(each)))
    frequency = _of_micros(step)
    if step == _DAY and _only_business_days(rows):
        frequency = Frequency("business day")
    return _checked(rows, frequency, notes)


def frequency_of(series: Sequence[Series]) -> Frequency:
    """The frequency of series that came from no table. Errors: those of `infer`.

    >>> times = np.array(["2024-01-31", "2024-02-29", "2024-04-30"], "datetime64[us]")
    >>> str(frequency_of([Series("a", times, np.ones((3, 1)))]))
    'every month'
    """
    starts = np.append(0, np.cumsum([len(each) for each in series]))
    times = np.concatenate([each.times for each in series])
    lines = np.concatenate([np.arange(1, len(each) + 1) for each in series])
    return infer(Rows(times, starts, [each.name for each in series], lines, "series"), [])


def _monthly(rows: Rows) -> NDArray[np.int64] | None:
    """The months (N,), as numbers, where the series keep to a day of the month; short ones need not."""
    fits = ~np.isnan(Frequency("month").steps_from(rows.firsts, rows.times))
    months = rows.times.astype("datetime64[M]").astype(np.int64)
    fits[rows.inner] &= np.diff(months)[rows.inner - 1] > 0
    whole = np.logical_and.reduceat(fits, rows.starts[:-1])
    lengths = rows.lengths
    long = lengths >= min(_SHORT, int(lengths.max()))
    share = np.average(whole[long], weights=lengths[long])
    if share < 0.5:
        return None
    for series in np.flatnonzero(long & ~whole).tolist():
        other = int(np.flatnonzero(long & whole)[0])
        raise _mixed(rows, other, "by months", series, "otherwise")
    return months


def _shared(rows: Rows, distances: NDArray[np.int64], spelled: Callable[[int], str]) -> int:
    """The most frequent distance between steps, which must be that of every series that is not short."""
    inner = rows.inner
    series = np.searchsorted(rows.starts, inner, side="right") - 1
    order = np.lexsort((distances, series))
    keys = np.stack([series[order], distances[order]], axis=1)
    first = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]).any(axis=1)))
    counts = np.diff(np.append(first, len(keys)))
    of, distance = keys[first, 0], keys[first, 1]
    best = np.lexsort((distance, -counts, of))  # of each series, its most frequent distance, the shorter of two
    best = best[np.append(True, of[best][1:] != of[best][:-1])]
    modes, owners = distance[best], of[best]
    share = counts[best] / (rows.lengths[owners] - 1)
    long = rows.lengths[owners] >= min(_SHORT, int(rows.lengths.max()))
    values, votes = np.unique(modes[long], return_counts=True)
    step = int(values[votes.argmax()])
    if counts[distance == step].sum() < 0.5 * len(inner):
        return step  # nothing is regular here, and so nothing in contradiction
    bad = np.flatnonzero((modes != step) & np.where(long, share >= 0.5, modes % step != 0))
    if len(bad):
        usual = int(owners[np.flatnonzero(modes == step)[0]])
        raise _mixed(rows, usual, spelled(step), int(owners[bad[0]]), spelled(int(modes[bad[0]])))
    return step


def _mixed(rows: Rows, usual: int, its: str, other: int, others: str) -> DataError:
    return DataError(
        f"series {rows.names[other]!r} steps {others}, but {rows.names[usual]!r} {its}",
        path=rows.source,
        line=int(rows.lines[rows.starts[other]]),
        mend="give series of one frequency, or train on each kind by itself",
    )


def _checked(rows: Rows, frequency: Frequency, notes: list[str]) -> Frequency:
    """The frequency, irregular where the rows do not keep to it."""
    places = frequency.steps_from(rows.firsts, rows.times)
    inner = rows.inner
    between = np.flatnonzero(np.isnan(places))
    if 0 < len(between) <= _FEW * len(places):
        row = int(between[0])
        notes.append(
            f"steps come {frequency}, but {len(between):,} of {len(places):,} in between, the first in line "
            f"{rows.lines[row]}: {shown(rows.times[row])}"
        )
    if not len(between):
        holes = np.diff(places)[inner - 1].sum() + len(rows.starts) - 1 - len(places)
        if holes <= len(places):
            return frequency
    if frequency.unit == "step":
        return replace(frequency, regular=False)
    median = int(np.median(np.diff(rows.times.astype(np.int64))[inner - 1]))
    for micros, unit in ((365 * _DAY, "year"), (28 * _DAY, "month"), *_UNITS):
        if median >= micros:
            return Frequency(cast(Unit, unit), max(1, round(median / micros)), regular=False)
    raise AssertionError("times rise")


def shown(time: Any) -> str:
    """A time or the number of a step, for a sentence."""
    if not isinstance(time, np.datetime64):
        return str(int(time))
    whole = time.astype("datetime64[s]")
    text = str(whole if whole == time else time).replace("T", " ")
    return text.removesuffix(" 00:00:00")


def _of_micros(step: int) -> Frequency:
    return next(Frequency(unit, step // micros) for micros, unit in _UNITS if step % micros == 0)


def _of_months(every: int) -> Frequency:
    if every % 12 == 0:
        return Frequency("year", every // 12)
    return Frequency("quarter") if every == 3 else Frequency("month", every)


def _months(every: int) -> str:
    return str(_of_months(every))


def _steps(every: int) -> str:
    return f"every {every} steps" if every > 1 else "one by one"


def _only_business_days(rows: Rows) -> bool:
    """Whether no row is on a Saturday or Sunday though rows lie on both sides of one."""
    day = rows.times.astype("datetime64[D]")
    ends = day[rows.starts[:-1]], day[rows.starts[1:] - 1]
    passed = (ends[1] - ends[0]).astype(np.int64) > np.busday_count(*ends)
    return bool(np.is_busday(day).all() and passed.any())
