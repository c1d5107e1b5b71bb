"""`read_sequences`: sequences of numbers with labels, from aeon's `.ts` files and from tables with a row a step."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.data.catalogue import DATASETS
from timesteps.data.dataset import Dataset
from timesteps.data.download import Progress, check_recorded
from timesteps.data.long_table import read_long
from timesteps.data.sequence_table import SequenceColumns, SequenceTable
from timesteps.data.source import resolve, stored
from timesteps.data.streams import is_stdin, plain_suffix
from timesteps.data.ts_file import read_ts
from timesteps.data.windowed import windowed
from timesteps.errors import DataError, UsageError, option

__all__ = ["Missing", "SequenceColumns", "SequenceTable", "is_sequences", "read_sequences"]

Missing = Literal["error", "interpolate"]


def is_sequences(source: str | PathLike[str] | None) -> bool:
    """Whether the source is a `.ts` file or a known set of sequences.

    >>> is_sequences("basic-motions"), is_sequences("speech.ts.gz"), is_sequences("reviews.csv")
    (True, True, False)
    """
    if source is None:
        return False
    found = resolve(source)
    return found.kind == "sequences" if isinstance(found, Dataset) else plain_suffix(found) == ".ts"


def read_sequences(
    source: str | PathLike[str] | Any,
    columns: SequenceColumns | None = None,
    *,
    split: str = "train",
    labelled: bool = True,
    missing: Missing = "error",
    window: int | None = None,
    encoding: str | None = None,
    progress: Progress | None = None,
) -> SequenceTable:
    """Reads sequences of numbers.

    Args:
        source: a `.ts` file, the name of a known set of sequences, or a table (CSV, TSV, JSON lines, Parquet, a data
            frame) with a row for each step; files may be compressed.
        columns: of a table. Standard input (`-`) is a table where there are columns, otherwise a `.ts` file.
        split: the part of a known set.
        labelled: whether there must be labels.
        missing: "error" refuses numbers that are missing; "interpolate" puts those between them on a line, and repeats
            the nearest at the ends of a sequence.
        window: so many steps become one (`timesteps.data.windowed`), after that.

    Errors: `DataError` that names file and line for whatever cannot be read.

    >>> table = read_sequences("basic-motions")
    >>> len(table), table.rows[0].shape, sorted(set(table.labels))
    (40, (100, 6), ['Badminton', 'Running', 'Standing', 'Walking'])
    """
    if missing not in ("error", "interpolate"):
        raise UsageError(f"{option('missing')} is {missing!r}", mend="give error or interpolate")
    known = resolve(source) if isinstance(source, str) else None
    if isinstance(known, Dataset):
        if known.kind != "sequences":
            names = ", ".join(name for name, dataset in DATASETS.items() if dataset.kind == "sequences")
            raise DataError(f"{known.name} holds no sequences of numbers", mend=f"known are {names}")
        path, form = stored(known.name, split, progress=progress)
        table = read_ts(path, encoding)
        check_recorded(path, table.sha256)
        table = replace(table, source=known.name, notes=[*([form.note] if form.note else []), *table.notes])
    elif isinstance(source, str | PathLike) and not is_stdin(source) and plain_suffix(Path(source)) == ".ts":
        if columns is not None and columns != SequenceColumns():
            raise UsageError("a .ts file has no columns with names", path=source, mend="leave the columns out")
        table = read_ts(source, encoding)
    elif isinstance(source, str) and is_stdin(source) and columns is None:
        table = read_ts(source, encoding)
    else:
        table = read_long(source, columns or SequenceColumns(), encoding)
    if labelled and table.labels is None:
        raise DataError(
            "the sequences have no labels",
            path=table.source,
            mend=f"give {option('label_column')}, or @classLabel true",
        )
    table = _complete(table, missing)
    if window is None:
        return table
    return replace(table, rows=[windowed(row, window) for row in table.rows])


def _complete(table: SequenceTable, missing: Missing) -> SequenceTable:
    """The table without missing numbers. Errors: `DataError`, with the line, where they are one."""
    holes = [(row, int(count)) for row, x in enumerate(table.rows) if (count := np.isnan(x).sum())]
    if not holes:
        return table
    total = sum(count for _, count in holes)
    numbers = "1 number is" if total == 1 else f"{total:,} numbers are"
    found = f"{numbers} missing in {len(holes):,} of {len(table):,} sequences"
    if missing == "error":
        raise DataError(
            found,
            path=table.source,
            line=table.lines[holes[0][0]],
            mend=f"fill them in, or give {option('missing', 'interpolate')}",
        )
    rows = list(table.rows)
    for row, _ in holes:
        rows[row] = _interpolated(rows[row], table, row)
    return replace(table, rows=rows, notes=[*table.notes, f"{found}: interpolated"])


def _interpolated(x: NDArray[np.float64], table: SequenceTable, row: int) -> NDArray[np.float64]:
    x = x.copy()
    steps = np.arange(len(x))
    for feature in range(x.shape[1]):
        known = ~np.isnan(x[:, feature])
        if not known.any():
            raise DataError(
                f"feature {feature + 1} of sequence {table.names[row]} has no number at all",
                path=table.source,
                line=table.lines[row],
                mend="leave the sequence out",
            )
        x[:, feature] = np.interp(steps, steps[known], x[known, feature])
    return x
