"""`StampColumn`: the time stamps of a table, block by block, and the times that they name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timesteps.data.stamp_numbers import read_numbers
from timesteps.data.stamps import DAY, ISO_SHAPES, Form, Stamp, UnreadableError, days, form_of, parse, parse_as
from timesteps.errors import DataError, option

__all__ = ["StampColumn"]

_TO_SHAPE = str.maketrans("123456789", "000000000")
_PLAIN = "write them as 2024-01-31, 2024-01-31 13:00, 2024-01, 2024Q1 or as step numbers"


class StampColumn:
    """Reads a column of time stamps; they must all be written in one way.

    Args:
        path: of errors.
        column: its name.
        time_format: of `strptime`; None where the form is told from the stamps.

    >>> stamps = StampColumn("prices.csv", "date")
    >>> stamps.add(["2024-01-31", "2024-02-29"], [2, 3])
    >>> stamps.times(np.array([2, 3])).astype("datetime64[D]").tolist()
    [datetime.date(2024, 1, 31), datetime.date(2024, 2, 29)]
    """

    def __init__(self, path: str, column: str, time_format: str | None = None) -> None:
        self.path, self.column, self.time_format = path, column, time_format
        self.notes: list[str] = []
        self._form: Form | None = None
        self._first = ("", 0)  # the first stamp, and its line
        self._offset: int | None = None
        self._blocks: list[NDArray[np.int64]] = []
        self._open: list[NDArray[np.int64]] = []  # (n, 3): first, second and year, where their order is not known yet

    def add(self, stamps: Sequence[str | None], lines: Sequence[int]) -> None:
        """Reads some more. Errors: `DataError` that names the line."""
        distinct = dict.fromkeys(stamps)
        if None in distinct or "" in distinct:
            line = next(line for stamp, line in zip(stamps, lines, strict=True) if not stamp)
            raise self._error("there is no time here", line, "write one, or take the row out")
        words: list[str] = list(distinct)  # type: ignore[arg-type]  # None has just been refused
        if self._form is None and words:
            self._first = (words[0].strip(), lines[0])
            self._form = self._told(words[0].strip(), lines[0])
        if (fast := self._read_fast(words)) is not None:
            self._join(fast, distinct, stamps)
            return
        found: list[Stamp] = []
        for word in words:
            try:
                found.append(self._read(word.strip()))
            except UnreadableError as error:
                line = next(line for stamp, line in zip(stamps, lines, strict=True) if stamp == word)
                raise self._error(str(error), line, _PLAIN) from error
        self._join(np.array([stamp.micros for stamp in found], np.int64), distinct, stamps)
        if self._form is not None and self._form.name == "numbers before the year":
            numbers = np.array([stamp.open for stamp in found], np.int64)
            self._open.append(numbers[self._codes(distinct, stamps)])

    def add_times(self, times: NDArray[np.datetime64]) -> None:
        """Times that a data frame has as such."""
        self._form = Form("times", True, False)
        self._blocks.append(times.astype("datetime64[us]").astype(np.int64))

    def add_numbers(self, numbers: NDArray[np.int64]) -> None:
        """Whole numbers of a data frame."""
        self._form = Form("number", False, False)
        self._blocks.append(numbers)

    def times(self, lines: NDArray[np.int64]) -> NDArray[np.generic]:
        """All times (N,): datetime64[us], in UTC where there were zones, or int64 step numbers."""
        values = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int64)
        if self._form is not None and self._form.name == "number":
            times, what = read_numbers(values, self.column)
            self.notes.append(f"column {self.column} is read as {what}")
            return times
        if self._open:
            values = values + self._ordered(np.concatenate(self._open), lines) * DAY
        if self._offset is not None:
            values = values - self._offset * 60_000_000
            if self._offset:
                sign, ahead = "+-"[self._offset < 0], abs(self._offset)
                self.notes.append(f"times of the zone {sign}{ahead // 60:02}:{ahead % 60:02} are converted to UTC")
        return values.astype("datetime64[us]")

    def _told(self, stamp: str, line: int) -> Form | None:
        """The form that the first stamp has."""
        if self.time_format is not None:
            return Form("format", True, False)
        if _number(stamp) is not None:
            return Form("number", False, False)
        if (found := form_of(stamp)) is not None:
            return found[0]
        raise self._error(f"{stamp!r} cannot be read as a time", line, f"{_PLAIN}, or give {option('time_format')}")

    def _read_fast(self, words: list[str]) -> NDArray[np.int64] | None:
        """What numpy reads by itself; None where each stamp has to be looked at."""
        if self.time_format is not None or self._form is None or self._form.name not in ("date", "number"):
            return None
        try:
            if self._form.name == "number":
                return np.array(words).astype(np.int64) if not any("_" in word for word in words) else None
            shapes = {word.translate(_TO_SHAPE) for word in words}
            if len(shapes) != 1 or (len(next(iter(shapes))) > 10) is not self._form.clock or not shapes <= ISO_SHAPES:
                return None
            return np.array(words, "datetime64[us]").astype(np.int64)
        except (ValueError, OverflowError):
            return None

    def _read(self, word: str) -> Stamp:
        if self.time_format is not None:
            stamp = parse_as(word, self.time_format)
        elif self._form is not None and self._form.name == "number":
            number = _number(word)
            if number is None:
                raise UnreadableError(self._unlike(word))
            return Stamp(number)
        else:
            found = form_of(word)
            if found is None or found[0] != self._form:
                raise UnreadableError(self._unlike(word))
            try:
                stamp = parse(found[1])
            except UnreadableError as error:
                raise UnreadableError(f"there is no time {word!r} ({error})") from error
        if self._offset is None and not self._blocks:
            self._offset = stamp.offset
        if stamp.offset != self._offset:
            raise UnreadableError(
                f"the time {word!r} is of another zone than {self._first[0]!r} in line {self._first[1]}"
            )
        return stamp

    def _unlike(self, word: str) -> str:
        return f"the time {word!r} is not written like {self._first[0]!r} in line {self._first[1]}"

    @staticmethod
    def _codes(distinct: dict[str | None, None], stamps: Sequence[str | None]) -> NDArray[np.int64]:
        numbers = {word: number for number, word in enumerate(distinct)}
        return np.fromiter(map(numbers.__getitem__, stamps), np.int64, len(stamps))

    def _join(self, values: NDArray[np.int64], distinct: dict[str | None, None], stamps: Sequence[str | None]) -> None:
        same = len(distinct) == len(stamps)
        self._blocks.append(values if same else values[self._codes(distinct, stamps)])

    def _ordered(self, numbers: NDArray[np.int64], lines: NDArray[np.int64]) -> NDArray[np.int64]:
        """Days since 1970 of numbers (N, 3) before the year, in the one order that all of them allow."""
        day_first, month_first = np.flatnonzero(numbers[:, 0] > 12), np.flatnonzero(numbers[:, 1] > 12)
        if len(day_first) and len(month_first):
            row, other = sorted((int(day_first[0]), int(month_first[0])))
            raise self._error(
                f"the day comes first in line {lines[row]} and second here"
                if row == day_first[0]
                else f"the month comes first in line {lines[row]} and second here",
                int(lines[other]),
                _PLAIN,
            )
        if not len(day_first) and not len(month_first) and (numbers[:, 0] != numbers[:, 1]).any():
            row = int(np.flatnonzero(numbers[:, 0] != numbers[:, 1])[0])
            first, then, year = numbers[row].tolist()
            raise self._error(
                f"{first:02}/{then:02}/{year} may be {year}-{first:02}-{then:02} or {year}-{then:02}-{first:02}, "
                "and so may all others",
                int(lines[row]),
                f"give {option('time_format', '%d/%m/%Y')} or {option('time_format', '%m/%d/%Y')}, as they are written",
            )
        day, month = (0, 1) if len(day_first) else (1, 0)
        self.notes.append(f"times of {self.column} are read as {'day' if day == 0 else 'month'} first")
        distinct, codes = np.unique(numbers, axis=0, return_inverse=True)
        found = np.zeros(len(distinct), np.int64)
        for i, parts in enumerate(distinct.tolist()):
            try:
                found[i] = days(parts[2], parts[month], parts[day])
            except UnreadableError as error:
                row = int(np.flatnonzero(codes.ravel() == i)[0])
                raise self._error(f"there is no such day ({error})", int(lines[row]), _PLAIN) from error
        return found[codes.ravel()]

    def _error(self, what: str, line: int, mend: str) -> DataError:
        return DataError(f"column {self.column}: {what}", path=self.path, line=line, mend=mend)


def _number(word: str) -> int | None:
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return (
            int(word) if digits.isascii() and digits.isdigit() and len(digits) == 19 and int(digits) < 2**63 else None
        )
    return int(word)
