"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from timesteps.data.rows import Rows
from timesteps.errors import DataError


def _constant(word: str) -> None:
    """NaN stands for a missing value (pandas and numpy write it so); infinities stand for nothing."""
    if word != "NaN":
        raise ValueError(f"{word} is not JSON")


def read_jsonl(lines: Iterable[tuple[int, str]], name: str) -> Rows:
    """The fields of the objects as columns. Numbers and truth values stay as they are written; null is missing.

    Errors: `DataError`, naming the line, for invalid JSON, for anything but an object, and for text that is no Unicode.
    """
    columns: dict[str, list[str | None]] = {}
    unusable: dict[str, tuple[int, str]] = {}
    numbers: list[int] = []
    first = 0  # line of the first object
    for number, line in lines:
        row = _object(line, number, name) if line.strip() else None  # a blank line: every value is missing
        for key in row or ():
            if key not in columns:
                columns[key] = [None] * len(numbers)
                if first:
                    unusable[key] = (first, f"no field {key!r} in this object")
        for key, column in columns.items():
            value = row.get(key) if row else None
            if row is not None and key not in row:
                unusable.setdefault(key, (number, f"no field {key!r} in this object"))
            elif isinstance(value, (dict, list)):
                what = "a list" if isinstance(value, list) else "an object"
                unusable.setdefault(key, (number, f"field {key!r} holds {what}"))
                value = None
            column.append(("true" if value else "false") if isinstance(value, bool) else value)
        numbers.append(number)
        first = first or (number if row is not None else 0)
    names = list(columns)
    return Rows(list(columns.values()), numbers, names, unusable=unusable)


def _object(line: str, number: int, name: str) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_int=str, parse_float=str, parse_constant=_constant)
    except RecursionError as error:
        raise DataError("JSON nested too deeply", path=name, line=number, mend="write flat objects") from error
    except ValueError as error:
        raise DataError(
            f"not valid JSON ({error})", path=name, line=number, mend='write one object a line: {"text": …, "label": …}'
        ) from error
    if not isinstance(row, dict):
        what = "a JSON array" if isinstance(row, list) else "a JSON value"
        raise DataError(
            f"{what} where an object should be",
            path=name,
            line=number,
            mend='write one object a line: {"text": …, "label": …}',
        )
    if "\\u" in line:
        for value in (*row, *row.values()):
            if isinstance(value, str):
                check_text(value, name, number)
    return cast(dict[str, Any], row)


def check_text(text: str, name: str, number: int) -> None:
    """`DataError` for what UTF-8 files cannot hold but escapes and data frames can: lone surrogates, and NUL."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError("half of a surrogate pair in a text", path=name, line=number, mend="write the whole character")
    if "\0" in text:
        raise DataError("a NUL character in a text", path=name, line=number, mend="remove it")
