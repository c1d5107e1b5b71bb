r"""Split conformal calibration: how much wider intervals must be to hold what they promise.

On windows that training has not seen, the scores of an interval's ends are by how much the truth lies outside of them,
:math:`l - y` and :math:`y - u`, in units of the window's scale. The ends are moved by the score's quantile of the
promised level with the correction for finite samples, :math:`\lceil (n + 1) p \rceil / n` (Romano et al. 2019, arXiv
1905.03222; of a forecast without a spread, where both ends are the centre, Lei et al. 2018, arXiv 1604.04173). The
promise rests on calibration and future windows being exchangeable, which windows of one series are only roughly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["conformal_quantile", "widths"]

Array = NDArray[np.float64]


def conformal_quantile(scores: Array, level: float) -> Array:
    """(H,) of scores (n, H), NaN left out: the ⌈(n + 1) level⌉-th smallest, or the largest where there are too few.

    >>> conformal_quantile(np.arange(9.0)[:, None], 0.8)
    array([7.])
    """
    ordered = np.sort(scores, axis=0)  # NaN last
    counts = (~np.isnan(scores)).sum(axis=0)
    ranks = np.array([min(math.ceil(round((count + 1) * level, 9)), count) for count in counts.tolist()])
    found = np.take_along_axis(ordered, np.maximum(ranks - 1, 0)[None], axis=0)[0]
    return np.where(counts > 0, found, 0.0)


def widths(
    truth: Array, lower: Array, upper: Array, levels: tuple[float, ...], *, symmetric: bool, least: float = 0.0
) -> tuple[Array, Array]:
    """(L, H) by how much to move the lower ends down and the upper ends up.

    Args:
        truth: (n, H), NaN where it is not known.
        lower, upper: (L, n, H) the ends.
        levels: (L,) in percent.
        symmetric: both ends by as much, whichever side the truth is on; else each for itself, by half of what may be
            outside.
        least: of a width. Intervals of a network that were too wide on the calibration windows are left so by 0: its
            quantiles know of calm and wild times, the score's quantile knows only the calibration's.

    >>> truth, zero = np.linspace(-1, 1, 101)[:, None], np.zeros((1, 101, 1))
    >>> [side.round(2).tolist() for side in widths(truth, zero, zero, (80.0,), symmetric=True)]
    [[[0.82]], [[0.82]]]
    """
    sides = []
    for number, level in enumerate(levels):
        below, above = lower[number] - truth, truth - upper[number]
        if symmetric:
            both = conformal_quantile(np.maximum(below, above), level / 100)
            sides.append((both, both))
        else:
            sides.append((conformal_quantile(below, 0.5 + level / 200), conformal_quantile(above, 0.5 + level / 200)))
    found = np.maximum(np.array(sides).reshape(len(levels), 2, truth.shape[1]), least)
    return found[:, 0], found[:, 1]
