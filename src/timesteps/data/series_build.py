"""From a table to its series: rows in order, on their grid, and judged: what is missing, constant, not there at all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timesteps.data.series_columns import numbers_of, separated
from timesteps.data.series_frequency import Rows, infer
from timesteps.data.series_grid import arranged, filled
from timesteps.data.series_table import SeriesTable
from timesteps.errors import DataError
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series

__all__ = ["Built", "build"]

_SHOWN = 3  # names in a note


@dataclass(frozen=True)
class Built:
    """The series of a table, their frequency, and the line of each step."""

    series: tuple[Series, ...]
    columns: Columns
    frequency: Frequency
    lines: tuple[NDArray[np.int64], ...]


def build(
    table: SeriesTable, *, frequency: Frequency | None, separate: bool, sort: bool, fill: bool, notes: list[str]
) -> Built:
    """The series of the table; `notes` hears what was found and done. Errors: those of `read_series`."""
    rows, order = arranged(table.times, table.groups, table.names, table.lines, table.source, sort, notes)
    numbers = table.numbers if order is None else table.numbers[order]
    static = _static(table, rows, order)
    _judge_columns(table, numbers, rows, notes)
    numbered = rows.times.dtype.kind == "i"
    if frequency is not None and (frequency.unit == "step") is not numbered:
        has = f"no times, expected are steps {frequency}" if numbered else "times, expected are numbered steps"
        raise DataError(f"the rows have {has}", path=table.source, mend="name the column of times as it was")
    if frequency is None:
        frequency = infer(rows, notes)
        if table.times is None:
            notes.append("no column of times: rows are one step apart")
        else:
            notes.append(f"frequency: {frequency}")
    if frequency.regular:
        found = filled(rows, frequency, notes if fill else [])
        if found.places is not None and fill:
            whole = np.full((len(found.rows.times), numbers.shape[1]), np.nan)
            whole[found.places] = numbers
            rows, numbers = found.rows, whole
        elif found.places is not None:
            frequency = replace(frequency, regular=False)
    columns = table.columns
    D, P = len(columns.targets), len(columns.past)
    _judge_series(rows, numbers[:, :D], columns, notes)
    parts = [np.split(block, rows.starts[1:-1]) for block in np.split(numbers, [D, D + P], axis=1)]
    times = np.split(rows.times, rows.starts[1:-1])
    series = tuple(map(Series, rows.names, times, *parts, static))
    built = Built(series, columns, frequency, tuple(np.split(rows.lines, rows.starts[1:-1])))
    return _separated(built, notes) if separate else built


def _static(table: SeriesTable, rows: Rows, order: NDArray[np.int64] | None) -> list[tuple[float | str, ...]]:
    """What does not change, of each series: numbers where a column has nothing else."""
    columns: list[list[float | str]] = []
    for name, (codes, words) in zip(table.columns.static, table.static, strict=True):
        mine = codes if order is None else codes[order]
        first = np.repeat(mine[rows.starts[:-1]], rows.lengths)
        for row in np.flatnonzero(mine != first)[:1].tolist():
            raise DataError(
                f"column {name}: {words[mine[row]]!r} after {words[first[row]]!r} in the same series",
                path=table.source,
                line=int(rows.lines[row]),
                mend="a static column has one value in each series",
            )
        values: list[float | str] = [words[code] for code in mine[rows.starts[:-1]].tolist()]
        if "" in values:
            row = int(rows.starts[values.index("")])
            raise DataError(
                f"column {name}: nothing here", path=table.source, line=int(rows.lines[row]), mend="fill it in"
            )
        columns.append(_numbers(values))
    return list(zip(*columns, strict=True)) if columns else [()] * (len(rows.starts) - 1)


def _numbers(values: list[float | str]) -> list[float | str]:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return values
    return list(numbers) if np.isfinite(numbers).all() else values


def _judge_columns(table: SeriesTable, numbers: NDArray[np.float64], rows: Rows, notes: list[str]) -> None:
    """Refuses columns without a number, counts missing cells."""
    missing = np.isnan(numbers)
    known = np.asarray(~missing[:, : len(table.columns.targets)].all(axis=1))
    last = np.maximum.reduceat(np.where(known, np.arange(len(known)), -1), rows.starts[:-1])
    past_end = np.arange(len(known)) > np.repeat(last, rows.lengths)
    for place, name in enumerate(numbers_of(table.columns)):
        if missing[:, place].all():
            raise DataError(
                f"column {name} has no number at all", path=table.source, mend="name another column, or leave it out"
            )
        gone = (
            missing[:, place]
            if place >= len(table.columns.targets) + len(table.columns.past)
            else missing[:, place] & ~past_end
        )
        if count := int(gone.sum()):
            line = int(rows.lines[gone].min())
            notes.append(f"column {name}: {count:,} of {len(numbers):,} cells are missing, the first in line {line}")


def _judge_series(rows: Rows, targets: NDArray[np.float64], columns: Columns, notes: list[str]) -> None:
    """Refuses series without a target; notes constant ones, those that begin with zeros, and the time to come."""
    starts = rows.starts[:-1]
    lowest, highest = np.fmin.reduceat(targets, starts), np.fmax.reduceat(targets, starts)
    for series in np.flatnonzero(np.isnan(lowest).all(axis=1))[:1].tolist():
        of = "" if rows.names[series] is None else f" of the series {rows.names[series]!r}"
        lines = rows.lines[rows.starts[series] : rows.starts[series + 1]]
        raise DataError(
            f"no row{of} has a target ({', '.join(columns.targets)})",
            path=rows.source,
            line=int(lines[lines > 0].min()),
            mend="leave the series out, or fill in what is known of it",
        )
    several = rows.lengths > 1
    constant = (lowest == highest) & several[:, None]
    if constant.any():
        notes.append(f"constant, so nothing can be learned from it: {_named(constant, rows, columns)}")
    row = np.arange(len(targets))[:, None]
    zero = targets == 0
    begun = np.minimum.reduceat(np.where(zero | np.isnan(targets), len(targets), row), starts)
    zeros, later = np.add.reduceat(zero, starts), zero & (row > np.repeat(begun, rows.lengths, axis=0))
    leading = (zeros >= 2) & (lowest == 0) & (highest > 0) & ~np.logical_or.reduceat(later, starts)
    if leading.any():
        notes.append(
            f"begins with zeros and is never zero again: {_named(leading, rows, columns)}; where that means that it "
            "had not begun yet, name 0 among the missing values"
        )
    known = np.asarray(~np.isnan(targets).all(axis=1))
    last = np.maximum.reduceat(np.where(known, np.arange(len(known)), -1), starts)
    to_come = rows.starts[1:] - 1 - last
    if to_come.any():
        most, count = int(to_come.max()), int((to_come > 0).sum())
        of = "" if len(to_come) == 1 else f" of {count:,} series"
        notes.append(f"the last rows{of} have no target ({'at most ' if count > 1 else ''}{most:,}): the time to come")


def _named(marks: NDArray[np.bool_], rows: Rows, columns: Columns) -> str:
    found = np.argwhere(marks).tolist()
    words = []
    for series, target in found[:_SHOWN]:
        name, column = rows.names[series], columns.targets[target]
        words.append(column if name is None else name if len(columns.targets) == 1 else f"{name} {column}")
    return ", ".join(words) + (f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else "")


def _separated(built: Built, notes: list[str]) -> Built:
    """Each target as a series of its own, which begins where it has its first number."""
    series: list[Series] = []
    lines: list[NDArray[np.int64]] = []
    late = 0
    for whole, numbers in zip(built.series, built.lines, strict=True):
        for place, target in enumerate(built.columns.targets):
            mine = whole.targets[:, place : place + 1]
            known = np.flatnonzero(~np.isnan(mine[:, 0]))
            if not len(known):
                raise _empty(whole, target)
            first = int(known[0])
            late += first > 0
            name = target if whole.name is None else f"{whole.name} {target}"
            part = slice(first, None)
            series.append(
                Series(name, whole.times[part], mine[part], whole.past[part], whole.future[part], whole.static)
            )
            lines.append(numbers[part])
    if late:
        notes.append(f"{late:,} of {len(series):,} series begin later than the first row")
    return Built(tuple(series), separated(built.columns), built.frequency, tuple(lines))


def _empty(series: Series, target: str) -> DataError:
    return DataError(f"the series {series.name!r} has no number in column {target}", mend="leave it out")
