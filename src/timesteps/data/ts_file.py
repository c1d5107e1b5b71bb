"""aeon's `.ts` files: one sequence a line, its dimensions separated by colons, its label last."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from timesteps.data.lines import LineReader
from timesteps.data.sequence_table import SequenceTable
from timesteps.errors import DataError

__all__ = ["read_ts"]

_TRUTH = {"true": True, "false": False}
_FLAGS = ("timestamps", "missing", "univariate", "equallength", "classlabel", "targetlabel")
_COUNTS = ("dimension", "dimensions", "serieslength")
_TEXTS = ("problemname",)
_MISSING = frozenset({"?", "nan"})

Line = tuple[int, str]


class _Header:
    """What the lines before the data promise, by their keywords in lower case."""

    def __init__(self, lines: Iterator[Line], name: str) -> None:
        self.name = name
        self.flags: dict[str, bool] = {}
        self.counts: dict[str, int] = {}
        self.classes: tuple[str, ...] | None = None
        self.line = 0
        for number, line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if not text.startswith("@"):
                raise self._error("data before @data", number, "put @data before the first sequence")
            keyword, *values = text[1:].split()
            if keyword.lower() == "data":
                self.line = number
                break
            self._read(keyword, values, number)
        else:
            raise DataError("has no line @data", path=name, mend="is this a .ts file of aeon's archive?")
        self.dimensions = self.counts.get("dimensions", self.counts.get("dimension"))
        if self.flags.get("univariate"):
            if self.dimensions not in (None, 1):
                raise self._error(f"@univariate true, but @dimensions {self.dimensions}", self.line, "mend the header")
            self.dimensions = 1

    @property
    def length(self) -> int | None:
        """Steps that every sequence must have."""
        return self.counts.get("serieslength") if self.flags.get("equallength") else None

    def _read(self, keyword: str, values: list[str], number: int) -> None:
        key = keyword.lower()
        if key in _TEXTS:
            return
        if key in _FLAGS:
            flag = _TRUTH.get(values[0].lower()) if values else None
            if flag is None:
                raise self._error(f"@{keyword} is neither true nor false", number, "mend the header")
            self.flags[key] = flag
            if key == "classlabel" and flag:
                self.classes = tuple(values[1:])
            if flag and key in ("timestamps", "targetlabel"):
                what = "time stamps" if key == "timestamps" else "numbers as targets"
                raise self._error(f"sequences with {what} are not read", number, "write sequences with class labels")
        elif key in _COUNTS:
            if not values or not values[0].isdigit() or int(values[0]) < 1:
                raise self._error(f"@{keyword} is no whole number", number, "mend the header")
            self.counts[key] = int(values[0])
        else:
            raise self._error(f"@{keyword} means nothing", number, "mend the header, or take the line out")

    def _error(self, what: str, line: int, mend: str) -> DataError:
        return DataError(what, path=self.name, line=line, mend=mend)


def read_ts(source: str | PathLike[str], encoding: str | None = None) -> SequenceTable:
    r"""Reads a `.ts` file, which may be compressed; `?` is a missing number.

    Errors: `DataError` with the line for a header that makes no sense, for a sequence that is not as the header
    promises (dimensions, length, label), and for what is no number.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "small.ts"
    ...     _ = path.write_text("@dimensions 2\n@classLabel true up down\n@data\n1,2:0,0:up\n3,?,1:0,0,0:down\n")
    ...     table = read_ts(path)
    >>> [row.shape for row in table.rows], table.labels, table.lines
    ([(2, 2), (3, 2)], ['up', 'down'], [4, 5])
    """
    reader = LineReader(source, encoding)
    lines = iter(reader)
    header = _Header(lines, reader.name)
    rows: list[NDArray[np.float64]] = []
    labels: list[str] = []
    numbers: list[int] = []
    dimensions = header.dimensions
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        parts = text.split(":")
        if header.classes is not None:
            labels.append(_label(parts.pop().strip(), header.classes, reader.name, number))
        if not parts or len(parts) != (dimensions or len(parts)):
            raise DataError(
                f"{len(parts)} dimensions, expected {dimensions or 'are one or more'}",
                path=reader.name,
                line=number,
                mend="separate dimensions by colons; the label comes last where @classLabel is true",
            )
        dimensions = len(parts)
        rows.append(_sequence(parts, header, reader.name, number))
        numbers.append(number)
    if not rows:
        raise DataError("has no sequence after @data", path=reader.name, mend="add one a line")
    notes = [] if any(map(len, rows)) else ["no sequence has a step"]
    names = [str(number) for number in range(1, len(rows) + 1)]
    found = labels if header.classes is not None else None
    return SequenceTable(rows, found, names, numbers, (), reader.name, reader.sha256, notes)


def _label(label: str, classes: tuple[str, ...], name: str, number: int) -> str:
    if not label or (classes and label not in classes):
        shown = ", ".join(classes[:10]) + (", …" if len(classes) > 10 else "")
        raise DataError(
            f"label {label!r} is not among those of the header ({shown or 'none are named'})",
            path=name,
            line=number,
            mend="mend the label or @classLabel",
        )
    return label


def _sequence(parts: list[str], header: _Header, name: str, number: int) -> NDArray[np.float64]:
    """(T, I) of the dimensions of a line."""
    columns = [_numbers(part, place, name, number) for place, part in enumerate(parts, 1)]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise DataError(
            f"dimension 1 has {len(columns[0])} steps, another {max(lengths - {len(columns[0])})}",
            path=name,
            line=number,
            mend="give all dimensions of a sequence the same steps",
        )
    if header.length is not None and lengths != {header.length}:
        raise DataError(
            f"{lengths.pop()} steps, but @seriesLength is {header.length}",
            path=name,
            line=number,
            mend="mend it, or write @equalLength false",
        )
    found = np.stack(columns, axis=1)
    if header.flags.get("missing") is False and np.isnan(found).any():
        raise DataError("a number is missing, but @missing is false", path=name, line=number, mend="mend one of them")
    return found


def _numbers(part: str, place: int, name: str, number: int) -> NDArray[np.float64]:
    cells = part.split(",")
    try:
        if "_" in part:
            raise ValueError
        found = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        found = np.array([_number(cell.strip(), step, place, name, number) for step, cell in enumerate(cells, 1)])
    if np.isinf(found).any():
        step = int(np.flatnonzero(np.isinf(found))[0])
        raise DataError(
            f"dimension {place}, step {step + 1} is infinite",
            path=name,
            line=number,
            mend="write ? where it is missing",
        )
    return found


def _number(cell: str, step: int, place: int, name: str, number: int) -> float:
    if cell.lower() in _MISSING:
        return np.nan
    try:
        if "_" in cell:
            raise ValueError
        return float(cell)
    except ValueError as error:
        raise DataError(
            f"dimension {place}, step {step}: {cell!r} is no number",
            path=name,
            line=number,
            mend="write ? where a number is missing",
        ) from error
