"""`TextTable`: texts and labels with where they came from, and `read_texts`, which reads one from any known format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from timesteps.data.columns import Choice, choose, describe, has_header
from timesteps.data.delimited import read_csv, read_tsv
from timesteps.data.encoding import check_encoding
from timesteps.data.folders import read_folder
from timesteps.data.frames import FRAME, frame_rows, frame_sha256, read_parquet
from timesteps.data.jsonl import read_jsonl
from timesteps.data.lines import MAX_LINE_BYTES, LineReader
from timesteps.data.plain import read_fasttext, read_plain
from timesteps.data.rows import FormatName, Rows
from timesteps.data.sniffing import by_content, by_suffix
from timesteps.data.streams import MAX_BYTES, ByteSource, is_folder, is_stdin
from timesteps.errors import DataError, UsageError

EMPTY_TEXT = "empty text"
NO_LABEL = "no label"
_SAMPLE = 50


class SkippedRow(NamedTuple):
    """A row that was read and not used."""

    line: int
    reason: str


@dataclass(frozen=True)
class TextTable:
    """Texts, and their labels where there are any. Always `rows_read == len(texts) + len(skipped)`."""

    texts: list[str]
    labels: list[str] | None  # as they are written, surrounding blanks aside
    lines: list[int]  # where each text's row begins in the file; its number from 1 in frames and Parquet; 1 in folders
    source: str
    text_column: str | None
    label_column: str | None
    rows_read: int
    skipped: list[SkippedRow]
    notes: list[str]  # what was guessed, each a line for the user
    sha256: str  # of the bytes as stored
    paths: list[str] | None = None  # each text's file, for folders

    def __len__(self) -> int:
        return len(self.texts)

    def where(self, row: int) -> str:
        """The place of a text, as `file:line` or as its own file's name."""
        return f"{self.source}:{self.lines[row]}" if self.paths is None else self.paths[row]

    def summary(self) -> str:
        """One line: how many rows were read, and why some are not used."""
        reasons: dict[str, list[int]] = {}
        for line, reason in self.skipped:
            reasons.setdefault(reason, []).append(line)
        parts = [f"{self.rows_read:,} rows read"]
        for reason, lines in reasons.items():
            listed = ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")
            parts.append(f"{len(lines):,} left out: {reason} (line{'s' if len(lines) > 1 else ''} {listed})")
        return "; ".join(parts)


def read_texts(
    source: str | PathLike[str],
    *,
    text_column: str | int | None = None,
    label_column: str | int | None = None,
    labelled: bool | None = None,
    keep_empty: bool = False,
    format: FormatName | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    max_bytes: int = MAX_BYTES,
) -> TextTable:
    r"""Reads texts and labels from CSV, TSV, JSON lines, fastText lines, plain lines, Parquet, or a folder of folders.

    A file may be compressed (gzip, xz, bzip2); `-` is standard input. `format` is told from the suffix, otherwise from
    the content; `header` (does the first line name the columns?) and the columns from names and content. What was
    guessed is in the table's `notes`. `text_column` and `label_column` are a name, or a number from 1. `labelled` says
    whether there must be labels (True), whether they are wanted where there are any (None), or not at all (False). A
    row with an empty text is skipped and reported, unless `keep_empty`; so is a row without a label. A line may have
    `max_line_bytes`, all of them `max_bytes` together, decompressed.

    Errors: `DataError` that names file and line for whatever cannot be read as a table of texts; `UsageError` for an
    unknown encoding.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "reviews.csv"
    ...     _ = path.write_text('text,label\n"good, really",1\nbad,0\n,1\n')
    ...     table = read_texts(path)
    >>> table.texts, table.labels, table.lines
    (['good, really', 'bad'], ['1', '0'], [2, 3])
    >>> table.skipped
    [SkippedRow(line=4, reason='empty text')]
    """
    check_encoding(encoding)
    path = Path(source)
    if not is_stdin(source) and is_folder(path):
        rows, sha256 = read_folder(path, labelled, encoding, max_line_bytes, max_bytes)
        name = str(source)
    elif (format or by_suffix(path)) == "parquet":
        with ByteSource(source, max_bytes=max_bytes) as stream:
            rows = read_parquet(stream, max_bytes)
            name, sha256 = stream.name, stream.sha256
    else:
        reader = LineReader(source, encoding, max_line_bytes, max_bytes)
        rows = _rows_of_lines(reader, path, format, labelled, max_line_bytes)
        name, sha256 = reader.name, reader.sha256
        if reader.marked:
            rows.notes.append(f"encoding: {reader.encoding.upper()}, by its byte order mark")
        if rows.names is None:
            take_header(rows, name, header, (text_column, label_column))
    return _table(rows, name, sha256, text_column, label_column, labelled, keep_empty)


def from_frame(
    frame: Any,
    text_column: str | int | None = None,
    label_column: str | int | None = None,
    *,
    labelled: bool | None = None,
    keep_empty: bool = False,
) -> TextTable:
    """The same from a data frame of pandas, polars or pyarrow. Values that are no strings are as `str` writes them.

    >>> import pyarrow
    >>> from_frame(pyarrow.table({"text": ["good", "bad"], "label": [1, 0]})).labels
    ['1', '0']
    """
    rows = frame_rows(frame)
    return _table(rows, FRAME, frame_sha256(rows), text_column, label_column, labelled, keep_empty)


