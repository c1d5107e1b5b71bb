"""The rows of `fit` with their labels and weights: which count, which are judged, and how they are handed on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from timesteps.errors import DataError
from timesteps.runtime.sequences import Sequences
from timesteps.tasks.classify import inputs
from timesteps.training.examples import Examples


def counted(
    kind: inputs.Kind, rows: list[Any], targets: NDArray[np.int64], sample_weight: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers and weights of the rows that count."""
    weights = np.asarray(
        _check_sample_weight(sample_weight, np.zeros((len(rows), 1)), dtype=np.float64, ensure_non_negative=True)
    )
    if kind == "numeric":
        return inputs.merge_equal(rows, targets, weights)
    index = np.flatnonzero(weights > 0)
    return index, weights[index]


def validation(
    data: tuple[Any, ArrayLike], kind: inputs.Kind, rows: list[Any], classes: NDArray[Any]
) -> tuple[list[Any], NDArray[np.int64], NDArray[np.float64]]:
    """Rows, targets and weights of validation data that the caller gave."""
    found = inputs.read(inputs.listed(data[0]), kind, rows[0].shape[1] if kind == "numeric" else None)
    if not found:
        raise DataError("there are no validation rows", mend="give some, or leave validation_data away")
    labels = inputs.labels(data[1], len(found)).tolist()
    numbers = {label: number for number, label in enumerate(classes.tolist())}
    for row, label in enumerate(labels):
        if label not in numbers:
            raise DataError(
                f"validation row {row} has the label {label!r}, unseen in training",
                mend="mend the label, or train with rows of that class",
            )
    return found, np.array([numbers[label] for label in labels], np.int64), np.ones(len(found))


def examples(steps: Sequences, targets: NDArray[np.int64], weights: NDArray[np.float64]) -> Examples:
    """Rows to train on or to judge. The mean weight is 1 whatever the unit, so that float32 holds them."""
    return Examples(steps, targets, (weights / weights.mean()).astype(np.float32))
