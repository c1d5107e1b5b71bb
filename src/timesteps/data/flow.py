"""`Flow`: labelled texts of a file, some thousands at a time, in constant memory, whatever the length of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from timesteps.data.columns import Choice
from timesteps.data.delimited import columns_of, find_delimiter, quoted_records, ragged, tsv_records
from timesteps.data.encoding import check_encoding
from timesteps.data.jsonl import read_jsonl
from timesteps.data.lines import LineReader
from timesteps.data.plain import read_fasttext
from timesteps.data.rows import Rows
from timesteps.data.sniffing import by_content, by_suffix
from timesteps.data.streams import is_folder, is_stdin
from timesteps.data.tables import decide, sift, take_header
from timesteps.errors import DataError

__all__ = ["Flow", "Lines"]

BLOCK = 10_000
"""Rows in memory at one time; the first so many decide about header and columns."""

_SAMPLE = 50


class Lines(NamedTuple):
    """Texts with their labels and the lines they begin on."""

    texts: list[str]
    labels: list[str]
    lines: list[int]


class Flow:
    r"""Iterates over the labelled rows of a CSV, TSV, JSON lines or fastText file, as `read_texts` finds them.

    What the file is, and where its columns are, is told from its first rows alone. Afterwards `sha256`, `notes`,
    `rows_read` and `left_out` (reason -> rows) say what was read.

    Errors: those of `read_texts`; `DataError` for a folder, Parquet, and lines without labels.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "reviews.csv"
    ...     _ = path.write_text('text,label\n"good, really",1\nbad,0\n,1\n')
    ...     flow = Flow(path)
    ...     list(flow), flow.rows_read, dict(flow.left_out)
    ([Lines(texts=['good, really', 'bad'], labels=['1', '0'], lines=[2, 3])], 3, {'empty text': 1})
    """

    def __init__(
        self,
        source: str | PathLike[str],
        *,
        text_column: str | int | None = None,
        label_column: str | int | None = None,
        encoding: str | None = None,
    ) -> None:
        check_encoding(encoding)
        path = Path(source)
        what = by_suffix(path)
        if what == "parquet" or (not is_stdin(source) and is_folder(path)):
            raise DataError(
                f"{'Parquet' if what == 'parquet' else 'a folder'} is read into memory as a whole",
                path=path,
                mend="write it as CSV, TSV or JSON lines to train on more than memory holds",
            )
        self._path, self._columns = path, (text_column, label_column)
        self._reader = LineReader(source, encoding, max_bytes=None)
        self.name = self._reader.name
        self.notes: list[str] = []
        self.rows_read = 0
        self.left_out: Counter[str] = Counter()
        self.first_left_out: int | None = None  # its line

    @property
    def sha256(self) -> str:
        """Of the bytes as they lie on the disk, once all rows have been read."""
        return self._reader.sha256

    def __iter__(self) -> Iterator[Lines]:
        choice: Choice | None = None
        names: list[str] | None = None
        for rows in self._blocks():
            if choice is None:
                if rows.names is None:
                    take_header(rows, self.name, None, self._columns)
                if not rows.lines:
                    raise DataError("has a header line and no rows", path=self.name, mend="add rows, each a text")
                choice, names = decide(rows, self.name, *self._columns, True), rows.names
                self.notes += rows.notes
            elif rows.names is not None:
                choice = _moved(choice, names or [], rows, self.name)
                names = rows.names
            label = choice.label
            for column in (choice.text, label):
                fault = None if column is None or rows.names is None else rows.unusable.get(rows.names[column])
                if fault:
                    raise DataError(
                        fault[1], path=self.name, line=fault[0], mend="each row needs one text and one label"
                    )
            texts, labels, kept, skipped = sift(rows, choice, False)
            self.rows_read += len(rows.lines)
            self.left_out.update(row.reason for row in skipped)
            if skipped and self.first_left_out is None:
                self.first_left_out = skipped[0].line
            if texts:
                yield Lines(texts, labels or [], [rows.lines[row] for row in kept])
        if choice is None:
            raise DataError("is empty", path=self.name, mend="name a file with a text on each line")

    def _blocks(self) -> Iterator[Rows]:
        lines = iter(self._reader)
        sample = list(islice(lines, BLOCK))
        if not sample:
            return
        whole = chain(sample, lines)
        format = by_suffix(self._path) or by_content(sample[:_SAMPLE], self.name, True)
        if self._reader.marked:
            self.notes.append(f"encoding: {self._reader.encoding.upper()}, by its byte order mark")
        if format in ("csv", "tsv"):
            delimiter = "\t" if format == "tsv" else find_delimiter(sample[:_SAMPLE], self.name)
            if delimiter == "\t":
                records = tsv_records(whole, self.name, sample=sample)
            else:
                records = quoted_records(whole, delimiter, self.name)
            yield from self._of_records(records)
        elif format in ("jsonl", "fasttext"):
            read: Callable[[list[tuple[int, str]], str], Rows] = read_jsonl if format == "jsonl" else read_fasttext
            while block := list(islice(whole, BLOCK)):
                yield read(block, self.name)
        else:
            raise DataError(
                "these lines have no labels", path=self.name, mend="put each label before its text as __label__NAME"
            )

    def _of_records(self, records: Iterator[tuple[int, list[str]]]) -> Iterator[Rows]:
        width: list[tuple[int, list[str]]] = []  # the first record that is not empty: all have its width
        while block := list(islice(records, BLOCK)):
            fault = ragged([*width, *block], self.name, "a field that holds the delimiter needs quotes around it")
            if fault:
                raise fault
            width = width or [record for record in block if record[1] != [""]][:1]
            rows = columns_of([*width, *block], [])
            first = len(width)
            yield replace(rows, columns=[column[first:] for column in rows.columns], lines=rows.lines[first:])


def _moved(choice: Choice, names: list[str], rows: Rows, name: str) -> Choice:
    """The same columns by name among the rows', whose objects may come with their fields in another order."""
    wanted = [names[choice.text], *([] if choice.label is None else [names[choice.label]])]
    there = rows.names or []
    for field in wanted:
        if field not in there:
            mend = "each row needs one text and one label"
            raise DataError(f"no field {field!r} from here on", path=name, line=rows.lines[0], mend=mend)
    return Choice(there.index(wanted[0]), None if choice.label is None else there.index(wanted[1]))
