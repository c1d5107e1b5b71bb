"""`Rows`: what every format reader hands on, before the columns are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

FormatName = Literal["csv", "tsv", "jsonl", "fasttext", "text", "folder", "parquet"]


@dataclass
class Rows:
    """Columns of equal length; None marks a value that is missing."""

    columns: Sequence[Sequence[str | None]]
    lines: list[int]  # where each row begins in the file; its number where there are no lines
    names: list[str] | None = None  # None where the file does not name its columns
    fixed: tuple[int, int | None] | None = None  # (text, label) where the format leaves no choice
    notes: list[str] = field(default_factory=list)
    unusable: dict[str, tuple[int, str]] = field(default_factory=dict)  # column: the line that rules it out, and why
    paths: list[str] | None = None  # of each row, for folders
