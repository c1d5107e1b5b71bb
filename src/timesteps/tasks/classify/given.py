"""What a request's data are, texts or sequences of numbers, and the tables that they are read into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import structs

from timesteps.data.dataset import Dataset
from timesteps.data.sequence_table import SequenceColumns, SequenceTable
from timesteps.data.sequences import is_sequences, read_sequences
from timesteps.data.source import open_source, resolve
from timesteps.data.split import text_key
from timesteps.data.tables import TextTable
from timesteps.errors import DataError, UsageError, option
from timesteps.runtime.spec import ModelSpec
from timesteps.tasks.classify.request import Request
from timesteps.tasks.folder import REQUEST

__all__ = [
    "Table",
    "check_width",
    "inputs_of",
    "keys_of",
    "kind_of_request",
    "open_as_trained",
    "open_rows",
    "request_of",
    "test_part",
]

Table = TextTable | SequenceTable

_OF_TABLES = ("time", "group", "features")
_OF_TEXTS = ("text_column", "unlabeled", "vectors")


def kind_of_request(request: Request) -> Literal["text", "numeric"]:
    """Sequences of numbers are `.ts` files, known sets of such, and tables whose columns are named as theirs are.

    Errors: `UsageError` for options of texts beside those of sequences.

    >>> kind_of_request(Request(data="basic-motions")), kind_of_request(Request(data="x.csv", group="id"))
    ('numeric', 'numeric')
    """
    named = [name for name in _OF_TABLES if getattr(request, name) is not None]
    if not named and not is_sequences(request.place(request.data)):
        for name in ("missing", "window"):
            if getattr(request, name) is not None:
                raise UsageError(f"{option(name)} is for sequences of numbers", mend=f"give {option('group')}, too")
        return "text"
    for name in _OF_TEXTS:
        if getattr(request, name) is not None:
            raise UsageError(f"{option(name)} is for texts, and these are sequences of numbers", mend="leave it away")
    if named and is_sequences(request.place(request.data)):
        raise UsageError(f"{option(named[0])} is for tables, and this is none", mend="leave it away")
    return "numeric"


def open_rows(request: Request, given: str | None, *, split: str = "train", labelled: bool = True) -> Table:
    """The rows of a source of the request's kind, in the columns that it names. Errors: those of the readers."""
    placed = request.place(given)
    if kind_of_request(request) == "text":
        table: Table = open_source(
            placed,
            split=split,
            text_column=request.text_column,
            label_column=request.label_column,
            encoding=request.encoding,
        )
    else:
        columns = None
        if request.group is not None or not is_sequences(request.place(request.data)):
            label = request.label_column if labelled else None
            columns = SequenceColumns(request.group, request.time, label, tuple(request.features or ()))
        if placed is None:
            raise UsageError("which file?", mend="name one, or basic-motions")
        table = read_sequences(
            placed,
            columns,
            split=split,
            labelled=labelled,
            missing=request.missing or "error",
            window=request.window,
            encoding=request.encoding,
        )
    # Wherever a run is resumed, its data bear the name that the first command gave them.
    return table if placed == given else replace(table, source=str(given))


def open_as_trained(
    run: str, data: str, *, split: str = "train", labelled: bool = True, **changes: str | None
) -> Table:
    """Sequences of numbers in the columns that the run was trained on, but for what `changes` of its request say."""
    request = request_of(run)
    if request is None and not is_sequences(data):
        raise UsageError(
            "which columns are read? the run's request.json says so, and is not here",
            path=run,
            mend="keep the run folder together, or give a .ts file",
        )
    named = {name: value for name, value in changes.items() if value is not None}
    return open_rows(structs.replace(request or Request(data=data), **named), data, split=split, labelled=labelled)


def test_part(request: Request) -> bool:
    """Whether the data are a known set of sequences that comes with a part to judge on."""
    found = resolve(request.place(request.data))
    return isinstance(found, Dataset) and found.kind == "sequences" and "test" in found.parts


def inputs_of(table: Table) -> list[Any]:
    """The rows as a model takes them."""
    return table.texts if isinstance(table, TextTable) else table.rows


def keys_of(table: Table) -> list[bytes]:
    """What makes two rows the same, one key a row."""
    if isinstance(table, TextTable):
        return [text_key(text) for text in table.texts]
    return [np.int64(len(row)).tobytes() + np.ascontiguousarray(row + 0.0).tobytes() for row in table.rows]


def check_width(table: Table, spec: ModelSpec) -> None:
    """`DataError` for sequences whose steps have not as many numbers as the model reads."""
    if spec.numeric is None or isinstance(table, TextTable) or not table.rows:
        return
    width = table.rows[0].shape[1]
    if width != spec.numeric.features:
        raise DataError(
            f"{width} numbers a step, this model reads {spec.numeric.features}",
            path=table.source,
            line=table.lines[0],
            mend="give the columns that it was trained on",
        )


def request_of(run: str) -> Request | None:
    """What the run was asked for; None where only the model file is there."""
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    return Request.read(folder) if (folder / REQUEST).is_file() else None
