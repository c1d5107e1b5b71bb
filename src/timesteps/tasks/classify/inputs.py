"""What a user may hand to `fit` and `predict`, told apart and checked once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError

Kind = Literal["text", "ids", "numeric"]

_LARGEST_ID = 2**31 - 1  # ids are int32


def listed(X: Any) -> Any:
    """X as a list where it has one dimension (a pandas column, an array of strings), otherwise an array or table as is.

    A table of one column of strings counts as that column.

    >>> listed(np.array([["좋아요"], ["별로"]], dtype=object))
    ['좋아요', '별로']
    """
    if isinstance(X, (str, bytes)):
        raise UsageError("X is one text", mend="give a list of texts")
    if isinstance(X, (list, tuple)):
        return X
    if not hasattr(X, "shape"):
        if not hasattr(X, "__array__") and isinstance(X, Iterable):
            return list(X)
        X = np.asarray(X)
    if len(X.shape) == 1:
        return list(X)
    if len(X.shape) == 2 and X.shape[0] > 0 and X.shape[1] == 1 and not hasattr(X, "toarray"):
        column = np.asarray(X)[:, 0]
        if any(isinstance(value, str) for value in column):
            return list(column)
    return X


def kind_of(X: Any, wished: Kind | None = None) -> Kind:
    """Whether X, as `listed` gives it, is texts, rows of token ids, or numeric sequences.

    A two-dimensional array is numeric: each row is a sequence of that many steps of one number. In a list, rows of
    whole numbers are token ids and everything else that is not text is numeric. `wished` decides where whole numbers
    may be either: with "ids", an array of integers (R, T) is ids too; with "numeric", a list of such rows is not.

    >>> kind_of(["좋아요", "별로"]), kind_of([[4, 7], [5]]), kind_of([[0.5, 1.0], [2.0]])
    ('text', 'ids', 'numeric')
    >>> kind_of([[4, 7], [5]], "numeric"), kind_of(np.array([[0, 4], [7, 5]]), "ids")
    ('numeric', 'ids')
    """
    if isinstance(X, (list, tuple)):
        if any(isinstance(row, str) for row in X):
            return "text"
        return "ids" if wished != "numeric" and len(X) and all(_is_ids(row) for row in X) else "numeric"
    whole = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "iu"
    return "ids" if wished == "ids" and whole else "numeric"


def _is_ids(row: Any) -> bool:
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and row.dtype.kind in "iu"
    return isinstance(row, (list, tuple)) and all(type(value) is int or isinstance(value, np.integer) for value in row)


def is_table(X: Any) -> bool:
    """Whether X is one table (R, F), for scikit-learn's own checks, rather than sequences; or neither.

    A table is an array, a data frame, or a list of lists of one length. A list of arrays, or of lists of different
    lengths, is sequences.

    >>> is_table([[0.5, 1.0], [2.0, 3.0]]), is_table([[0.5, 1.0], [2.0]]), is_table([np.ones(2), np.ones(2)])
    (True, False, False)
    """
    if not isinstance(X, (list, tuple)):
        return len(X.shape) != 3
    if not all(isinstance(row, (list, tuple)) for row in X):
        return not any(isinstance(row, (list, tuple)) or getattr(row, "shape", ()) for row in X)
    if len({len(row) for row in X}) != 1:
        return False
    return not any(isinstance(value, (list, tuple)) or getattr(value, "shape", ()) for value in X[0])


def read(X: Any, kind: Kind, features: int | None = None) -> list[Any]:
    """The rows of X, each checked; `features` is what every numeric step must have, None what the first row has."""
    if kind == "text":
        return texts(X)
    return ids(X) if kind == "ids" else list(numeric(X, features))


def texts(X: Any) -> list[str]:
    """X as a list of strings; anything else in it is an error that names the row."""
    rows = list(X)
    for number, row in enumerate(rows):
        if not isinstance(row, str):
            raise DataError(f"row {number} is {_shown(row)}, not text", mend="give strings only")
    return [str(row) for row in rows]


def ids(X: Any) -> list[NDArray[np.int32]]:
    """X as rows of token ids ≥ 0."""
    rows = []
    for number, row in enumerate(X):
        wrong = DataError(f"row {number} is not a list of token ids", mend="give whole numbers from 0 to 2147483647")
        try:
            array = np.asarray(row)
        except ValueError as error:  # rows in a row, of different lengths
            raise wrong from error
        if array.ndim != 1:
            raise wrong
        if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() > _LARGEST_ID):
            raise wrong
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
            array = array.reshape(-1, 1 if array.size or features is None else features)
        if array.ndim != 2:
            raise DataError(f"row {number} has {array.ndim} dimensions", mend="give (T,) or (T, I) arrays")
        features = array.shape[1] if features is None else features
        if array.shape[1] != features or features == 0:
            raise DataError(
                f"row {number} has {array.shape[1]} features a step, expected are {features or 'one or more'}",
                mend="give every step of every row the same features",
            )
        if not np.isfinite(array).all():
            step, feature = np.argwhere(~np.isfinite(array))[0]
            raise DataError(
                f"row {number}, step {step}, feature {feature} is {array[step, feature]}",
                mend="fill or drop missing values first",
            )
        rows.append(array + 0.0)  # -0 becomes 0, so that equal rows have equal bytes
    return rows


def labels(y: Any, rows: int) -> NDArray[Any]:
    """y as an array (R,) of strings, whole or boolean or other finite numbers, one label a row and none missing.

    >>> labels(["pos", "neg"], 2).tolist()
    ['pos', 'neg']
    """
    from sklearn.utils.validation import assert_all_finite, column_or_1d

    if y is None:
        raise UsageError("fit requires y to be passed, but the target y is None")
    # Through numpy first: scikit-learn turns nullable whole numbers and booleans of pandas into floats.
    array = column_or_1d(np.asarray(y), warn=True)
    if len(array) != rows:
        raise DataError(f"{rows} rows, but {len(array)} labels", mend="give one label a row")
    if array.dtype.kind == "O":
        array = _unboxed(array)
    if array.dtype.kind not in "biufU":
        raise DataError(f"labels are of dtype {array.dtype}", mend="give strings, whole numbers or booleans")
    assert_all_finite(array, input_name="y")
    return np.asarray(array)


def _unboxed(boxed: NDArray[Any]) -> NDArray[Any]:
    """An array of Python objects as one of the type that they all have."""
    for number, label in enumerate(boxed):
        if not isinstance(label, (str, bool, int, float, np.generic)) or label != label:
            raise DataError(f"the label of row {number} is {_shown(label)}", mend="give every row a label")
        if isinstance(label, str) != isinstance(boxed[0], str):
            raise DataError(
                f"labels are both text and numbers: {boxed[0]!r} in row 0, {label!r} in row {number}",
                mend="give labels of one type",
            )
    return np.array(boxed.tolist())


def _shown(value: Any) -> str:
    missing = value is None or isinstance(value, float)
    return str(value) if missing else f"of type {type(value).__name__}"


def merge_equal(
    rows: Sequence[NDArray[Any]], targets: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows in an order of their own, each (row, target) once with the sum of its weights, none with weight 0.

    Training then depends on what the data says and not on how it is written down: a row of weight 2 is the same as the
    row twice, weight 0 the same as absent, and the order of rows does not matter. That is what scikit-learn asks of
    `sample_weight`.

    Returns the kept rows' numbers and their weights.

    >>> merge_equal([np.ones(1), np.zeros(1), np.ones(1)], np.array([1, 0, 1]), np.array([1.0, 2.0, 0.5]))
    (array([1, 0]), array([2. , 1.5]))
    """
    found: dict[Any, list[int]] = {}
    for number, (row, target) in enumerate(zip(rows, targets, strict=True)):
        if weights[number] > 0:
            found.setdefault((row.shape, row.tobytes(), int(target)), []).append(number)
    groups = [found[key] for key in sorted(found)]
    # fsum is exact, so that the sum does not depend on the order either.
    totals = [math.fsum(weights[number] for number in group) for group in groups]
    return np.array([group[0] for group in groups], np.int64), np.array(totals, np.float64)
