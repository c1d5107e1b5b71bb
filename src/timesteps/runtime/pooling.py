"""From the outputs of all steps of a row to one vector, or to one of each step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from timesteps.runtime.cells import Array
from timesteps.runtime.scan import Steps
from timesteps.runtime.spec import PoolName

__all__ = ["at_steps", "pool"]


def pool(name: PoolName, steps: Steps, outputs: list[Array], attention: Array | None = None) -> Array:
    """Outputs of the last layer, one (N, H) a direction, to (B, features).

    `last` is each direction's final state: the forward one's at the row's last step, the reverse one's at its first.
    `attention` (1, features) weighs the steps by the softmax of their product with it.
    """
    if name == "last":
        batch = len(steps.lengths)
        ends = (steps.reverse[:batch], slice(batch))
        return np.concatenate([y[end] for y, end in zip(outputs, ends, strict=False)], axis=1)
    y = at_steps(outputs)
    if name == "attention":
        assert attention is not None
        return _attention(steps, y, attention[0])
    parts: list[Array] = []
    if name in ("mean", "mean+max"):
        parts.append(_sums(steps, y) / steps.lengths[:, None].astype(y.dtype))
    if name in ("max", "mean+max"):
        parts.append(_maxima(steps, y))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def at_steps(outputs: list[Array]) -> Array:
    """Outputs of the last layer, one (N, H) a direction, side by side."""
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=1)


def _attention(steps: Steps, y: Array, weight: Array) -> Array:
    scores = y @ weight
    weights = np.exp(scores - _maxima(steps, scores)[steps.row])  # the largest of a row is 1: nothing overflows
    weights /= _sums(steps, weights)[steps.row]
    return _sums(steps, y * weights[:, None])


def _sums(steps: Steps, y: Array) -> Array:
    """Sums over each row's steps: (N, …) -> (B, …)."""
    starts = steps.starts.tolist()
    sums = y[: starts[1]].copy()
    for begin, end in pairwise(starts[1:]):
        sums[: end - begin] += y[begin:end]
    return sums


def _maxima(steps: Steps, y: Array) -> Array:
    """Maxima over each row's steps: (N, …) -> (B, …)."""
    starts = steps.starts.tolist()
    maxima = y[: starts[1]].copy()
    for begin, end in pairwise(starts[1:]):
        np.maximum(maxima[: end - begin], y[begin:end], out=maxima[: end - begin])
    return maxima
