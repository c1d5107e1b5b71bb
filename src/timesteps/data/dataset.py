"""What is known of a data set: its parts, their forms, where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from timesteps.runtime.series.series import Columns

__all__ = ["Archive", "Dataset", "RemoteFile", "SeriesForm", "Stored"]


@dataclass(frozen=True)
class RemoteFile:
    """A file at its official source."""

    url: str
    name: str  # in the cache
    size: int  # bytes
    md5: str | None = None  # None: nobody published one; the SHA-256 of the first download is kept and checked after


@dataclass(frozen=True)
class Archive:
    """Which members of a downloaded tar file to keep."""

    name: str
    top: str  # the folder that they are in
    wanted: str  # pattern of their names
    members: int  # how many there are


@dataclass(frozen=True)
class Stored:
    """One form in which a part of a data set may lie in its folder."""

    path: str
    text_column: int | None = None  # from 1; None where the format or the header tells
    label_column: int | None = None
    note: str | None = None  # what a reader of scores must know
    running: bool = False  # lines of one text, not rows of a table


@dataclass(frozen=True)
class SeriesForm:
    """How a set of series is read unless somebody says otherwise, and how far ahead it is usually forecast."""

    columns: Columns
    horizon: int  # steps
    separate: bool = False  # each column of targets is a series of its own
    missing_values: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None  # what the columns are called, where the file's own header is wrong


@dataclass(frozen=True)
class Dataset:
    """A known data set."""

    name: str
    what: str
    languages: tuple[str, ...]
    licence: str
    citation: str
    home: str
    rows: Mapping[str, int]  # official number of rows of each part
    parts: Mapping[str, tuple[Stored, ...]]
    files: tuple[RemoteFile, ...] = ()
    archive: Archive | None = None
    kind: Literal["texts", "series", "sequences"] = "texts"  # sequences: of numbers, each with a label
    series: SeriesForm | None = None
    folder: str | None = None  # in TIMESTEPS_DATA and the cache; the name where None
    bundled: bool = False

    @property
    def size(self) -> int:
        """Bytes to download."""
        return sum(file.size for file in self.files)
