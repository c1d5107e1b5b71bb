"""Fewer, longer steps: windows of a sequence as what is usual in them and how much they vary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import UsageError, option

__all__ = ["windowed"]


def windowed(x: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Mean and standard deviation of each feature in each window of so many steps, one after the other.

    A sensor that speaks 32 times a second says little in one step; half a second of it has a level and an intensity.
    The network also has fewer steps to remember. Steps that are left over at the end are not used, unless there
    are no others.

    Args:
        x: (T, I) numbers.
        steps: of a window.

    Returns:
        (max(T // steps, 1), 2 I): means, then standard deviations; (0, 2 I) where T is 0.

    >>> windowed(np.array([[1.0], [3.0], [5.0], [5.0], [9.0]]), 2).tolist()
    [[2.0, 1.0], [5.0, 0.0]]
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise UsageError(f"{option('window')} is {steps!r}", mend="give a whole number of steps of at least 1")
    count = max(len(x) // steps, 1) if len(x) else 0
    parts = x[: count * steps].reshape(count, -1, x.shape[1]) if len(x) else np.zeros((0, 1, x.shape[1]))
    return np.concatenate([parts.mean(axis=1), parts.std(axis=1)], axis=1)
