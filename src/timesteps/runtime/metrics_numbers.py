"""How good predicted numbers are."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError

__all__ = ["NumberEvaluation", "evaluate_numbers"]


class NumberEvaluation(msgspec.Struct, frozen=True):
    """What `evaluate_numbers` found; missing targets (NaN) do not count."""

    n: int  # numbers judged
    missing: int  # numbers that are NaN
    mae: float  # mean absolute error
    rmse: float  # root of the mean squared error
    r2: float  # 1 - squared errors / squared deviations from each number's mean; 0 where nothing deviates
    loss: float  # what the model was trained by, on the scale that it was trained on

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, ready for JSON; the names are those of the fields."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def evaluate_numbers(
    targets: NDArray[np.float64],
    predictions: NDArray[np.float64],
    losses: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NumberEvaluation:
    """Targets, predictions and losses (R, D), weights (R,).

    r2 is of all numbers together: the errors of all D columns over the deviations of all columns from their means.

    Raises:
        DataError: no number to judge.

    >>> evaluate_numbers(np.array([[1.0], [3.0]]), np.array([[1.0], [2.0]]), np.zeros((2, 1))).r2
    0.5
    """
    there = ~np.isnan(targets)
    shares = np.where(there, 1.0 if weights is None else weights[:, None], 0.0)
    total = shares.sum()
    if total == 0:
        raise DataError("there is no number to judge", mend="give targets that are not all missing")
    errors = np.where(there, targets - predictions, 0.0)
    columns = shares.sum(axis=0)
    means = np.divide(
        (shares * np.nan_to_num(targets)).sum(axis=0), columns, where=columns > 0, out=np.zeros_like(columns)
    )
    deviations = float((shares * np.where(there, targets - means, 0.0) ** 2).sum())
    squares = float((shares * errors**2).sum())
    return NumberEvaluation(
        n=int(there.sum()),
        missing=int((~there).sum()),
        mae=float((shares * np.abs(errors)).sum() / total),
        rmse=float(np.sqrt(squares / total)),
        r2=1 - squares / deviations if deviations > 0 else 0.0,
        loss=float((shares * np.nan_to_num(losses)).sum() / total),
    )
