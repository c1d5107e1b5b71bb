"""How good answers at every step are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.metrics import Evaluation, Label, evaluate, label_targets

__all__ = ["TagEvaluation", "evaluate_tags", "step_targets"]


class TagEvaluation(msgspec.Struct, frozen=True):
    """What `evaluate_tags` found."""

    sequences: int  # rows judged, those without steps too
    sequence_accuracy: float  # share of the rows of which every step is right
    tokens: Evaluation  # of the steps, each counting once; neighbours are not independent, so its interval is narrow

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers, ready for JSON; the names are those of the fields."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def step_targets(
    labels: Sequence[Sequence[Any]], lengths: NDArray[np.int64], classes: Sequence[Label]
) -> NDArray[np.int64]:
    """The place of each step's label among the classes, (N,), all steps of all rows end to end.

    Raises:
        DataError: not one label for each step, with the row's number; or labels that are none of the classes.

    >>> step_targets([["B", "A"], []], np.array([2, 0]), ("A", "B"))
    array([1, 0])
    """
    if len(labels) != len(lengths):
        raise DataError(f"{len(lengths)} rows and labels of {len(labels)}", mend="give a list of labels for each row")
    for number, (row, length) in enumerate(zip(labels, lengths.tolist(), strict=True)):
        if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != length:
            count = len(row) if hasattr(row, "__len__") and not isinstance(row, str) else 1
            raise DataError(f"row {number} has {length} steps and {count} labels", mend="give one label a step")
    return label_targets([label for row in labels for label in row], classes)


def evaluate_tags(
    targets: NDArray[np.int64], shares: NDArray[np.float64], lengths: NDArray[np.int64], classes: Sequence[Label]
) -> TagEvaluation:
    """Targets (N,) and probabilities (N, K) of all steps of rows of these lengths.

    >>> found = evaluate_tags(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([1, 1]), ("A", "B"))
    >>> found.tokens.accuracy, found.sequence_accuracy
    (0.5, 0.5)
    """
    tokens = evaluate(targets, shares, classes)
    wrong = np.concatenate([[0], np.cumsum(shares.argmax(axis=1) != targets)])
    ends = np.concatenate([[0], np.cumsum(lengths)])
    right = wrong[ends[1:]] == wrong[ends[:-1]]
    return TagEvaluation(len(lengths), float(right.mean()), tokens)
