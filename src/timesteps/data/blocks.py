"""Tables of cells from CSV, TSV and JSON lines, some thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from timesteps.data.delimited import Record, find_delimiter, quoted_records, ragged
from timesteps.data.jsonl import read_jsonl
from timesteps.data.lines import LineReader
from timesteps.data.rows import FormatName
from timesteps.data.sniffing import by_suffix
from timesteps.errors import DataError

__all__ = ["Block", "blocks_of"]

_BLOCK = 20_000  # rows
_SAMPLE = 50
_MEND = "a field that holds the delimiter needs quotes around it"


class Block(NamedTuple):
    """Rows of a table; in the first block of CSV and TSV, the first row may be the header."""

    names: list[str] | None  # None where the format does not name its columns
    columns: Sequence[Sequence[str | None]]
    lines: Sequence[int]  # where each row begins in the file
    unusable: dict[str, tuple[int, str]]  # columns that have no plain cells: the line, and why


def blocks_of(reader: LineReader, source: str | PathLike[str], notes: list[str]) -> Iterator[Block]:
    """The blocks of a text file. Blank lines are passed over. What is guessed of the format goes to `notes`.

    Errors: `DataError` for an empty file, rows of different widths, quotes that never close, and invalid JSON.
    """
    lines = iter(reader)
    sample = list(islice(lines, _SAMPLE))
    if not any(line.strip() for _, line in sample):
        raise DataError("is empty", path=reader.name, mend="name a file with a row for each step")
    if reader.marked:
        notes.append(f"encoding: {reader.encoding.upper()}, by its byte order mark")
    lines = chain(sample, lines)
    found: FormatName | None = by_suffix(Path(source))
    if found is None:
        found = "jsonl" if next(line for _, line in sample if line.strip()).lstrip().startswith("{") else "csv"
    if found == "jsonl":
        while block := list(islice(lines, _BLOCK)):
            rows = read_jsonl([line for line in block if line[1].strip()], reader.name)
            if rows.lines:
                yield Block(rows.names, rows.columns, rows.lines, rows.unusable)
        return
    delimiter = "\t" if found == "tsv" else find_delimiter(sample, reader.name)
    if delimiter not in ",\t":
        notes.append(f"fields are separated by {delimiter!r}")
    yield from _delimited(lines, delimiter, reader.name)


def _delimited(lines: Iterator[tuple[int, str]], delimiter: str, name: str) -> Iterator[Block]:
    width = 0  # of the rows so far
    while block := list(islice(lines, _BLOCK)):
        numbers, texts = zip(*block, strict=True)
        joined = delimiter.join(texts)
        if '"' in joined:
            yield from _quoted(chain(block, lines), delimiter, name, width)
            return
        found = {text.count(delimiter) + 1 for text in texts if text}
        width = width or next((text.count(delimiter) + 1 for text in texts if text), 0)
        if width > 1 and "" in texts:  # in one column, nothing is a missing cell
            block = [line for line in block if line[1]]
            numbers, texts = zip(*block, strict=True) if block else ((), ())
            joined = delimiter.join(texts)
        if not found <= {width}:
            header = (0, [""] * width)
            fault = ragged([header, *((number, text.split(delimiter)) for number, text in block)], name, _MEND)
            assert fault is not None
            raise fault
        if texts and width:
            cells = joined.split(delimiter)
            yield Block(None, [cells[i::width] for i in range(width)], numbers, {})


def _quoted(lines: Iterator[tuple[int, str]], delimiter: str, name: str, width: int) -> Iterator[Block]:
    records = quoted_records(lines, delimiter, name)
    while block := list(islice(records, _BLOCK)):
        kept: list[Record] = [record for record in block if record[1] != [""] or width == 1]
        if not kept:
            continue
        width = width or len(kept[0][1])
        fault = ragged([(0, [""] * width), *kept], name, _MEND)
        if fault is not None:
            raise fault
        yield Block(None, list(zip(*map(itemgetter(1), kept), strict=True)), list(map(itemgetter(0), kept)), {})
