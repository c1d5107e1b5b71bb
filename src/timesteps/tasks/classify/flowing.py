"""Rows that come one by one: checked, and kept on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.scratch import Scratch
from timesteps.tasks.classify import inputs
from timesteps.tasks.classify.texts import SpooledTexts

__all__ = ["Judged", "collect", "found_classes"]

Judged = tuple[list[str], NDArray[np.int64], NDArray[np.float64]]
"""Validation rows: texts, class numbers, weights."""

_TOGETHER = 4096


def collect(rows: Iterable[Any], scratch: Scratch) -> SpooledTexts:
    """All rows (text, label) or (text, label, weight), read once; those of weight 0 are left out.

    Raises:
        DataError: something else; the message names the row.
    """
    texts, number, iterator = SpooledTexts(scratch), 0, iter(rows)
    while block := list(islice(iterator, _TOGETHER)):
        checked = [_checked(row, place) for place, row in enumerate(block, number)]
        counted = [row for row in checked if row[2] > 0]
        number += len(block)
        if counted:
            texts.extend(*zip(*counted, strict=True))
    if not len(texts):
        raise DataError("there are no rows", mend="give (text, label) pairs of at least two classes")
    return texts


def found_classes(texts: SpooledTexts) -> tuple[NDArray[Any], list[Any]]:
    """The labels, sorted, as an array and as plain values."""
    labels = np.unique(inputs.labels(np.array([*texts.counts, None], object)[:-1], len(texts.counts)))
    if len(labels) < 2:
        raise DataError(f"there is only one class: {labels[0]}", mend="give rows of at least two classes")
    return labels, labels.tolist()


def _checked(row: Any, number: int) -> tuple[str, Any, float]:
    if not isinstance(row, tuple | list) or len(row) not in (2, 3):
        raise DataError(f"row {number} is not (text, label)", mend="let the iterator give pairs")
    text, label, weight = row if len(row) == 3 else (*row, 1.0)
    if not isinstance(text, str):
        raise DataError(
            f"row {number} has a text of type {type(text).__name__}",
            mend="give strings; ids and numbers are fitted from lists",
        )
    if isinstance(label, np.generic):
        label = label.item()
    if not isinstance(label, str | bool | int | float) or label != label:
        raise DataError(f"the label of row {number} is {label!r}", mend="give every row a label")
    if isinstance(weight, bool) or not isinstance(weight, int | float | np.number) or not 0 <= weight < math.inf:
        raise DataError(f"the weight of row {number} is {weight!r}", mend="give a finite number of at least 0")
    return str(text), label, float(weight)
