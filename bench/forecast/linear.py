"""The linear model that transformers were found to lose to, on the same windows as the network.

NLinear (Zeng et al. 2023, arXiv 2205.13504): the window minus its last value, times one matrix for all variables, plus
that value. Fitted in closed form by ridge regression, which loses nothing (Toner and Darlow 2024, arXiv 2403.14587).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.forecast.quality import by_rule, figures
from bench.forecast.sets import Task

PENALTIES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)

Array = NDArray[np.float64]


class Linear:
    """Windows (C,) times a matrix (C, H), about the last value."""

    name = "linear"
    description = "one matrix for all variables, about the last value"

    def __init__(self, weight: Array) -> None:
        self.weight = weight

    def continued(self, known: Array, origins: NDArray[np.int64], horizon: int) -> Array:
        """(N, H, D) of the steps after each origin."""
        context = len(self.weight)
        windows = sliding_window_view(known, context, axis=0)[origins + 1 - context]  # (N, D, C)
        last = windows[..., -1:]
        return np.asarray(np.moveaxis((windows - last) @ self.weight[:, :horizon] + last, 1, 2))


def measure(task: Task) -> dict[str, Any]:
    """Figures of the matrix whose penalty is best on the validation part."""
    context, held = task.choices["context_length"], int(task.choices["validation"])
    (series,), (start,) = task.train, task.starts
    trained = series.targets[: start - held]
    pairs = sliding_window_view(trained, context + task.horizon, axis=0).reshape(-1, context + task.horizon)
    pairs = pairs - pairs[:, context - 1 : context]
    x, y = pairs[:, :context], pairs[:, context:]
    products, answers = x.T @ x, x.T @ y
    origins = np.arange(start - held, start - task.horizon + 1)
    truth = np.moveaxis(sliding_window_view(series.targets, task.horizon, axis=0)[origins], 1, 2)
    errors = {}
    for penalty in PENALTIES:
        model = Linear(np.asarray(np.linalg.solve(products + penalty * np.eye(context), answers), np.float64))
        found = model.continued(series.targets, origins - 1, task.horizon)
        errors[float(np.mean((found - truth) ** 2))] = (penalty, model)
    least = min(errors)
    penalty, model = errors[least]
    return figures(by_rule(task, model, task.windows)) | {"penalty": penalty, "validation_mse": least}
