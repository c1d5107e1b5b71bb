"""Tables with a row for each step, as sequences of numbers with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from timesteps.data.cells import Cells
from timesteps.data.frames import FRAME
from timesteps.data.sequence_table import SequenceColumns, SequenceTable
from timesteps.data.series_columns import names_in, place_of
from timesteps.data.series_grid import arranged
from timesteps.data.series_source import read_table
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.series.series import Columns

__all__ = ["read_long"]


def read_long(source: str | PathLike[str] | Any, columns: SequenceColumns, encoding: str | None) -> SequenceTable:
    """The sequences of a table. Errors: `DataError` that names the line, as of a label that changes."""
    if columns.group is None:
        raise UsageError("which column tells the sequences apart?", path=_path(source), mend=f"give {option('group')}")

    def chosen(names: Sequence[str], numeric: Callable[[int], bool]) -> Columns:
        path = _path(source) or FRAME
        given = [(columns.group, "group"), (columns.time, "time"), (columns.label, "label_column")]
        taken = {place_of(name, names, path, what) for name, what in given if name is not None}
        features = columns.features or tuple(
            str(place + 1) for place in range(len(names)) if place not in taken and numeric(place)
        )
        if not features:
            raise DataError("no column of numbers is left for the steps", path=path, mend=names_in(names))
        return Columns(features, columns.time, columns.group, static=() if columns.label is None else (columns.label,))

    table = read_table(source, chosen, Cells(), None, encoding)
    notes = list(table.notes)
    rows, order = arranged(table.times, table.groups, table.names, table.lines, table.source, False, notes)
    numbers = table.numbers if order is None else table.numbers[order]
    labels = None
    if table.static:
        codes, words = table.static[0]
        mine = codes if order is None else codes[order]
        first = np.repeat(mine[rows.starts[:-1]], rows.lengths)
        for row in np.flatnonzero(mine != first)[:1].tolist():
            raise DataError(
                f"label {words[mine[row]]!r} after {words[first[row]]!r} in the same sequence",
                path=table.source,
                line=int(rows.lines[row]),
                mend="each sequence has one label",
            )
        labels = [words[code] for code in mine[rows.starts[:-1]].tolist()]
        if "" in labels:
            line = int(rows.lines[rows.starts[labels.index("")]])
            raise DataError("there is no label here", path=table.source, line=line, mend="fill it in")
    return SequenceTable(
        rows=np.split(numbers, rows.starts[1:-1]),
        labels=labels,
        names=[str(name) for name in rows.names],
        lines=rows.lines[rows.starts[:-1]].tolist(),
        features=table.columns.targets,
        source=table.source,
        sha256=table.sha256,
        notes=notes,
    )


def _path(source: Any) -> str | None:
    return str(source) if isinstance(source, str | Path) else None
