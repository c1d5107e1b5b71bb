r"""Numbers that are missing: what was last seen, and how it fades.

After a gap :math:`\delta` since a number x was last seen, :math:`m + (x - m) e^{-r \delta}` stands in for it, with its
mean m: the best linear guess of a process whose autocorrelation at one step is :math:`e^{-r}`. GRU-D (Che et al. 2018,
arXiv 1606.01865) learns the rates r by gradient; here they are measured, as that autocorrelation, in the training part,
so that a plain network reads the result. A mask beside every number says whether it was there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["decay_rate", "decayed", "last_seen", "time_since"]

Array = NDArray[np.float64]

_SLOWEST, _FASTEST = 1e-6, 50.0


def last_seen(values: Array, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N, D) where each number was last seen, at or before its step; -1 where it has not been yet.

    Args:
        values: (N, D) of series end to end, NaN for what is missing.
        starts: (S,) the first step of each.

    >>> last_seen(np.array([[1.0], [np.nan], [np.nan], [2.0]]), np.array([0, 2])).ravel().tolist()
    [0, 0, -1, 3]
    """
    steps = np.arange(len(values), dtype=np.int64)
    place = np.where(np.isnan(values), -1, steps[:, None])
    np.maximum.accumulate(place, axis=0, out=place)
    begin = np.repeat(starts, np.diff(np.append(starts, len(values))))
    return np.where(place >= begin[:, None], place, -1)


def time_since(place: NDArray[np.int64], clock: Array) -> Array:
    """(N, D) how long ago that was by the clock (N,) of the steps; 0 where nothing has been seen yet."""
    return np.where(place >= 0, clock[:, None] - clock[place], 0.0)


def decayed(seen: Array, since: Array, mean: Array, rate: Array) -> Array:
    """What stands in for numbers that were last seen as `seen`, `since` ago; the mean where nothing was seen.

    >>> decayed(np.array([3.0, 3.0, np.nan]), np.array([0.0, 1.0, 0.0]), np.array(1.0), np.array(np.log(2.0)))
    array([3., 2., 1.])
    """
    faded = mean + (seen - mean) * np.exp(-rate * since)
    return np.where(np.isnan(seen), mean, np.where(since == 0, seen, faded))


def decay_rate(values: Array, starts: NDArray[np.int64]) -> Array:
    """(D,) minus the logarithm of the autocorrelation at one step, of series end to end, each around its own mean.

    >>> decay_rate(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0])).round(2)
    array([0.79])
    """
    lengths = np.diff(np.append(starts, len(values)))
    there = ~np.isnan(values)
    counts = np.add.reduceat(there.astype(np.float64), starts, axis=0)
    means = np.add.reduceat(np.where(there, values, 0.0), starts, axis=0) / np.maximum(counts, 1)
    centred = np.where(there, values - np.repeat(means, lengths, axis=0), 0.0)
    both = there[1:] & there[:-1]
    both[starts[1:] - 1] = False
    products = (np.where(both, centred[1:] * centred[:-1], 0.0)).sum(axis=0)
    squares = np.where(both, (centred[1:] ** 2 + centred[:-1] ** 2) / 2, 0.0).sum(axis=0)
    correlation = np.divide(products, squares, out=np.zeros(values.shape[1]), where=squares > 0)
    return np.asarray(-np.log(np.clip(correlation, 1e-30, 1.0))).clip(_SLOWEST, _FASTEST)
