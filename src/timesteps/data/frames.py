"""Data frames (pandas, polars, pyarrow, by narwhals) and Parquet files (by pyarrow, the extra `[data]`)."""

from __future__ import annotations

import hashlib
from typing import Any

from timesteps.data.jsonl import check_text
from timesteps.data.rows import Rows
from timesteps.data.streams import MAX_BYTES, ByteSource
from timesteps.errors import DataError, UsageError

FRAME = "data frame"


def frame_rows(frame: Any, name: str = FRAME) -> Rows:
    """The columns of a data frame as strings; missing values (None, NaN) as None. Rows are numbered from 1.

    Errors: `UsageError` for anything narwhals does not know as a data frame in memory.
    """
    import narwhals as nw

    try:
        known = nw.from_native(frame, eager_only=True)
        names = [str(column) for column in known.columns]
    except nw.exceptions.DuplicateError as error:
        raise DataError("two columns have the same name", path=name, mend="rename one of them") from error
    except TypeError as error:
        raise UsageError(
            f"{type(frame).__name__} is not a data frame in memory", mend="pass one of pandas, polars or pyarrow"
        ) from error
    unusable: dict[str, tuple[int, str]] = {}
    columns = []
    for index, column in enumerate(names):
        series = known[:, index]
        strings: list[str | None] = [None] * len(series)
        for i, (value, missing) in enumerate(zip(series.to_list(), series.is_null().to_list(), strict=True)):
            if missing:
                continue
            if isinstance(value, str):
                check_text(value, name, i + 1)
                strings[i] = value
            elif isinstance(value, (list, dict, tuple, bytes)):
                unusable.setdefault(column, (i + 1, f"column {column!r} holds {type(value).__name__} values"))
            elif value == value:  # NaN, which differs from itself, is not null in polars
                strings[i] = str(value)
        columns.append(strings)
    return Rows(columns, list(range(1, len(known) + 1)), names, unusable=unusable)


def frame_sha256(rows: Rows) -> str:
    """A hash of the names and values, for frames that were never bytes."""
    digest = hashlib.sha256(repr(rows.names).encode("utf-8", "surrogatepass"))
    for column in rows.columns:
        for value in column:
            encoded = b"" if value is None else value.encode()
            digest.update(f"{-1 if value is None else len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def read_parquet(source: ByteSource, max_bytes: int = MAX_BYTES) -> Rows:
    """The columns of a Parquet file. Errors: those of `parquet_table`."""
    return frame_rows(parquet_table(source, max_bytes), source.name)


def parquet_table(source: ByteSource, max_bytes: int = MAX_BYTES) -> Any:
    """A Parquet file as pyarrow has it.

    Errors: `DataError` where pyarrow is not installed, and for a damaged file.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(
            "Parquet files need pyarrow", path=source.name, mend="pip install 'timesteps[data]', or convert it to CSV"
        ) from error
    content = b"".join(source.blocks())
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if size > max_bytes:
            raise DataError(
                f"holds more than {max_bytes:,} bytes", path=source.name, mend="split it into smaller files"
            )
        return file.read()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"not a readable Parquet file ({reason})", path=source.name, mend="write it again") from error
