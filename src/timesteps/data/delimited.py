"""CSV and TSV: records out of lines, with the place of every fault.

CSV follows RFC 4180: a field that begins with a quote ends with one, and quotes inside it are doubled. In TSV quotes
are ordinary characters (published sets are full of lone ones); they are taken as CSV's only where that, and nothing
else, explains the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice

from timesteps.data.lines import MAX_LINE_BYTES
from timesteps.data.rows import Rows
from timesteps.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
_SAMPLE = 50

Line = tuple[int, str]
Record = tuple[int, list[str]]


def quoted_records(lines: Iterable[Line], delimiter: str, name: str, limit: int = MAX_LINE_BYTES) -> Iterator[Record]:
    """Records under CSV's rules, each with the line it begins on. A quoted field may hold delimiters and line ends.

    Errors: `DataError` for a quote that is not closed within `limit` characters or at all, and for text after a closing
    quote; both name the line where the quote was opened.
    """
    fields: list[str] = []
    parts: list[str] = []  # of the quoted field that is open
    start = opened = size = 0  # line numbers; opened = 0: no quote is open
    for number, line in lines:
        if not opened:
            if '"' not in line:
                yield number, line.split(delimiter)
                continue
            start, fields = number, []
        position = 0
        while True:
            if not opened and line.startswith('"', position):
                opened, parts, size, position = number, [], 0, position + 1
            if not opened:
                end = line.find(delimiter, position)
                fields.append(line[position:] if end < 0 else line[position:end])
                if end < 0:
                    yield start, fields
                    break
                position = end + 1
                continue
            closing, after = _closing_quote(line, position)
            parts.append(line[position:closing].replace('""', '"'))
            size += len(parts[-1])
            if size > limit:
                raise _unclosed(name, opened)
            if closing == len(line) and not after:
                parts.append("\n")
                break
            fields.append("".join(parts))
            if after and after != delimiter:
                raise DataError(
                    f"the quoted field is followed by {after!r} in line {number}",
                    path=name,
                    line=opened,
                    mend='write quotes inside a quoted field twice ("")',
                )
            opened = 0
            if not after:
                yield start, fields
                break
            position = closing + 2
    if opened:
        raise _unclosed(name, opened)


def _closing_quote(line: str, position: int) -> tuple[int, str]:
    """Where the field's quote closes, and the character after it; (length, "") with no quote at all.

    A line that ends with its closing quote gives (length - 1, "").
    """
    while True:
        quote = line.find('"', position)
        if quote < 0:
            return len(line), ""
        if not line.startswith('"', quote + 1):
            return quote, line[quote + 1 : quote + 2]
        position = quote + 2


def _unclosed(name: str, line: int) -> DataError:
    return DataError(
        "a quote is opened here and never closed",
        path=name,
        line=line,
        mend='close it, or write it twice ("") in quotes',
    )


def find_delimiter(lines: list[Line], name: str) -> str:
    """The delimiter that cuts the first lines into the same number of fields, at least two; else the comma."""
    for delimiter in DELIMITERS:
        widths: set[int] = set()
        with suppress(DataError):  # the sample may end inside a quoted field: the records before it decide
            for _, fields in quoted_records(lines, delimiter, name):
                if fields != [""]:
                    widths.add(len(fields))
        if len(widths) == 1 and widths != {1}:
            return delimiter
    return ","


def read_csv(lines: Iterable[Line], name: str, delimiter: str | None = None, limit: int = MAX_LINE_BYTES) -> Rows:
    """A CSV file's columns, the first line among them. Without `delimiter` it is found (comma, tab, semicolon, bar)."""
    notes = []
    if delimiter is None:
        iterator = iter(lines)
        sample = list(islice(iterator, _SAMPLE))
        delimiter = find_delimiter(sample, name)
        if delimiter == "\t":
            return read_tsv([*sample, *iterator], name, limit)
        if delimiter != ",":
            notes.append(f"fields are separated by {delimiter!r}")
        lines = chain(sample, iterator)
    records = list(quoted_records(lines, delimiter, name, limit))
    fault = ragged(records, name, "a field that holds the delimiter needs quotes around it")
    if fault:
        raise fault
    return columns_of(records, notes)


def read_tsv(lines: Iterable[Line], name: str, limit: int = MAX_LINE_BYTES) -> Rows:
    """A TSV file's columns, the first line among them: one record a line, quotes are characters.

    Two exceptions, both said in the notes: quotes that follow CSV's rules throughout and were needed are taken off; and
    where the lines alone are ragged but CSV's rules make a table of them, a quoted field may span lines.
    """
    lines = list(lines)
    records = [(number, line.split("\t")) for number, line in lines]
    fault = ragged(records, name, "a tab inside a text must be replaced by a space")
    if fault is None:
        if _needed_quotes(records):
            unquoted = [(number, [_unquote(field) for field in fields]) for number, fields in records]
            return columns_of(unquoted, ["quotes around fields taken off"])
        return columns_of(records, [])
    try:
        records = list(quoted_records(lines, "\t", name, limit))
    except DataError:
        raise fault from None
    if ragged(records, name, "") is not None:
        raise fault
    return columns_of(records, ["quoted fields span lines or tabs, as in CSV"])


def tsv_records(
    lines: Iterable[Line], name: str, limit: int = MAX_LINE_BYTES, *, sample: list[Line]
) -> Iterator[Record]:
    """The records of a TSV file as they come, in the manner that its first lines, the sample, call for."""
    records = [(number, line.split("\t")) for number, line in sample]
    quoted = False
    if ragged(records, name, "") is not None:
        with suppress(DataError):
            quoted = ragged(list(quoted_records(sample, "\t", name, limit)), name, "") is None
    if quoted:
        yield from quoted_records(lines, "\t", name, limit)
        return
    unquoted = _needed_quotes(records)
    for number, line in lines:
        fields = line.split("\t")
        yield number, [_unquote(field) for field in fields] if unquoted else fields


def _needed_quotes(records: list[Record]) -> bool:
    """Whether every quote belongs to a well-formed quoted field, and one of them holds a doubled quote.

    A writer of CSV quotes a field for the quotes in it; fields that merely begin and end with one are somebody's words.
    """
    needed = False
    for _, fields in records:
        for field in fields:
            if '"' in field:
                inner = field[1:-1]
                if len(field) < 2 or field[0] != '"' or field[-1] != '"' or '"' in inner.replace('""', ""):
                    return False
                needed = needed or '""' in inner
    return needed


def _unquote(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


def ragged(records: list[Record], name: str, mend: str) -> DataError | None:
    """The error of the first record that has not as many fields as the first one; None if all have."""
    expected = next((len(fields) for _, fields in records if fields != [""]), 1)
    for number, fields in records:
        if len(fields) != expected and fields != [""]:
            found = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            return DataError(f"{found} where the first line has {expected}", path=name, line=number, mend=mend)
    return None


def columns_of(records: list[Record], notes: list[str]) -> Rows:
    """Columns of records of one width; an empty line becomes a row of missing values."""
    width = max((len(fields) for _, fields in records), default=0)
    rows = [fields if len(fields) == width else [""] * width for _, fields in records]
    return Rows(list(zip(*rows, strict=True)), [number for number, _ in records], notes=notes)
