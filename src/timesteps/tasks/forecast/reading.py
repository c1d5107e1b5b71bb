"""Series from whatever the user hands over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from timesteps.data.series import read_series
from timesteps.data.series_frequency import frequency_of
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series

__all__ = ["GivenSeries", "columns_named", "given_series"]


class GivenSeries(NamedTuple):
    """What was read."""

    series: list[Series]
    columns: Columns
    frequency: Frequency


def columns_named(
    target: str | Sequence[str] | None,
    time: str | None,
    group: str | None,
    past: str | Sequence[str],
    future: str | Sequence[str],
    static: str | Sequence[str],
) -> Columns | None:
    """The columns that were named; None where none was.

    >>> columns_named("close", "date", None, (), "holiday", ())
    Columns(targets=('close',), time='date', group=None, past=(), future=('holiday',), static=())
    """
    lists = [_names(names) for names in (target or (), past, future, static)]
    if not any(lists) and time is None and group is None:
        return None
    return Columns(lists[0], time, group, *lists[1:])


def given_series(
    source: Any,
    columns: Columns | None,
    frequency: Frequency | None,
    say: Callable[[str], None],
    **reading: Any,
) -> GivenSeries:
    """Series from a file, a known set, a frame, arrays, or `Series` as they are.

    Args:
        source: as `timesteps.data.series.read_series` takes it, or a list of `Series`.
        columns: of the table; None: guessed, and said. Of `Series`, their names.
        frequency: that the steps must have; None: inferred.
        say: hears what was guessed and filled.
        reading: further options of `read_series`.

    Raises:
        DataError, UsageError: as `read_series`; `Series` of different columns.
    """
    listed = isinstance(source, Sequence) and not isinstance(source, str) and len(source) > 0
    if isinstance(source, Series) or (listed and all(isinstance(each, Series) for each in source)):
        if reading:
            raise UsageError(f"{option(next(iter(reading)))} is for tables", mend="leave it out: these are series")
        series = [source] if isinstance(source, Series) else list(source)
        return GivenSeries(series, columns or _columns_of(series), frequency or frequency_of(series))
    found = read_series(source, columns, frequency=frequency, **reading)
    for note in found.notes:
        say(note)
    return GivenSeries(list(found.series), found.columns, found.frequency)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _columns_of(series: Sequence[Series]) -> Columns:
    """Names for the columns of series that came without a table."""
    first = series[0]
    widths = first.targets.shape[1], first.past.shape[1], first.future.shape[1], len(first.static)
    for each in series:
        found = each.targets.shape[1], each.past.shape[1], each.future.shape[1], len(each.static)
        if found != widths:
            raise DataError(f"series {each.name} has {found} columns, the first has {widths}", mend="give all the same")

    def named(word: str, count: int) -> tuple[str, ...]:
        return (word,) if count == 1 else tuple(f"{word}{number}" for number in range(1, count + 1))

    targets = named("target", widths[0])
    return Columns(targets, None, None, *map(named, ("past", "future", "static"), widths[1:]))
