"""Rows to tag and their labels, told apart and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime.reading import token_row
from timesteps.tasks.classify import inputs
from timesteps.tasks.learned_input import RowKind

__all__ = ["read_labels", "read_rows", "rows_kind"]


def rows_kind(X: Any) -> RowKind:
    """Whether rows are lists of tokens, rows of token ids, or numeric rows.

    >>> rows_kind([[], ["a", "b"]]), rows_kind([[1, 2], [3]]), rows_kind([[[0.5, 1.0]], [[2.0, 3.0]]])
    ('tokens', 'ids', 'numeric')
    """
    if isinstance(X, str) or not hasattr(X, "__iter__"):
        raise UsageError(f"X is of type {type(X).__name__}", mend="give a list of rows, each a list of steps")
    for row in X:
        if isinstance(row, str):
            raise DataError("a row is a text, not a list of steps", mend="cut texts into lists of tokens first")
        if len(row):
            if isinstance(row[0], str):
                return "tokens"
            break
    return inputs.kind_of(inputs.listed(X))


def read_rows(X: Any, kind: RowKind, features: int | None = None) -> list[Any]:
    """The rows of X, each checked; `DataError` names the one that is of another kind."""
    if kind == "tokens":
        return [token_row(row, number) for number, row in enumerate(X)]
    listed = inputs.listed(X)
    return inputs.ids(listed) if kind == "ids" else inputs.numeric(listed, features)


def read_labels(y: Any, rows: Sequence[Any]) -> list[list[Any]]:
    """Labels, one for each step of each row, as plain values.

    Raises:
        DataError: another number of rows or of labels in a row, which the message names; labels that are missing or
            mixed of text and numbers.

    >>> read_labels([np.array(["A", "B"])], [["a", "b"]])
    [['A', 'B']]
    """
    found = [list(row.tolist() if isinstance(row, np.ndarray) else row) for row in y]
    if len(found) != len(rows):
        raise DataError(f"{len(rows)} rows and labels of {len(found)}", mend="give a list of labels for each row")
    kinds = set()
    for number, (labels, row) in enumerate(zip(found, rows, strict=True)):
        if len(labels) != len(row):
            raise DataError(f"row {number} has {len(row)} steps and {len(labels)} labels", mend="give one label a step")
        for step, label in enumerate(labels):
            value = label.item() if isinstance(label, np.generic) else label
            if not isinstance(value, str | int | float | bool) or value != value:
                raise DataError(f"row {number}, step {step} has the label {label!r}", mend="give strings or numbers")
            labels[step] = value
            kinds.add(isinstance(value, str))
    if len(kinds) > 1:
        raise DataError("labels are both text and numbers", mend="give labels of one type")
    return found


def joined(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """All steps of all rows, end to end."""
    return np.array([number for row in rows for number in row], np.int64)
