r"""From the units of a series to those of the network and back.

A transform acts on every number: `log` is :math:`\ln y`, `log1p` is :math:`\ln(1 + y)`; `return` is `log`, of which the
network reads the differences from step to step. Then windows are brought to one scale, :math:`(y - c) / s`, where the
centre c is the last number of the window or its mean, and s the standard deviation of its numbers (of returns, the root
of their mean square), so that one network reads series of any size (as Kim et al. 2022, RevIN, ICLR). With the scaling
"series", s is the standard deviation of the series' training part, and the mean in c is its mean; with "all", s is the
mean of those of all series, which then are to be of one kind, as logarithms of prices are. With "none", c is 0 and s
is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError
from timesteps.runtime.spec import TransformName

__all__ = ["FLOOR", "deviations_so_far", "transformed", "untransformed", "window_scale"]

Array = NDArray[np.float64]

FLOOR = 0.05
"""The least scale of a window, in standard deviations of the series so far: a flat window must not make what follows
enormous."""


def transformed(values: Array, transform: TransformName) -> Array:
    """Numbers as the network sees them; NaN stays.

    Raises:
        DataError: a number that has no logarithm.

    >>> transformed(np.array([1.0, np.nan]), "log")
    array([ 0., nan])
    """
    if transform == "none":
        return values
    shift = 1.0 if transform == "log1p" else 0.0
    if (wrong := values <= -shift).any():
        found = values[wrong].flat[0]
        raise DataError(f"{found:g} has no logarithm", mend="use the transform 'none', or 'log1p' of numbers from 0")
    return np.asarray(np.log1p(values) if shift else np.log(values))


def untransformed(values: Array, transform: TransformName) -> Array:
    """The inverse of `transformed`; what does not fit in a number becomes the largest one."""
    if transform == "none":
        return values
    with np.errstate(over="ignore"):
        found = np.expm1(values) if transform == "log1p" else np.exp(values)
    return np.minimum(found, np.finfo(np.float64).max)


def deviations_so_far(values: Array, starts: NDArray[np.int64]) -> Array:
    """(N, D) standard deviation of all numbers of a series up to each step, NaN left out; 0 of none.

    >>> deviations_so_far(np.array([[1.0], [3.0], [np.nan], [7.0]]), np.array([0, 3])).ravel()
    array([0., 1., 1., 0.])
    """
    found = np.zeros_like(values)
    ends = np.append(starts[1:], len(values))
    for begin, end in zip(starts.tolist(), ends.tolist(), strict=True):
        part = values[begin:end]
        there = ~np.isnan(part)
        first = part[np.argmax(there, axis=0), np.arange(part.shape[1])]
        moved = np.where(there, part - np.nan_to_num(first), 0.0)
        counts = np.maximum(np.cumsum(there, axis=0), 1)
        mean = np.cumsum(moved, axis=0) / counts
        found[begin:end] = np.sqrt(np.maximum(np.cumsum(moved * moved, axis=0) / counts - mean * mean, 0.0))
    return found


def window_scale(numbers: Array, centre: Array, so_far: Array) -> Array:
    """(R, D) the scale of windows.

    Args:
        numbers: (R, T, D) what the network will read.
        centre: (R, D) what they deviate from.
        so_far: (R, D) standard deviation of the series up to the window's end.
    """
    spread = np.sqrt(np.mean((numbers - centre[:, None]) ** 2, axis=1))
    scale = np.maximum(spread, FLOOR * so_far)
    size = np.abs(centre)
    flat = scale <= 1e-9 * size
    return np.where(flat | (scale == 0), np.where(size > 0, size, 1.0), scale)