def _rows_of_lines(
    reader: LineReader, path: Path, format: FormatName | None, labelled: bool | None, max_line_bytes: int
) -> Rows:
    lines = iter(reader)
    sample = list(islice(lines, _SAMPLE))
    name = reader.name
    if not sample:
        raise DataError("is empty", path=name, mend="name a file with a text on each line")
    lines = chain(sample, lines)
    chosen = format or by_suffix(path)
    guessed = chosen is None
    chosen = chosen or by_content(sample, name, labelled)
    if chosen == "csv":
        rows = read_csv(lines, name, limit=max_line_bytes)
    elif chosen == "tsv":
        rows = read_tsv(lines, name, max_line_bytes)
    elif chosen == "jsonl":
        rows = read_jsonl(lines, name)
    elif chosen == "fasttext":
        rows = read_fasttext(lines, name)
    elif chosen == "text":
        rows = read_plain(lines)
    else:
        raise UsageError(f"a file cannot be read as {chosen!r}", mend="csv, tsv, jsonl, fasttext, text and parquet can")
    if guessed:
        rows.notes.append(f"format: {chosen}, by its content")
    return rows


def take_header(rows: Rows, name: str, header: bool | None, wanted: Sequence[str | int | None]) -> None:
    """Moves the first row to the names, if it is a header."""
    words = [str(column).strip() for column in wanted if column is not None and not str(column).strip().isdigit()]
    if header is None:
        header = has_header(rows.columns, words)
        if not header:
            rows.notes.append("no header line: the first line is a row")
    if header:
        rows.names = [column[0] or "" for column in rows.columns]
        rows.columns = [column[1:] for column in rows.columns]
        rows.lines = rows.lines[1:]


def _table(
    rows: Rows,
    name: str,
    sha256: str,
    text_column: str | int | None,
    label_column: str | int | None,
    labelled: bool | None,
    keep_empty: bool,
) -> TextTable:
    if not rows.lines:
        what = "is empty" if rows.names is None else "has a header line and no rows"
        raise DataError(what, path=name, mend="add rows, each a text" + (" with its label" if labelled else ""))
    choice = decide(rows, name, text_column, label_column, labelled)
    texts, labels, kept, skipped = sift(rows, choice, keep_empty)
    if not texts:
        reasons = " and ".join(sorted({row.reason for row in skipped}))
        raise DataError(
            f"none of the {len(rows.lines):,} rows can be used ({reasons})",
            path=name,
            mend="are these the right columns?",
        )
    return TextTable(
        texts=texts,
        labels=labels,
        lines=[rows.lines[i] for i in kept],
        source=name,
        text_column=_column_name(rows, choice.text),
        label_column=None if choice.label is None else _column_name(rows, choice.label),
        rows_read=len(rows.lines),
        skipped=skipped,
        notes=rows.notes,
        sha256=sha256,
        paths=None if rows.paths is None else [rows.paths[i] for i in kept],
    )


def decide(
    rows: Rows, name: str, text_column: str | int | None, label_column: str | int | None, labelled: bool | None
) -> Choice:
    """The columns of texts and labels; what was guessed is added to the notes of the rows."""
    choice = fixed(rows, name, text_column, label_column, labelled)
    if choice is None:
        choice = choose(rows, name, text_column, label_column, labelled)
        label = "none" if choice.label is None else describe(rows, choice.label)
        rows.notes.append(f"text column: {describe(rows, choice.text)}, label column: {label}")
    for column in (choice.text, choice.label):
        fault = None if column is None or rows.names is None else rows.unusable.get(rows.names[column])
        if fault:
            raise DataError(fault[1], path=name, line=fault[0], mend="each row needs one text and one label")
    return choice


def fixed(
    rows: Rows, name: str, text_column: str | int | None, label_column: str | int | None, labelled: bool | None
) -> Choice | None:
    """The choice of a format that leaves none."""
    if rows.fixed is None:
        return None
    if text_column is not None or label_column is not None:
        raise UsageError(
            "this is not a table with columns", path=name, mend="leave --text-column and --label-column out"
        )
    text, label = rows.fixed
    if labelled and label is None:
        raise DataError(
            "these lines have no labels",
            path=name,
            mend="put each label after a tab, or before its text as __label__NAME",
        )
    return Choice(text, None if labelled is False else label)


def _column_name(rows: Rows, column: int) -> str:
    return str(column + 1) if rows.names is None else rows.names[column].strip()


def sift(
    rows: Rows, choice: Choice, keep_empty: bool
) -> tuple[list[str], list[str] | None, list[int], list[SkippedRow]]:
    """Texts, labels and numbers of the rows that can be used, and the others with the reason."""
    column = rows.columns[choice.text]
    label_column = None if choice.label is None else rows.columns[choice.label]
    texts: list[str] = []
    labels: list[str] = []
    kept: list[int] = []
    skipped: list[SkippedRow] = []
    for i, text in enumerate(column):
        if not keep_empty and (text is None or not text.strip()):
            skipped.append(SkippedRow(rows.lines[i], EMPTY_TEXT))
            continue
        if label_column is not None:
            label = (label_column[i] or "").strip()
            if not label:
                skipped.append(SkippedRow(rows.lines[i], NO_LABEL))
                continue
            labels.append(label)
        texts.append(text or "")
        kept.append(i)
    return texts, labels if label_column is not None else None, kept, skipped
