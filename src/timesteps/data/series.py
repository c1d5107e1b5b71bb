"""`read_series`: time series from files, data frames and arrays, each step in its place and nothing imputed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.cells import Cells
from timesteps.data.frames import parquet_table
from timesteps.data.series_build import build
from timesteps.data.series_frames import arrays_table, frame_table
from timesteps.data.series_table import SeriesTable, read_series_table
from timesteps.data.sniffing import by_suffix
from timesteps.data.streams import ByteSource, is_stdin
from timesteps.runtime.series.frequency import Frequency
from timesteps.runtime.series.series import Columns, Series

__all__ = ["SeriesSet", "read_series"]


@dataclass(frozen=True)
class SeriesSet:
    """Series of one table, oldest step first.

    Args:
        series: in the order in which they first appear.
        columns: the columns that were read, under their names.
        frequency: of all of them.
        notes: what was guessed, filled in, turned round or converted: a line each, for the user.
        source: the path, or what the source was.
        sha256: of the bytes as stored, or of the values of frames and arrays.
        lines: of each series, (T,) the line of each step (its row from 1 in frames and arrays); 0 of steps that were
            missing.
    """

    series: tuple[Series, ...]
    columns: Columns
    frequency: Frequency
    notes: tuple[str, ...]
    source: str
    sha256: str
    lines: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def where(self, series: int, step: int | None = None) -> dict[str, Any]:
        """The place of a series or of one of its steps, as errors take it: `DataError(…, **found.where(3))`."""
        lines = self.lines[series]
        line = int(lines[0] if step is None else lines[step])
        return {"path": self.source, "line": line or None}


def read_series(
    source: Any,
    columns: Columns | None = None,
    *,
    separate: bool = False,
    frequency: Frequency | None = None,
    missing_values: Sequence[str] = (),
    time_format: str | None = None,
    thousands: str | None = None,
    decimal: str = ".",
    sort: bool = False,
    fill: bool = True,
    encoding: str | None = None,
) -> SeriesSet:
    r"""Reads the series of a table.

    Args:
        source: the path of a CSV, TSV, JSON lines or Parquet file, which may be compressed (gzip, xz, bzip2); `-`,
            standard input; a data frame of pandas, polars or pyarrow; an array (T,) or (T, D), one step a row; or a
            list of such arrays.
        columns: by name, or by number from 1; None where their names tell.
        separate: make each column of targets a series of its own.
        frequency: that the steps must have; None tells it from the times.
        missing_values: cells that stand for missing numbers besides empty ones, NA, NaN, null and None.
        time_format: of `strptime`, for times that can be read in two ways.
        thousands, decimal: marks within numbers.
        sort: sort rows that are not in the order of time; otherwise they are an error.
        fill: put a row without numbers where a step of a regular series is missing.
        encoding: of the file; UTF-8 or what a byte order mark says by default.

    Errors: `DataError` that names file and line for whatever cannot be read as it stands: times that cannot be read,
    are written in two ways, come twice or out of order; text or infinities among numbers; columns that are not there or
    hold nothing; series without a target, or of different frequencies. `UsageError` for arguments that make no sense.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "prices.csv"
    ...     _ = path.write_text("date,price\n2024-01,5.0\n2024-02,5.5\n2024-04,\n2024-05,6.5\n")
    ...     found = read_series(path, Columns(("price",), "date"))
    >>> found.series[0].targets.ravel().tolist(), str(found.frequency)
    ([5.0, 5.5, nan, nan, 6.5], 'every month')
    >>> for note in found.notes:
    ...     print(note)
    column price: 1 of 4 cells are missing, the first in line 4
    frequency: every month
    months that are missing, added without numbers: 1 of 5
    """
    cells = Cells(tuple(missing_values), thousands, decimal)
    table = _table(source, columns, cells, time_format, encoding)
    notes = list(table.notes)
    built = build(table, frequency=frequency, separate=separate, sort=sort, fill=fill, notes=notes)
    return SeriesSet(
        series=built.series,
        columns=built.columns,
        frequency=built.frequency,
        notes=tuple(notes),
        source=table.source,
        sha256=table.sha256,
        lines=built.lines,
    )


def _table(
    source: Any, columns: Columns | None, cells: Cells, time_format: str | None, encoding: str | None
) -> SeriesTable:
    if isinstance(source, str | PathLike):
        path = Path(source)
        if is_stdin(source) or by_suffix(path) != "parquet":
            return read_series_table(source, columns, cells, time_format, encoding)
        with ByteSource(source) as stream:
            return frame_table(parquet_table(stream), columns, cells, time_format, stream.name, stream.sha256)
    if isinstance(source, np.ndarray | list | tuple):
        return arrays_table(source, columns)
    return frame_table(source, columns, cells, time_format)
