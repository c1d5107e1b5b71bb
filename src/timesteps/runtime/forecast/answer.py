"""What a network says of windows, and how it becomes a forecast: the share of it that is taken, the widened intervals.

Of every step of the horizon the forecast is the base and a share, between 0 and 1, of the way from there to what the
network says. The share was fitted on windows that training has not seen: where the network has not shown that it knows
better, the forecast is the base.
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
    """Of R rows, H steps and W targets, in units of the scale from the window's centre; L levels of intervals.

    Args:
        centre: (R, H, W) the forecast itself.
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


def taken(answer: Answer, base: Array, share: Array) -> Answer:
    """The answer with a share (H, W) of its way from the base (R, H, W); intervals move along and keep their widths."""
    moved = (share - 1) * (answer.centre - base)
    return Answer(answer.centre + moved, answer.lower + moved, answer.upper + moved)


def at_levels(ends: Array, centre: Array, known: tuple[float, ...], levels: tuple[float, ...]) -> Array:
    """Ends (L, …) of intervals of known levels around a centre (…) at levels between 0 and the highest one, (K, …).

    What is interpolated is the place on the axis of a normal distribution's quantiles, where ends of its intervals lie
    on a line that begins at the centre.

    >>> at_levels(np.array([[1.2816], [1.96]]), np.zeros(1), (80.0, 95.0), (50.0, 90.0)).round(3)
    array([[0.675],
           [1.645]])
    """
    axis = np.array([normal_quantile(0.5 + level / 200) for level in (0.0, *known)])
    points = np.concatenate([centre[None], ends])
    found = np.empty((len(levels), *centre.shape))
    for number, level in enumerate(levels):
        at = normal_quantile(0.5 + level / 200)
        above = min(max(int(np.searchsorted(axis, at - 1e-12)), 1), len(known))
        part = (at - axis[above - 1]) / (axis[above] - axis[above - 1])
        found[number] = points[above - 1] + part * (points[above] - points[above - 1])
    return found
