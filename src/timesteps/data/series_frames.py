"""Tables of series that are in memory: data frames (by narwhals), Parquet files, and plain arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.data.cells import Cells
from timesteps.data.frames import FRAME
from timesteps.data.series_columns import Chooser, choose
from timesteps.data.series_table import Filling, SeriesTable
from timesteps.errors import DataError, UsageError
from timesteps.runtime.series.series import Columns

__all__ = ["arrays_table", "frame_table"]


def frame_table(
    frame: Any,
    columns: Columns | Chooser | None,
    cells: Cells,
    time_format: str | None,
    name: str = FRAME,
    sha256: str = "",
) -> SeriesTable:
    """The table of a data frame; rows are numbered from 1. Times may be its index, where pandas has one of times.

    Errors: those of `read_series`; `UsageError` for what is no data frame in memory.
    """
    import narwhals as nw

    try:
        known = nw.from_native(_with_index(frame), eager_only=True)
        names = [str(column) for column in known.columns]
    except nw.exceptions.DuplicateError as error:
        raise DataError("two columns have the same name", path=name, mend="rename one of them") from error
    except TypeError as error:
        raise UsageError(
            f"{type(frame).__name__} holds no series", mend="pass a path, a data frame in memory, or arrays of numbers"
        ) from error
    notes: list[str] = []
    found, places = choose(columns, names, lambda place: known[:, place].dtype.is_numeric(), name, notes)
    filling = Filling(name, found, cells, time_format)
    lines = range(1, len(known) + 1)
    filling.lines.append(lines)
    for column, reader in filling.numbers.items():
        series = known[:, places[column]]
        if series.dtype.is_numeric() or series.dtype == nw.Boolean:
            reader.add_numbers(series.cast(nw.Float64).to_numpy())
        else:
            reader.add(_words(series, column, name), lines)
    for column, words in (
        *filling.static.items(),
        *([] if filling.group is None else [(filling.group.column, filling.group)]),
    ):
        words.add(_words(known[:, places[column]], column, name), lines)
    if filling.time is not None:
        _add_times(filling, known[:, places[filling.time.column]], lines)
    table = filling.table(sha256, notes)
    return table if sha256 else replace(table, sha256=_digest(table))


def arrays_table(arrays: Any, columns: Columns | None) -> SeriesTable:
    """The table of an array (T,) or (T, D), or of a list of such arrays: rows one step apart, nothing but targets."""
    listed = isinstance(arrays, list | tuple) and len(arrays) > 0 and np.ndim(arrays[0]) > 0 and not _is_rows(arrays)
    parts = [_matrix(each, i) for i, each in enumerate(arrays if listed else [arrays])]
    width = parts[0].shape[1]
    for i, part in enumerate(parts):
        if part.shape[1] != width:
            raise DataError(f"array {i} has {part.shape[1]} columns, array 0 {width}", mend="give arrays of one width")
    names = tuple(f"target_{i}" for i in range(width)) if width > 1 else ("target",)
    if columns is None:
        columns = Columns(names, group="series" if listed else None)
    elif len(columns.targets) != width or columns.time is not None:
        raise UsageError(f"arrays of {width} columns have no names", mend="give as many targets, and nothing else")
    numbers = np.concatenate(parts)
    if np.isinf(numbers).any():
        row = int(np.argwhere(np.isinf(numbers))[0, 0])
        raise DataError("an infinite number", path="array", line=row + 1, mend="give NaN where a number is missing")
    return SeriesTable(
        source="array",
        sha256=hashlib.sha256(numbers.tobytes()).hexdigest(),
        columns=columns,
        lines=np.arange(1, len(numbers) + 1),
        times=None,
        groups=np.repeat(np.arange(len(parts)), [len(part) for part in parts]) if listed else None,
        names=[str(i) for i in range(len(parts))] if listed else [],
        numbers=numbers,
        static=(),
        notes=[],
    )


def _is_rows(arrays: Sequence[Any]) -> bool:
    """Whether a list is one array's rows rather than a list of arrays."""
    return (
        not isinstance(arrays[0], np.ndarray) and np.ndim(arrays[0]) == 1 and len({len(each) for each in arrays}) == 1
    )


def _matrix(values: Any, place: int) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"array {place} does not hold numbers", mend="give arrays (T,) or (T, D)") from error
    if found.ndim not in (1, 2) or not found.size:
        raise DataError(f"array {place} has shape {found.shape}", mend="give arrays (T,) or (T, D)")
    return found.reshape(len(found), -1)


def _with_index(frame: Any) -> Any:
    """A pandas frame or series with its index among the columns, where that is one of times or has a name."""
    index = getattr(frame, "index", None)
    if index is None or not hasattr(frame, "reset_index"):
        return frame
    if type(index).__name__ == "PeriodIndex":
        frame = frame.set_axis(index.to_timestamp(), axis=0)
    if index.name is None and type(index).__name__ not in ("DatetimeIndex", "PeriodIndex"):
        return frame.to_frame("value") if hasattr(frame, "to_frame") and frame.ndim == 1 else frame
    named = frame.rename_axis(index.name or "time")
    return named.rename(named.name or "value").reset_index() if named.ndim == 1 else named.reset_index()


def _words(series: Any, column: str, path: str) -> list[str | None]:
    """The cells of a column as words."""
    words: list[str | None] = []
    for row, (value, missing) in enumerate(zip(series.to_list(), series.is_null().to_list(), strict=True), 1):
        if isinstance(value, list | dict | tuple | bytes | np.ndarray):
            what = type(value).__name__
            raise DataError(f"column {column} holds {what} values", path=path, line=row, mend="give plain values")
        words.append(None if missing or value != value else str(value))
    return words


def _add_times(filling: Filling, series: Any, lines: Sequence[int]) -> None:
    import narwhals as nw

    assert filling.time is not None
    dtype, column = series.dtype, filling.time.column
    if dtype == nw.Datetime or dtype == nw.Date:
        for row in np.flatnonzero(series.is_null().to_numpy())[:1].tolist():
            raise DataError(
                f"column {column}: there is no time here", path=filling.path, line=row + 1, mend="write one"
            )
        if dtype == nw.Date:
            series = series.cast(nw.Datetime("us"))
        elif dtype.time_zone is not None:
            if dtype.time_zone.upper() != "UTC":
                filling.time.notes.append(f"times of the zone {dtype.time_zone} are converted to UTC")
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        filling.time.add_times(np.asarray(series.to_numpy(), "datetime64[us]"))
    elif dtype.is_integer():
        filling.time.add_numbers(series.to_numpy().astype(np.int64))
    elif dtype.is_float():
        values = series.to_numpy()
        for row in np.flatnonzero(~(values == np.floor(values)) | (abs(values) > 2**53))[:1].tolist():
            raise DataError(
                f"column {column}: {values[row]} is no time", path=filling.path, line=row + 1, mend="give whole numbers"
            )
        filling.time.add_numbers(values.astype(np.int64))
    else:
        filling.time.add(_words(series, column, filling.path), lines)


def _digest(table: SeriesTable) -> str:
    """A hash of names and values, for what was never bytes."""
    digest = hashlib.sha256(repr((table.columns, table.names)).encode("utf-8", "surrogatepass"))
    for codes, words in table.static:
        digest.update("\0".join(words).encode("utf-8", "surrogatepass") + codes.tobytes())
    for values in (table.times, table.groups, table.numbers):
        digest.update(b"" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
