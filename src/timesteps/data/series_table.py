"""`SeriesTable`: the columns that are wanted of a table of series, as compact arrays, whatever the table came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timesteps.data.blocks import Block, blocks_of
from timesteps.data.cells import Cells, NumberColumn, WordColumn
from timesteps.data.lines import LineReader
from timesteps.data.series_columns import Chooser, Completing, choose, numbers_of, resolved
from timesteps.data.stamp_column import StampColumn
from timesteps.errors import DataError
from timesteps.runtime.series.series import Columns

__all__ = ["Filling", "SeriesTable", "read_series_table"]


@dataclass(frozen=True)
class SeriesTable:
    """N rows in the order of the file. Codes are numbers of words."""

    source: str
    sha256: str
    columns: Columns
    lines: NDArray[np.int64]
    times: NDArray[np.generic] | None  # datetime64[us] or int64
    groups: NDArray[np.int64] | None
    names: list[str]  # of the groups
    numbers: NDArray[np.float64]  # (N, D + P + Q)
    static: tuple[tuple[NDArray[np.int64], list[str]], ...]  # codes and words of each column
    notes: list[str]


class Filling:
    """A table that is being filled; frames and files do so in ways of their own."""

    def __init__(self, path: str, columns: Columns, cells: Cells, time_format: str | None) -> None:
        self.path, self.columns = path, columns
        self.lines: list[Sequence[int]] = []
        self.time = None if columns.time is None else StampColumn(path, columns.time, time_format)
        no_name = "this row does not say which series it belongs to"
        self.group = None if columns.group is None else WordColumn(path, columns.group, empty=no_name)
        self.numbers = {name: NumberColumn(path, name, cells) for name in numbers_of(columns)}
        self.static = {name: WordColumn(path, name) for name in columns.static}

    def add(self, block: Block, places: dict[str, int]) -> None:
        """Reads a block of cells."""
        self.lines.append(block.lines)
        for name, column in self._wanted().items():
            column.add(block.columns[places[name]], block.lines)

    def table(self, sha256: str, notes: list[str]) -> SeriesTable:
        """What has been read."""
        lines = np.concatenate([np.asarray(part, np.int64) for part in self.lines] or [np.zeros(0, np.int64)])
        if not len(lines):
            raise DataError("has a header line and no rows", path=self.path, mend="add rows, one for each step")
        columns = [column.values() for column in self.numbers.values()]
        times = None if self.time is None else self.time.times(lines)
        taken_out = [
            f"column {name}: {column.taken_out:,} cells {' or '.join(column.cells.missing_values)} count as missing"
            for name, column in self.numbers.items()
            if column.taken_out
        ]
        return SeriesTable(
            source=self.path,
            sha256=sha256,
            columns=self.columns,
            lines=lines,
            times=times,
            groups=None if self.group is None else self.group.codes(),
            names=[] if self.group is None else self.group.words,
            numbers=np.stack(columns, axis=1) if columns else np.zeros((len(lines), 0)),
            static=tuple((column.codes(), column.words) for column in self.static.values()),
            notes=[*notes, *([] if self.time is None else self.time.notes), *taken_out],
        )

    def _wanted(self) -> dict[str, StampColumn | WordColumn | NumberColumn]:
        wanted: dict[str, StampColumn | WordColumn | NumberColumn] = {**self.numbers, **self.static}
        if self.time is not None and self.columns.time is not None:
            wanted[self.columns.time] = self.time
        if self.group is not None and self.columns.group is not None:
            wanted[self.columns.group] = self.group
        return wanted


def read_series_table(
    source: str | PathLike[str],
    columns: Columns | Chooser | None,
    cells: Cells,
    time_format: str | None,
    encoding: str | None,
    header: Sequence[str] | None = None,
) -> SeriesTable:
    """The table of a CSV, TSV or JSON lines file; a `header` takes the place of its own.

    Errors: `DataError` that names file and line.
    """
    reader = LineReader(source, encoding)
    notes: list[str] = []
    filling: Filling | None = None
    names: list[str] = []
    places: dict[str, int] = {}
    for block in blocks_of(reader, Path(source), notes):
        if filling is None:
            names, block = _header(block, columns, notes)
            names = names if header is None else list(header)
            found, places = choose(columns, names, _numeric(block, reader.name, cells), reader.name, notes)
            filling = Filling(reader.name, found, cells, time_format)
        elif block.names is not None and block.names != names:
            names = block.names
            _, places = resolved(filling.columns, names, reader.name)
        for name in places:
            if name in block.unusable:
                line, why = block.unusable[name]
                raise DataError(why, path=reader.name, line=line, mend="each row needs a plain value of each column")
        filling.add(block, places)
    if filling is None:
        raise DataError("is empty", path=reader.name, mend="name a file with a row for each step")
    return filling.table(reader.sha256, notes)


def _header(block: Block, columns: Columns | Chooser | None, notes: list[str]) -> tuple[list[str], Block]:
    """The names of the columns, and the block without them."""
    if block.names is not None:
        return block.names, block
    first = [(column[0] or "").strip() for column in block.columns]
    given = columns.columns if isinstance(columns, Completing) else columns
    named = _named(given) if isinstance(given, Columns) else []
    wanted = [name for name in named if not name.strip().isdigit()]
    if not any(name in first for name in wanted) and any(map(_is_number, first)):
        notes.append("no header line: the first line is a row, columns go by their numbers")
        return [str(number) for number in range(1, len(first) + 1)], block
    return first, block._replace(columns=[column[1:] for column in block.columns], lines=block.lines[1:])


def _numeric(block: Block, path: str, cells: Cells) -> Callable[[int], bool]:
    def numeric(place: int) -> bool:
        column = NumberColumn(path, "", cells)
        try:
            column.add(list(block.columns[place][:1000]), list(block.lines[:1000]))
        except DataError:
            return False
        return bool(np.isfinite(column.values()).any())

    return numeric


def _named(columns: Columns) -> list[str]:
    return [
        *numbers_of(columns),
        *columns.static,
        *(name for name in (columns.time, columns.group) if name is not None),
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
