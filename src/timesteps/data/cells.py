"""Columns of a table as compact arrays, filled block by block: numbers, and words as codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError, option

__all__ = ["Cells", "NumberColumn", "WordColumn"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a"})
_TRUTH = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Cells:
    """How the numbers of a table are written.

    Args:
        missing_values: what stands for a missing number besides an empty cell, NA, N/A, NaN, null and None, in any
            case; "0" also stands for 0.000.
        thousands: the mark between thousands, such as ","; None where there is none.
        decimal: "." or ",".
    """

    missing_values: tuple[str, ...] = ()
    thousands: str | None = None
    decimal: str = "."

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise UsageError(f"{option('decimal')} is {self.decimal!r}", mend="give . or ,")
        if self.thousands is not None and (
            self.thousands == self.decimal or self.thousands not in (*",. '_", "\u00a0")
        ):
            raise UsageError(
                f"{option('thousands')} is {self.thousands!r}",
                mend=f"give another mark than {option('decimal')}: , or .",
            )


class NumberColumn:
    """A column of numbers; NaN is missing.

    >>> column = NumberColumn("prices.csv", "close", Cells())
    >>> column.add(["1.5", "", "NA"], [2, 3, 4])
    >>> column.values().tolist()
    [1.5, nan, nan]
    """

    def __init__(self, path: str, column: str, cells: Cells) -> None:
        self.path, self.column, self.cells = path, column, cells
        self._words = _MISSING | {word.strip().lower() for word in cells.missing_values}
        self._numbers = [number for word in cells.missing_values if (number := _plain(word)) is not None]
        self._blocks: list[NDArray[np.float64]] = []
        self.taken_out = 0  # numbers that stand for a missing one

    def add(self, cells: Sequence[str | None], lines: Sequence[int]) -> None:
        """Reads some more. Errors: `DataError` that names the line of text or of an infinite number."""
        try:
            if self.cells.thousands is not None or self.cells.decimal != "." or "_" in "".join(filter(None, cells)):
                raise ValueError
            values = np.fromiter(map(float, [cell or "nan" for cell in cells]), np.float64, len(cells))
        except ValueError:
            known: dict[str | None, float] = {}
            for cell, line in zip(cells, lines, strict=True):
                if cell not in known:
                    known[cell] = self._read(cell, line)
            values = np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))
        self._keep(values, lines, cells)

    def add_numbers(self, values: NDArray[np.float64]) -> None:
        """Numbers of a data frame, whose rows are numbered from 1."""
        self._keep(np.array(values, np.float64), range(1, len(values) + 1), None)

    def values(self) -> NDArray[np.float64]:
        """All of them (N,)."""
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0)

    def _keep(self, values: NDArray[np.float64], lines: Sequence[int], cells: Sequence[str | None] | None) -> None:
        for row in np.flatnonzero(np.isinf(values))[:1].tolist():
            shown = "an infinite number" if cells is None else f"{(cells[row] or '').strip()!r}"
            raise self._error(f"{shown} is infinite", lines[row], "write a number, or nothing where it is missing")
        if self._numbers:
            marked = np.isin(values, self._numbers)
            self.taken_out += int(marked.sum())
            values[marked] = np.nan
        self._blocks.append(values)

    def _read(self, cell: str | None, line: int) -> float:
        word = (cell or "").strip()
        if word.lower() in self._words:
            return np.nan
        if word.lower() in _TRUTH:
            return _TRUTH[word.lower()]
        mark = self.cells.thousands
        if mark is not None and mark in word:
            if not _grouped(word, mark, self.cells.decimal):
                raise self._error(f"{word!r} is no number with {mark!r} between thousands", line, "mend the cell")
            word = word.replace(mark, "")
        if self.cells.decimal == ",":
            if "." in word:
                raise self._error(f"{word!r} has a point, but the decimal mark is a comma", line, "mend the cell")
            word = word.replace(",", ".")
        number = _plain(word)
        if number is None:
            raise self._refused(word, line)
        return number

    def _refused(self, word: str, line: int) -> DataError:
        """What the cell may be, and which option says so."""
        if self.cells.thousands is None and self.cells.decimal == "." and "," in word:
            if _grouped(word, ",", ".") and ("." in word or word.count(",") > 1):
                return self._error(f"{word!r} is no plain number", line, f"give {option('thousands', ',')}")
            if _plain(word.replace(",", ".")) is not None:
                mends = [option("thousands", ",")] * _grouped(word, ",", ".") + [option("decimal", ",")]
                return self._error(f"{word!r} is no plain number", line, f"give {' or '.join(mends)}, as is meant")
            if _grouped(word, ".", ","):
                mend = f"give {option('thousands', '.')} and {option('decimal', ',')}"
                return self._error(f"{word!r} is no plain number", line, mend)
        return self._error(
            f"{word!r} is text in a column of numbers",
            line,
            f"mend it, leave the column out, or give {option('missing_values', word)} if it means a missing number",
        )

    def _error(self, what: str, line: int, mend: str) -> DataError:
        return DataError(f"column {self.column}: {what}", path=self.path, line=line, mend=mend)


class _Numbering(dict[str, int]):
    def __missing__(self, word: str) -> int:
        self[word] = len(self)
        return self[word]


class WordColumn:
    """A column of words, which are kept once each.

    >>> column = WordColumn("prices.csv", "city")
    >>> column.add(["Seoul", "Busan", "Seoul"], [2, 3, 4])
    >>> column.codes().tolist(), column.words
    ([0, 1, 0], ['Seoul', 'Busan'])
    """

    def __init__(self, path: str, column: str, *, empty: str | None = None) -> None:
        self.path, self.column = path, column
        self._empty = empty  # what an empty cell is an error for; None where it is a word like any other
        self._numbers = _Numbering()
        self._blocks: list[NDArray[np.int32]] = []

    def add(self, cells: Sequence[str | None], lines: Sequence[int]) -> None:
        """Reads some more. Errors: `DataError` that names the line of an empty cell."""
        words = [cell.strip() if cell else "" for cell in cells]
        if self._empty is not None and "" in words:
            line = lines[words.index("")]
            raise DataError(f"column {self.column}: {self._empty}", path=self.path, line=line, mend="fill it in")
        self._blocks.append(np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words)))

    @property
    def words(self) -> list[str]:
        """The distinct words, as they first came."""
        return list(self._numbers)

    def codes(self) -> NDArray[np.int64]:
        """All cells (N,), as numbers of their words."""
        return np.concatenate(self._blocks).astype(np.int64) if self._blocks else np.zeros(0, np.int64)


def _plain(word: str) -> float | None:
    """The number, if it is written in a way that leaves no choice."""
    if "_" in word:
        return None
    try:
        return float(word)
    except ValueError:
        return None


def _grouped(word: str, mark: str, decimal: str) -> bool:
    """Whether the mark stands between groups of three digits."""
    m, d = re.escape(mark), re.escape(decimal)
    return re.fullmatch(rf"[-+]?\d{{1,3}}(?:{m}\d{{3}})+(?:{d}\d*)?", word) is not None
