"""Where a table of series comes from: a file, standard input, a data frame in memory, or arrays."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.data.catalogue import DATASETS
from timesteps.data.cells import Cells
from timesteps.data.frames import parquet_table
from timesteps.data.series_columns import Chooser, Completing
from timesteps.data.series_frames import arrays_table, frame_table
from timesteps.data.series_table import SeriesTable, read_series_table
from timesteps.data.sniffing import by_suffix
from timesteps.data.streams import ByteSource, is_stdin
from timesteps.errors import DataError
from timesteps.runtime.series.series import Columns

__all__ = ["known_series", "read_table"]


def read_table(
    source: Any,
    columns: Columns | Chooser | None,
    cells: Cells,
    time_format: str | None,
    encoding: str | None,
    header: Sequence[str] | None = None,
) -> SeriesTable:
    """The table of a file, of standard input, of a data frame or of arrays. Errors: those of `read_series`.

    A `header` takes the place of a text file's own.
    """
    if isinstance(source, str | PathLike):
        path = Path(source)
        if not is_stdin(source) and not path.exists():
            raise DataError(
                "no such file, and no known data set of that name",
                path=path,
                mend=f"check the name; known sets of series: {', '.join(known_series())}",
            )
        if is_stdin(source) or by_suffix(path) != "parquet":
            return read_series_table(source, columns, cells, time_format, encoding, header)
        with ByteSource(source) as stream:
            return frame_table(parquet_table(stream), columns, cells, time_format, stream.name, stream.sha256)
    if isinstance(source, np.ndarray | list | tuple):
        given = columns.columns if isinstance(columns, Completing) else columns
        return arrays_table(source, given if isinstance(given, Columns) else None)
    return frame_table(source, columns, cells, time_format)


def known_series() -> list[str]:
    """Names of the known sets of series."""
    return [name for name, dataset in DATASETS.items() if dataset.series is not None]
