"""What a user may hand to `fit` and `predict`, told apart and checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError

Kind = Literal["text", "ids", "numeric"]


def kind_of(X: Any) -> Kind:
    """Whether X is texts, lists of token ids, or numeric sequences.

    A two-dimensional array is numeric: each row is a sequence of that many steps of one number. In a list, rows of
    whole numbers are token ids and everything else that is not text is numeric.

    >>> kind_of(["좋아요", "별로"]), kind_of([[4, 7], [5]]), kind_of([[0.5, 1.0], [2.0]])
    ('text', 'ids', 'numeric')
    """
    if getattr(X, "ndim", 0) >= 2 or not isinstance(X, (list, tuple)) and getattr(X, "ndim", None) is None:
        return "numeric"
    first = next(iter(X), None)
    if isinstance(first, str):
        return "text"
    if isinstance(X, (list, tuple)) and X and all(_is_ids(row) for row in X):
        return "ids"
    return "numeric"


def _is_ids(row: Any) -> bool:
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and np.issubdtype(row.dtype, np.integer)
    return isinstance(row, (list, tuple)) and all(isinstance(value, (int, np.integer)) for value in row)


def texts(X: Any) -> list[str]:
    """X as a list of strings; anything else in it is an error that names the row."""
    rows = list(X)
    for number, row in enumerate(rows):
        if not isinstance(row, str):
            raise DataError(f"row {number} is {type(row).__name__}, not text", mend="give strings only")
    return [str(row) for row in rows]


def ids(X: Any) -> list[NDArray[np.int32]]:
    """X as rows of token ids ≥ 0."""
    rows = []
    for number, row in enumerate(X):
        array = np.asarray(row)
        if array.ndim != 1 or (array.size and (not np.issubdtype(array.dtype, np.integer) or array.min() < 0)):
            raise DataError(f"row {number} is not a list of token ids", mend="give whole numbers of 0 or more")
        rows.append(array.astype(np.int32))
    return rows


def numeric(X: Any, features: int | None = None) -> list[NDArray[np.float64]]:
    """X, a list of (T, I) or (T,) arrays or one array (R, T, I), as rows (T, I) of finite numbers with one I."""
    rows: list[NDArray[np.float64]] = []
    for number, row in enumerate(X):
        try:
            array = np.asarray(row, np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"row {number} is not numeric: {error}", mend="give (T, I) arrays of numbers") from error
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise DataError(f"row {number} has {array.ndim} dimensions", mend="give (T,) or (T, I) arrays")
        features = array.shape[1] if features is None else features
        if array.shape[1] != features:
            raise DataError(f"row {number} has {array.shape[1]} features, but {features} are expected")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            step, feature = bad[0]
            raise DataError(
                f"row {number}, step {step}, feature {feature} is {array[step, feature]}",
                mend="fill or drop missing values first",
            )
        rows.append(array)
    return rows


def merge_equal(
    rows: Sequence[NDArray[Any]], targets: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[list[int], NDArray[np.int64], NDArray[np.float64]]:
    """Rows in an order of their own, each (row, target) once with the sum of its weights, none with weight 0.

    Training then depends on what the data says and not on how it is written down: a row of weight 2 is the same as the
    row twice, weight 0 the same as absent, and the order of rows does not matter. That is what scikit-learn asks of
    `sample_weight`.

    Returns the kept rows' numbers, their targets and weights.
    """
    keys = [(row.shape, row.tobytes(), int(target)) for row, target in zip(rows, targets, strict=True)]
    totals: dict[Any, float] = {}
    first: dict[Any, int] = {}
    for number, (key, weight) in enumerate(zip(keys, weights, strict=True)):
        totals[key] = totals.get(key, 0.0) + float(weight)
        first.setdefault(key, number)
    kept = [key for key in sorted(totals) if totals[key] > 0]
    index = [first[key] for key in kept]
    return index, targets[index], np.array([totals[key] for key in kept])
