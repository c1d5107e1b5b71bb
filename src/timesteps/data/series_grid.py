"""Rows of series in their order: sorted, without doubles, and on a grid without holes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.series_frequency import Rows, shown
from timesteps.errors import DataError, option
from timesteps.runtime.series.frequency import Frequency

__all__ = ["Filled", "arranged", "filled"]

_SHOWN = 3  # series that a note names


def arranged(
    times: NDArray[Any] | None,
    groups: NDArray[np.int64] | None,
    names: list[str],
    lines: NDArray[np.int64],
    source: str,
    sort: bool,
    notes: list[str],
) -> tuple[Rows, NDArray[np.int64] | None]:
    """The rows, each series together and oldest first, and the numbers of the rows in that order; None as they are.

    A file that runs backwards throughout is turned round, and others are sorted where `sort` is true; both are noted.

    Errors: `DataError` for two rows of one time, and for times that are not sorted; it names the line.
    """
    count = len(lines)
    codes = np.zeros(count, np.int64) if groups is None else groups
    order: NDArray[np.int64] | None = None
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
    starts = np.append(np.flatnonzero(np.append(True, np.diff(codes) > 0)), count)
    labels: list[str | None] = [None] if groups is None else list(names)
    if times is None:
        times = np.arange(count) - np.repeat(starts[:-1], np.diff(starts))
        rows = Rows(times, starts, labels, lines if order is None else lines[order], source)
        return rows, order
    if order is None:
        rows = Rows(times, starts, labels, lines, source)
    else:
        rows = Rows(times[order], starts, labels, lines[order], source)
    step = np.diff(rows.times.astype(np.int64))[rows.inner - 1]
    if (step > 0).all():
        return rows, order
    again = np.lexsort((rows.times, codes))
    _no_doubles(rows._replace(times=rows.times[again], lines=rows.lines[again]), groups is not None)
    if not (step < 0).all() and not sort:
        late = int(rows.inner[np.flatnonzero(step < 0)[0]])
        raise DataError(
            f"time {shown(rows.times[late])} after {shown(rows.times[late - 1])} in line {rows.lines[late - 1]}",
            path=source,
            line=int(rows.lines[late]),
            mend=f"sort the rows by time, or give {option('sort', True)}"
            + ("" if groups is not None else f"; {option('group')} names the column that tells series apart"),
        )
    notes.append("the newest rows come first: turned round" if (step < 0).all() else "rows are sorted by time")
    order = again if order is None else order[again]
    return rows._replace(times=times[order], lines=lines[order]), order


def _no_doubles(rows: Rows, grouped: bool) -> None:
    inner = rows.inner
    same = inner[rows.times[inner] == rows.times[inner - 1]]
    if not len(same):
        return
    pairs = np.sort(np.stack([rows.lines[same - 1], rows.lines[same]]), axis=0)
    best = int(pairs[1].argmin())
    raise DataError(
        f"time {shown(rows.times[same[best]])} is already in line {pairs[0, best]}",
        path=rows.source,
        line=int(pairs[1, best]),
        mend="keep one row of each series for each time"
        if grouped
        else f"keep one row for each time, or name the column that tells series apart with {option('group')}",
    )


@dataclass(frozen=True)
class Filled:
    """Rows on their grid. `places` are those of the given rows among all."""

    rows: Rows
    places: NDArray[np.int64] | None  # None: every step was there


def filled(rows: Rows, frequency: Frequency, notes: list[str]) -> Filled:
    """The rows with those that are missing between them; lines of these are 0.

    Errors: `DataError` for a row that is between two steps of the frequency, naming its line.
    """
    found = frequency.steps_from(rows.firsts, rows.times)
    for row in np.flatnonzero(np.isnan(found) | (found < 0))[:1].tolist():
        raise DataError(
            f"time {shown(rows.times[row])} does not fit steps {frequency}",
            path=rows.source,
            line=int(rows.lines[row]),
            mend="mend it, or give series of one frequency",
        )
    steps = found.astype(np.int64)
    inner = rows.inner
    for row in inner[np.diff(steps)[inner - 1] < 1][:1].tolist():
        raise DataError(
            f"times {shown(rows.times[row - 1])} and {shown(rows.times[row])} are in one step {frequency}",
            path=rows.source,
            line=int(rows.lines[row]),
            mend="keep one of them",
        )
    lengths = steps[rows.starts[1:] - 1] + 1
    missing = lengths - rows.lengths
    if not missing.any():
        return Filled(rows, None)
    starts = np.append(0, np.cumsum(lengths))
    places = np.repeat(starts[:-1], rows.lengths) + steps
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    times = frequency.at(np.repeat(rows.times[rows.starts[:-1]], lengths), within)
    times[places] = rows.times
    lines = np.zeros(starts[-1], np.int64)
    lines[places] = rows.lines
    notes.extend(_holes(rows, missing, lengths, frequency))
    return Filled(Rows(times, starts, rows.names, lines, rows.source), places)


def _holes(rows: Rows, missing: NDArray[np.int64], lengths: NDArray[np.int64], frequency: Frequency) -> list[str]:
    """What was missing, in the series where most was, and how much in all."""
    units = f"{frequency.unit}s" if frequency.every == 1 else f"steps of {frequency.every} {frequency.unit}s"
    worst = np.argsort(-missing, kind="stable")
    worst = worst[missing[worst] > 0]
    parts = [
        f"{missing[i]:,} of {lengths[i]:,}" + ("" if rows.names[i] is None else f" in {rows.names[i]}")
        for i in worst[:_SHOWN].tolist()
    ]
    if len(worst) > _SHOWN:
        parts.append(f"in all {missing.sum():,} of {lengths.sum():,} in {len(worst):,} series")
    return [f"{units} that are missing, added without numbers: {', '.join(parts)}"]
