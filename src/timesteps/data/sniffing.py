"""Which format a file has: by its suffix, otherwise by its first lines."""

from __future__ import annotations

from pathlib import Path

from timesteps.data.columns import has_header
from timesteps.data.delimited import find_delimiter, quoted_records
from timesteps.data.plain import PREFIX
from timesteps.data.rows import FormatName
from timesteps.data.streams import plain_suffix
from timesteps.errors import DataError

SUFFIXES: dict[str, FormatName] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def by_suffix(path: Path) -> FormatName | None:
    """The format that the suffix names, compression aside; None for `.txt` and everything else."""
    return SUFFIXES.get(plain_suffix(path))


def by_content(sample: list[tuple[int, str]], name: str, labelled: bool | None) -> FormatName:
    """The format of a file's first lines.

    Tabs in equal number on every line make a TSV. Commas are frequent in prose: they make a CSV only under a header of
    known names, or where labels are required, which plain lines do not have.
    """
    lines = [(number, line) for number, line in sample if line.strip()]
    if not lines:
        return "text"
    first = lines[0][1].lstrip()
    if first.startswith(PREFIX):
        return "fasttext"
    if first.startswith("{"):
        return "jsonl"
    tabs = {line.count("\t") for _, line in lines}
    if len(tabs) == 1 and tabs != {0}:
        return "tsv"
    delimiter = find_delimiter(lines, name)
    try:
        rows = [fields for _, fields in quoted_records(lines, delimiter, name)]
    except DataError:  # quotes that are no CSV's, or a sample that ends inside one
        rows = [line.split(delimiter) for _, line in lines[:1]]
    widths = {len(fields) for fields in rows}
    if widths != {1} and len(widths) == 1 and (labelled or has_header([[cell] for cell in rows[0]], ())):
        return "csv"
    return "text"
