"""The rows and targets of a regression, checked and made independent of how they are written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from timesteps.errors import DataError, UsageError

__all__ = ["merge_equal", "read_targets", "read_weights", "scale_of"]


def read_targets(y: Any, rows: int, missing: bool) -> NDArray[np.float64]:
    """y as numbers (R,) or (R, D); NaN for what is missing, where that is allowed.

    Raises:
        DataError: another number of rows, no numbers, or numbers that are not finite; the message names the row.

    >>> read_targets([1, 2], 2, missing=False)
    array([1., 2.])
    """
    if y is None:
        raise UsageError("fit requires y to be passed, but the target y is None")
    try:
        numbers = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"targets are not numeric: {error}", mend="give numbers") from error
    if numbers.ndim not in (1, 2) or (numbers.ndim == 2 and numbers.shape[1] == 0):
        raise DataError(f"targets have shape {numbers.shape}", mend="give a number, or as many, for each row")
    if len(numbers) != rows:
        raise DataError(f"{rows} rows, but {len(numbers)} targets", mend="give one target a row")
    wrong = np.isinf(numbers) if missing else ~np.isfinite(numbers)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        mend = "give finite numbers" + ("" if missing else ", or missing='mask' to learn without the missing ones")
        what = "infinity" if np.isinf(numbers[row]).any() else "NaN"
        raise DataError(f"the target of row {row} is {what}: Input y contains {what}", mend=mend)
    return numbers + 0.0


def read_weights(sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64]:
    """(R,) weights of the rows."""
    weights = _check_sample_weight(sample_weight, np.zeros((rows, 1)), dtype=np.float64, ensure_non_negative=True)
    return np.asarray(weights)


def merge_equal(
    rows: Sequence[Any], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows in an order of their own, each (row, target) once with the sum of its weights, none with weight 0.

    So a row of weight 2 is the same as the row twice, and the order of rows does not matter, as scikit-learn asks.

    >>> merge_equal([np.ones(1), np.zeros(1), np.ones(1)], np.array([1.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.5]))
    (array([1, 0]), array([2. , 1.5]))
    """
    found: dict[Any, list[int]] = {}
    for number, row in enumerate(rows):
        if weights[number] > 0:
            key = row if isinstance(row, str) else (row.shape, row.tobytes())
            found.setdefault((key, targets[number].tobytes()), []).append(number)
    groups = [found[key] for key in sorted(found)]
    totals = [math.fsum(weights[number] for number in group) for group in groups]
    return np.array([group[0] for group in groups], np.int64), np.array(totals, np.float64)


def scale_of(targets: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard deviation (D,) of targets (R, D), NaN left out; 1 for what does not deviate."""
    there = ~np.isnan(targets)
    shares = there * weights[:, None]
    totals = shares.sum(axis=0)
    if (totals == 0).any():
        raise DataError(f"target {int(np.argmin(totals))} is missing in every row", mend="leave it out")
    filled = np.nan_to_num(targets)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (shares * filled).sum(axis=0) / totals
        deviation = np.sqrt((shares * np.where(there, filled - mean, 0.0) ** 2).sum(axis=0) / totals)
    if not np.isfinite(deviation).all():
        raise DataError("the targets are too large to scale", mend="divide them first")
    flat = deviation <= 1e-12 * np.maximum(1.0, np.abs(mean))
    return mean, np.where(flat, 1.0, deviation)
