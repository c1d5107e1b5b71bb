"""How good outputs are, in numpy and double precision: what `losses` says in torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.losses import Loss

__all__ = ["accuracy", "cross_entropy", "measured"]


def measured(
    criterion: Loss, outputs: NDArray[np.float64], targets: NDArray[Any], weights: NDArray[Any]
) -> dict[str, float]:
    """The mean loss, and the accuracy or the mean absolute error, each target counting by its weight; NaN counts not.

    Args:
        criterion: what the network was trained by.
        outputs: (U, outputs).
        targets: (U,) class numbers, (U, outputs) soft targets, or (U, D) numbers.
        weights: (U,).

    >>> measured(Loss("mse"), np.array([[0.0], [2.0]]), np.array([[1.0], [np.nan]]), np.array([2.0, 1.0]))
    {'loss': 1.0, 'mae': 1.0}
    """
    if criterion.is_classification:
        return {"loss": cross_entropy(outputs, targets, weights), "accuracy": accuracy(outputs, targets, weights)}
    numbers = targets.astype(np.float64)
    shares = np.where(np.isnan(numbers), 0.0, weights.astype(np.float64)[:, None])
    total = shares.sum()
    losses = np.nan_to_num(criterion.losses(outputs, numbers))
    errors = np.nan_to_num(np.abs(numbers - _centres(criterion, outputs)))
    return {"loss": float((losses * shares).sum() / total), "mae": float((errors * shares).sum() / total)}


def _centres(criterion: Loss, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The predicted numbers (U, D), as the network was trained to make them: quantiles are not sorted."""
    if criterion.name == "negative_binomial":
        return criterion.predictions(outputs)
    return outputs[:, criterion.centre :: len(criterion.parameters)]


def cross_entropy(logits: NDArray[np.float64], targets: NDArray[Any], weights: NDArray[Any]) -> float:
    """Mean cross-entropy in nats, each row counting by its weight.

    Args:
        logits: (R, outputs); one output is the logit of class 1 against class 0.
        targets: (R,) class numbers, or (R, outputs) soft targets.
        weights: (R,).

    >>> round(cross_entropy(np.array([[0.0], [2.0]]), np.array([1, 1]), np.array([2.0, 1.0])), 4)
    0.5044
    """
    if logits.shape[1] == 1:
        z = logits[:, 0]
        losses = np.logaddexp(0, z) - z * targets.reshape(-1)
    else:
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses = -log_p[np.arange(len(log_p)), targets] if targets.ndim == 1 else -(targets * log_p).sum(axis=1)
    return float(losses @ weights.astype(np.float64) / weights.sum(dtype=np.float64))


def accuracy(logits: NDArray[np.float64], targets: NDArray[Any], weights: NDArray[Any]) -> float:
    """Share of the weight of rows whose largest logit (one output: its sign) is the target's class.

    >>> accuracy(np.array([[0.3], [-1.0]]), np.array([1, 1]), np.ones(2))
    0.5
    """
    if logits.shape[1] == 1:
        right = (logits[:, 0] > 0) == (targets.reshape(-1) > 0.5)
    else:
        right = logits.argmax(axis=1) == (targets if targets.ndim == 1 else targets.argmax(axis=1))
    return float(right @ weights.astype(np.float64) / weights.sum(dtype=np.float64))
