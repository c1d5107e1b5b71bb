"""`read_series`: time series from files, data frames and arrays, each step in its place and nothing imputed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.catalogue import DATASETS
from timesteps.data.cells import Cells
from timesteps.data.dataset import Dataset
from timesteps.data.download import check_recorded
from timesteps.data.series_build import build
from timesteps.data.series_columns import Completing
from timesteps.data.series_source import known_series, read_table
from timesteps.data.source import resolve, stored
from timesteps.errors import DataError
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
    source: Any = None,
    columns: Columns | None = None,
    *,
    separate: bool | None = None,
    frequency: Frequency | None = None,
    missing_values: Sequence[str] | None = None,
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
            list of such arrays. The name of a known data set (`timesteps.data.catalogue`) means that one, which
            brings the choices below that are left None, and no source means "house-prices".
        columns: by name, or by number from 1; None where their names tell.
        separate: make each column of targets a series of its own. None does not.
        frequency: that the steps must have; None tells it from the times.
        missing_values: cells that stand for missing numbers besides empty ones, NA, NaN, null and None; "0" means
            every zero.
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
    known = None
    if source is None or isinstance(source, str):
        found = DATASETS["house-prices"] if source is None else resolve(source)
        known = found if isinstance(found, Dataset) else None
    notes: list[str] = []
    if known is not None:
        if known.series is None:
            raise DataError(f"{known.name} holds no time series", mend=f"known are {', '.join(known_series())}")
        path, form = stored(known.name)
        notes += [form.note] if form.note else []
        if separate is None and columns is None:
            separate = known.series.separate
        columns = columns or known.series.columns
        missing_values = known.series.missing_values if missing_values is None else missing_values
        source = path
    cells = Cells(tuple(missing_values or ()), thousands, decimal)
    header = None if known is None or known.series is None else known.series.header
    chosen: Columns | Completing | None = columns
    if columns is not None and frequency is None:  # a frequency is that of a model, whose columns are complete
        chosen = Completing(columns, str(source), notes)
    table = read_table(source, chosen, cells, time_format, encoding, header)
    if known is not None:
        check_recorded(path, table.sha256)
        table = replace(table, source=known.name)
    notes += table.notes
    built = build(table, frequency=frequency, separate=bool(separate), sort=sort, fill=fill, notes=notes)
    return SeriesSet(
        series=built.series,
        columns=built.columns,
        frequency=built.frequency,
        notes=tuple(notes),
        source=table.source,
        sha256=table.sha256,
        lines=built.lines,
    )
