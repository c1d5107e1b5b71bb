r"""The base of a forecast: what is known without a network, which then only has to correct it.

Of the horizon's step h = 1, 2, … after the last step T of the transformed series y: `last` is :math:`y_T`; `seasonal`
is :math:`y_{T + h - m k}`, the last one known of the same place in the season of m steps; `drift` goes on in the line
from the series' first number to its last (Hyndman and Athanasopoulos, Forecasting, 3rd ed., 5.2); `mean` is the mean of
the window; `none` is the centre of the scale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.spec import BaseName

__all__ = ["History", "base_of"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class History(NamedTuple):
    """What a base may look at: series end to end, and where their windows end.

    Args:
        seen: (N, D) the last number seen at every step.
        first: (R, D) the step of the first number seen of each row's series.
        origins: (R,) the step behind each window.
        columns: (R, W) which of the D targets each row has.
    """

    seen: Array
    first: Index
    origins: Index
    columns: Index


def base_of(name: BaseName, history: History, horizon: int, season: int, mean: Array, centre: Array) -> Array:
    """(R, horizon, W) the base of every row, by the means (R, W) and the centres (R, W) of its window."""
    seen, first, origins, columns = history
    shape = (len(origins), horizon, columns.shape[1])
    if name in ("mean", "none"):
        return np.broadcast_to((mean if name == "mean" else centre)[:, None], shape)
    ahead = np.arange(horizon)
    if name == "seasonal":
        places = origins[:, None] - season + ahead % season
        return np.asarray(seen[places[:, :, None], columns[:, None, :]])
    last = seen[(origins - 1)[:, None], columns]
    if name == "last":
        return np.broadcast_to(last[:, None], shape)
    begin = np.take_along_axis(first, columns, axis=1)
    steps = np.maximum((origins - 1)[:, None] - begin, 1)
    slope = (last - seen[begin, columns]) / steps
    return np.asarray(last[:, None] + (ahead + 1)[None, :, None] * slope[:, None])
