"""Running a cell over rows of different lengths, either way, without computing anything on padding.

Rows lie longest first and time-major: the first steps of all rows, then the second steps of the rows that have one, and
so on. The rows still running at a step are then a prefix, and the batch shrinks as rows end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.cells import Array, Cell

__all__ = ["Gates", "Index", "Steps", "scan"]

Index = slice | NDArray[np.integer[Any]]
Gates = Callable[[Index], Array]  # the input's share of the gates of some of the N steps: (n, G * H), free to overwrite

_BLOCK = 4096  # steps whose gates are computed at once


class Steps:
    """Where the N steps of B rows lie.

    Args:
        lengths: (B,), each at least 1, never rising.

    >>> steps = Steps(np.array([3, 1]))
    >>> steps.row, steps.time, steps.reverse
    (array([0, 1, 0, 0]), array([0, 0, 1, 2]), array([3, 1, 2, 0]))
    """

    def __init__(self, lengths: NDArray[np.int64]) -> None:
        self.lengths = lengths
        active = len(lengths) - np.searchsorted(lengths[::-1], np.arange(lengths[0]), side="right")
        self.starts = np.zeros(len(active) + 1, np.int64)  # (T + 1,): the steps at time t are starts[t] : starts[t + 1]
        np.cumsum(active, out=self.starts[1:])
        self.time = np.repeat(np.arange(len(active)), active)  # (N,)
        self.row = np.arange(self.starts[-1]) - self.starts[self.time]  # (N,)
        # Step s of a row, counted from its end. Its own inverse: reversing twice changes nothing.
        self.reverse = self.starts[lengths[self.row] - 1 - self.time] + self.row  # (N,)

    def padded(self, x: Array) -> Array:
        """(N, n) as (T, B, n); what lies behind a row's end is any number.

        >>> Steps(np.array([2, 1])).padded(np.array([[1.0], [2.0], [3.0]]))[:, 0, 0]
        array([1., 3.])
        """
        shape = (len(self.starts) - 1, len(self.lengths), x.shape[1])
        if len(x) == shape[0] * shape[1]:  # all rows are of one length
            return np.ascontiguousarray(x).reshape(shape)
        spread = np.empty(shape, x.dtype)
        spread[self.time, self.row] = x
        return spread

    def packed(self, y: Array) -> Array:
        """The way back."""
        flat = y.reshape(-1, y.shape[2])
        return flat if len(flat) == self.starts[-1] else flat[self.time * y.shape[1] + self.row]


def scan(
    cell: Cell, steps: Steps, gates: Gates, reverse: bool = False, kept: tuple[Array, Array] | None = None
) -> Array:
    """The output of every step, (N, H), where its input lies; the reverse direction starts at each row's own end.

    `kept` gets what `step` leaves of the gates, (N, G * H), and c of cells that have it, (N, H), in the order in which
    steps are visited: where it lies, or at `steps.reverse`.
    """
    starts = steps.starts.tolist()
    y = np.empty((starts[-1], cell.hidden_size), cell.dtype)
    state = cell.initial(len(steps.lengths))
    time = 0
    while time < len(starts) - 1:
        begin = starts[time]
        end_time = max(time + 1, int(np.searchsorted(steps.starts, begin + _BLOCK, side="right")) - 1)
        block: Index = slice(begin, starts[end_time])
        gx = cell.settle(gates(steps.reverse[block] if reverse else block))
        for t in range(time, end_time):
            active = starts[t + 1] - starts[t]
            if active < len(state[0]):
                state = tuple(part[:active] for part in state)
            state = cell.advance(gx[starts[t] - begin : starts[t + 1] - begin], state)
            y[starts[t] : starts[t + 1]] = state[0]
            if kept is not None and len(state) > 1:
                kept[1][starts[t] : starts[t + 1]] = state[1]
        if kept is not None:
            kept[0][block] = gx
        time = end_time
    return y[steps.reverse] if reverse else y
