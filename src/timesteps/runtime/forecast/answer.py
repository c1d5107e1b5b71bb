"""What a network says of windows, and how it becomes a forecast: the share of it that is taken, the widened intervals.

A network corrects the base, in units of the window's scale. Of every step of the horizon only a share of the correction
is taken, between 0 and 1, which was fitted on windows that training has not seen: where the network has not shown that
it knows better, the forecast is the base.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.distributions import normal_quantile
from timesteps.runtime.losses import Loss

__all__ = ["Answer", "at_levels", "quantile_levels", "read_answer", "taken"]

Array = NDArray[np.float64]


class Answer(NamedTuple):
    """Of R rows, H steps and W targets, in units of the scale, from the base; L levels of intervals.

    Args:
        centre: (R, H, W) the correction.
        lower, upper: (L, R, H, W) ends of the intervals.
    """

    centre: Array
    lower: Array
    upper: Array


def quantile_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    """The quantiles between which central intervals of these percentages lie, the lower ones first.

    >>> quantile_levels((80.0, 95.0))
    (0.1, 0.025, 0.9, 0.975)
    """
    below = tuple(round(0.5 - level / 200, 10) for level in levels)
    return below + tuple(round(1 - quantile, 10) for quantile in below)


def read_answer(outputs: Array, loss: Loss, horizon: int, width: int, levels: tuple[float, ...]) -> Answer:
    """Outputs (R, H · W · P) of a network; without a spread both ends are the centre.

    Levels beyond those that a loss of quantiles was trained for end at its outermost ones.
    """
    shape = (len(outputs), horizon, width)
    centre = loss.predictions(outputs).reshape(shape)
    if loss.name in ("mse", "mae"):
        ends = np.broadcast_to(centre, (len(levels), *shape))
        return Answer(centre, ends, ends)
    wanted = quantile_levels(levels)
    if loss.quantiles:
        wanted = tuple(min(max(level, loss.quantiles[0]), loss.quantiles[-1]) for level in wanted)
    found = np.moveaxis(loss.quantiles_of(outputs, wanted).reshape(*shape, len(wanted)), -1, 0)
    return Answer(centre, found[: len(levels)], found[len(levels) :])


def taken(answer: Answer, share: Array) -> Answer:
    """The answer with a share (H, W) or (R, H, W) of its correction; the intervals move along and keep their widths."""
    moved = (share - 1) * answer.centre
    return Answer(answer.centre + moved, answer.lower + moved, answer.upper + moved)


def at_levels(ends: Array, known: tuple[float, ...], levels: tuple[float, ...]) -> Array:
    """Ends (L, …) of intervals of known levels at others between them, (K, …).

    What is interpolated is the place on the axis of a normal distribution's quantiles, where ends of its intervals lie
    on a line.

    >>> at_levels(np.array([[1.2816], [1.96]]), (80.0, 95.0), (90.0,)).round(3)
    array([[1.645]])
    """
    axis = np.array([normal_quantile(0.5 + level / 200) for level in known])
    found = np.empty((len(levels), *ends.shape[1:]))
    for number, level in enumerate(levels):
        at = normal_quantile(0.5 + level / 200)
        above = min(int(np.searchsorted(axis, at - 1e-12)), len(known) - 1)
        below = max(above - 1, 0)
        gap = axis[above] - axis[below]
        part = (at - axis[below]) / gap if gap else 0.0
        found[number] = ends[below] + part * (ends[above] - ends[below])
    return found
